"""The real world takes the place of a stand-in when the environment names it."""

import pytest

from local import catalogue, credentials, planning, ports


@pytest.fixture
def make_plan():
    plans = []

    def make(**environ):
        plans.append(planning.plan(lambda _: None, environ))
        return plans[-1]

    yield make
    for plan in plans:
        for port in plan.ports.values():
            ports.release(port)


def test_without_settings_everything_is_local_and_the_addresses_fit_together(make_plan):
    plan = make_plan()
    assert plan.programs == catalogue.PROGRAMS
    assert plan.graph == f"{plan.address(catalogue.FACEBOOK)}/v26.0"
    assert plan.public == plan.address(catalogue.CONSOLE)
    assert plan.kafka == f"127.0.0.1:{plan.ports[catalogue.KAFKA]}"


@pytest.mark.parametrize(
    ("setting", "value", "absent"),
    [
        ("CONVOBOSS_GRAPH_URL", "https://graph.facebook.com/v26.0", "facebook"),
        ("CONVOBOSS_SMTP_URL", "smtps://user:secret@mail.example.com", "mail"),
        ("CONVOBOSS_KAFKA_BOOTSTRAP", "kafka.example.com:9092", catalogue.KAFKA),
        ("CONVOBOSS_DATABASE_URL", "postgresql://db.example.com/x", catalogue.POSTGRES),
    ],
)
def test_what_the_environment_names_is_not_started_and_is_passed_on(make_plan, tmp_path, setting, value, absent):
    plan = make_plan(**{setting: value})
    assert absent not in plan.ports
    environment = plan.environment(catalogue.TAKEOVER, credentials.of(tmp_path))
    assert environment[setting] == value


def test_every_program_gets_a_port_of_its_own(make_plan):
    plan = make_plan()
    assert len(set(plan.ports.values())) == len(plan.ports)


def test_secrets_are_made_once_for_a_data_folder_and_only_their_owner_reads_them(tmp_path):
    first = credentials.of(tmp_path)
    assert credentials.of(tmp_path) == first
    assert credentials.of(tmp_path / "other") != first
    assert (tmp_path / credentials.FILE).stat().st_mode & 0o777 == 0o600
    assert first.password not in repr(first)
