"""Settings from the environment and from files, and what is refused."""

import pytest
from pydantic import ValidationError

from runtime.service import sentences
from runtime.settings import PREFIX, ServiceSettings


@pytest.fixture
def given(monkeypatch, tmp_path):
    """Sets variables; a value of bytes is put into a file that the variable names."""

    def give(**variables):
        for name, value in variables.items():
            if isinstance(value, bytes):
                path = tmp_path / name
                path.write_bytes(value)
                value = str(path)  # noqa: PLW2901
            monkeypatch.setenv(PREFIX + name, value)

    return give


def wrong():
    with pytest.raises(ValidationError) as refused:
        ServiceSettings()
    return sentences(refused.value)


def test_secret_from_a_file_is_the_whole_file_without_the_lines_end(given):
    given(KAFKA_PASSWORD_FILE=b" two words \r\n", DATABASE_URL_FILE=b"postgresql://somebody@somewhere/there")
    settings = ServiceSettings()
    assert settings.kafka_password.get_secret_value() == " two words "
    assert settings.database_url.get_secret_value() == "postgresql://somebody@somewhere/there"
    assert "two words" not in repr(settings)


def test_every_setting_can_be_in_a_file_and_is_checked_as_ever(given):
    given(PARTITIONS_FILE=b"16\n")
    assert ServiceSettings().partitions == 16
    given(PARTITIONS_FILE=b"many\n")
    (said,) = wrong()
    assert said.startswith("CONVOBOSS_PARTITIONS: Input should be a valid integer")


def test_each_file_that_cannot_be_read_is_refused_by_its_variables_name(given):
    given(KAFKA_PASSWORD_FILE="/not/there", SECRET_KEYS_FILE="/", HTTP_HOST_FILE="", LOG_LEVEL_FILE=b"\xff")
    assert sorted(line.partition(": ")[0] for line in wrong()) == [
        "CONVOBOSS_HTTP_HOST_FILE",
        "CONVOBOSS_KAFKA_PASSWORD_FILE",
        "CONVOBOSS_LOG_LEVEL_FILE",
        "CONVOBOSS_SECRET_KEYS_FILE",
    ]
    assert "CONVOBOSS_KAFKA_PASSWORD_FILE: /not/there cannot be read: No such file or directory." in wrong()


def test_value_and_file_together_are_refused_and_neither_is_shown(given):
    given(KAFKA_PASSWORD="from the environment", KAFKA_PASSWORD_FILE=b"from the file")
    assert wrong() == ["CONVOBOSS_KAFKA_PASSWORD_FILE: CONVOBOSS_KAFKA_PASSWORD is set as well; give one of the two."]


def test_no_setting_is_named_like_the_file_of_another():
    names = ServiceSettings.model_fields.keys()
    assert not [name for name in names if f"{name}_file" in names]


def test_login_without_user_or_password_is_refused(given):
    given(KAFKA_SECURITY="SASL_SSL", KAFKA_USERNAME="ops")
    assert wrong() == ["CONVOBOSS_KAFKA_PASSWORD: must be set, because CONVOBOSS_KAFKA_SECURITY is SASL_SSL."]
    given(KAFKA_USERNAME="", KAFKA_PASSWORD_FILE=b"secret")
    assert wrong() == ["CONVOBOSS_KAFKA_USERNAME: must be set, because CONVOBOSS_KAFKA_SECURITY is SASL_SSL."]


def test_authority_that_cannot_be_read_or_is_none_is_refused(given):
    given(KAFKA_SECURITY="SSL", KAFKA_CA_FILE="/not/there.pem")
    assert wrong() == ["CONVOBOSS_KAFKA_CA_FILE: /not/there.pem cannot be read: No such file or directory."]
    given(KAFKA_CA_FILE=b"no certificate")
    (said,) = wrong()
    assert said.endswith("holds no certificate in PEM.")
