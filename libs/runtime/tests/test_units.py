"""The small parts, without I/O."""

import random
from itertools import islice

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from runtime import backoff, tracing
from runtime.health import Health
from runtime.secrets import NoSecretKeys, SecretBox, Undecryptable
from runtime.service import sentences
from runtime.settings import ServiceSettings


class Highest:
    """Always draws the upper bound."""

    def uniform(self, _a, b):
        return b


class TestBackoff:
    def test_bound_doubles_up_to_the_cap(self):
        assert list(islice(backoff.delays(0.1, 1.0, Highest()), 6)) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]

    @given(st.integers())
    def test_jitter_is_full(self, seed):
        drawn = list(islice(backoff.delays(1.0, 1.0, random.Random(seed)), 50))
        assert all(0.0 <= delay <= 1.0 for delay in drawn)
        assert min(drawn) < 0.5 < max(drawn)


class TestSecrets:
    OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()

    def test_secret_comes_back_and_its_text_shows_nowhere(self):
        box = SecretBox(SecretStr(self.NEW))
        token = box.encrypt("page token")
        assert "page token" not in token
        assert box.decrypt(token).get_secret_value() == "page token"
        assert "page token" not in repr(box.decrypt(token))

    def test_old_key_decrypts_and_the_first_encrypts(self):
        old, both, new = (SecretBox(SecretStr(keys)) for keys in (self.OLD, f"{self.NEW}, {self.OLD}", self.NEW))
        assert both.decrypt(old.encrypt("x")).get_secret_value() == "x"
        assert new.decrypt(both.encrypt("x")).get_secret_value() == "x"

    def test_token_of_another_key_is_refused(self):
        with pytest.raises(Undecryptable):
            SecretBox(SecretStr(self.NEW)).decrypt(SecretBox(SecretStr(self.OLD)).encrypt("x"))

    @pytest.mark.parametrize("keys", ["", " , ", "too short"])
    def test_missing_or_malformed_keys_are_refused_without_showing_them(self, keys):
        with pytest.raises(NoSecretKeys) as raised:
            SecretBox(SecretStr(keys))
        assert "too short" not in str(raised.value)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class TestHealth:
    def test_component_is_failing_until_it_says_that_it_is_well(self):
        health = Health()
        component = health.component("database")
        assert not health.report().ready
        component.ok("connected")
        assert health.report().ready
        component.failing("away")
        assert health.report().components["database"].detail == "away"

    def test_waiting_work_without_progress_is_stuck_after_its_time(self):
        clock, health = self.consumer(lambda: True)
        assert health.report().ready
        clock.now = 29.0
        assert health.report().ready
        clock.now = 30.0
        assert "no progress for 30 s" in health.report().components["consumer"].detail
        health.component("consumer").progress()
        assert health.report().ready

    def test_idle_time_is_no_delay_also_if_nobody_looked_meanwhile(self):
        waiting = [False]
        clock, health = self.consumer(lambda: waiting[0])
        clock.now, waiting[0] = 1000.0, True
        assert health.report().ready
        clock.now = 1029.0
        assert health.report().ready
        clock.now = 1030.0
        assert not health.report().ready

    def consumer(self, waiting):
        clock = Clock()
        health = Health(clock)
        component = health.component("consumer")
        component.ok()
        component.expects_progress(waiting, within=30.0)
        return clock, health

    def test_before_anything_is_known_nothing_is_ready(self):
        assert not Health().report().ready

    def test_one_component_fails_the_whole(self):
        health = Health()
        health.component("a").ok()
        health.component("b").failing("no")
        assert not health.report().ready


TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class TestTracing:
    def test_incoming_trace_is_handed_on_and_forgotten_after(self):
        with tracing.span("work", TRACE) as carried:
            assert carried == tracing.current() == TRACE
            assert tracing.trace_id() == "a" * 32
            with tracing.span("inner") as inner:
                assert inner == TRACE
        assert tracing.current() is None

    def test_without_a_trace_there_is_no_span_unless_it_is_a_root(self):
        with tracing.span("work") as carried:
            assert carried is None
        with tracing.span("work", root=True) as carried:
            assert tracing.valid(carried) == carried

    @pytest.mark.parametrize(
        "malformed", ["", "00-abc", TRACE + "-more", TRACE.replace("a", "0"), TRACE.upper(), "01" + TRACE[2:], "x\n"]
    )
    def test_malformed_trace_is_dropped(self, malformed):
        with tracing.span("work", malformed) as carried:
            assert carried is None

    def test_off_loads_nothing_of_opentelemetry(self):
        import subprocess
        import sys

        code = "import sys, runtime.service, runtime.consumer; print([m for m in sys.modules if 'opentelemetry' in m])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestSettings:
    def test_wrong_setting_is_a_sentence_that_names_its_variable_and_not_its_value(self, monkeypatch):
        monkeypatch.setenv("CONVOBOSS_HTTP_PORT", "hunter2")
        with pytest.raises(ValidationError) as raised:
            ServiceSettings()
        (sentence,) = sentences(raised.value)
        assert sentence.startswith("CONVOBOSS_HTTP_PORT: Input should be a valid integer")
        assert "hunter2" not in sentence
        assert "hunter2" not in str(raised.value)

    def test_secrets_do_not_show(self):
        settings = ServiceSettings(database_url=SecretStr("postgresql://u:pw@h/d"), secret_keys=SecretStr("k3y"))
        assert "pw@" not in repr(settings)
        assert "k3y" not in repr(settings)

    def test_every_setting_has_a_description(self):
        assert all(field.description for field in ServiceSettings.model_fields.values())
