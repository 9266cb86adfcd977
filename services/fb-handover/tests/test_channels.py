import hashlib
import hmac

from cryptography.fernet import Fernet
from fb_commands import APP, PAGE
from pydantic import SecretStr

from fb_handover.channels import Channels
from runtime.health import Health
from runtime.secrets import SecretBox
from schemas.bots import BotSettings, MessengerChannel

KEY = Fernet.generate_key().decode()
BOX = SecretBox(SecretStr(KEY))


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def channels(clock=None):
    health = Health()
    return health, Channels(BOX, health.component("channels"), clock or Clock())


def bot(page=PAGE, box=BOX, version=1, token="the-token"):
    channel = MessengerChannel(
        page_id=page,
        app_id=APP,
        app_secret=box.encrypt("the-secret"),
        verify_token=box.encrypt("v"),
        page_token=box.encrypt(token),
    )
    return BotSettings(id=f"bot:{version}", bot="lamps", version=version, name="Lamps", messenger=(channel,))


def test_a_pages_secrets_are_decrypted_for_a_request():
    _, known = channels()
    known.apply("lamps", bot())
    connected = known.connected(PAGE)
    assert connected is not None
    assert connected.credentials.token.get_secret_value() == "the-token"
    assert connected.credentials.proof == hmac.new(b"the-secret", b"the-token", hashlib.sha256).hexdigest()


def test_what_a_page_is_shown_as_holds_no_secret():
    _, known = channels()
    known.apply("lamps", bot())
    assert "the-token" not in repr(known.connected(PAGE))


def test_a_page_that_moved_away_from_a_bot_is_unknown():
    _, known = channels()
    known.apply("lamps", bot())
    known.apply("lamps", bot(page="42", version=2))
    assert known.connected(PAGE) is None
    assert known.connected("42") is not None


def test_a_page_whose_token_was_changed_is_asked_with_the_new_one():
    _, known = channels()
    known.apply("lamps", bot())
    assert known.connected(PAGE).credentials.token.get_secret_value() == "the-token"
    known.apply("lamps", bot(version=2, token="another"))
    assert known.connected(PAGE).credentials.token.get_secret_value() == "another"


def test_a_page_that_another_bot_took_over_is_asked_with_the_new_token_and_goes_with_a_removed_bot():
    _, known = channels()
    known.apply("lamps", bot())
    known.connected(PAGE)
    known.apply("shoes", bot(token="another"))
    assert known.connected(PAGE).credentials.token.get_secret_value() == "another"
    known.apply("lamps", None)
    known.apply("shoes", None)
    assert known.connected(PAGE) is None


def test_a_removed_bot_takes_its_pages_along():
    _, known = channels()
    known.apply("lamps", bot())
    known.apply("lamps", None)
    assert known.connected(PAGE) is None


def test_health_names_a_page_that_commands_wait_for_until_it_is_there():
    health, known = channels()
    assert health.report().ready
    known.connected(PAGE)
    assert PAGE in health.report().components["channels"].detail
    known.apply("lamps", bot())
    known.connected(PAGE)
    assert health.report().ready


def test_health_forgets_a_page_that_nobody_asks_for_any_more():
    clock = Clock()
    health, known = channels(clock)
    known.connected(PAGE)
    clock.now += 61.0
    assert health.report().ready


def test_a_page_whose_secrets_have_another_key_is_not_connected_and_health_says_so():
    health, known = channels()
    known.apply("lamps", bot(box=SecretBox(SecretStr(Fernet.generate_key().decode()))))
    assert known.connected(PAGE) is None
    assert not health.report().ready
