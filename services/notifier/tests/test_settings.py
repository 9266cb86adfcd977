import pytest
from pydantic import SecretStr, ValidationError

from notifier.main import hello
from notifier.settings import NotifierSettings
from notifier.smtp import Refused, Server, envelope_address, server_of


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:8025", ("127.0.0.1", 8025, "smtp", None)),
        ("smtp://mail.example.org", ("mail.example.org", 25, "smtp", None)),
        ("smtps://a%40b:p%3Aw@mail.example.org", ("mail.example.org", 465, "smtps", "a@b")),
        ("smtp+starttls://u:p@mail.example.org:2525", ("mail.example.org", 2525, "smtp+starttls", "u")),
    ],
)
def test_a_mail_server_is_named_by_a_url(url, server):
    found = server_of(SecretStr(url))
    assert isinstance(found, Server)
    assert (found.host, found.port, found.mode, found.username) == server


def test_a_password_is_read_and_never_shown():
    found = server_of(SecretStr("smtps://u:p%3Aw@mail.example.org"))
    assert found.password is not None
    assert found.password.get_secret_value() == "p:w"
    assert "p:w" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://x",
        "smtp://",
        "smtp://u:secret@mail.example.org",
        "smtp://h:25/x",
        "smtp://h:notaport",
        "smtps://u:secret/x@h",
    ],
)
def test_an_unusable_mail_server_is_refused_without_showing_its_password(url):
    with pytest.raises(ValidationError) as refused:
        NotifierSettings(smtp_url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("sender", ["", "nobody", "a@x.org, b@x.org", "x <a@x.org>\nBcc: c@x.org", "<>"])
def test_a_sender_is_one_address(sender):
    with pytest.raises(ValidationError):
        NotifierSettings(mail_from=sender)


def test_addresses_go_to_the_server_in_ascii():
    assert envelope_address("ann@bücher.example.org") == "ann@xn--bcher-kva.example.org"
    with pytest.raises(Refused):
        envelope_address("jürgen@example.org")
    with pytest.raises(Refused):
        envelope_address("no address")


def test_an_address_as_host_is_bracketed_in_the_greeting():
    assert hello("http://127.0.0.1:8081") == "[127.0.0.1]"
    assert hello("http://[::1]:8081") == "[IPv6:::1]"
    assert hello("https://chat.example.org") == "chat.example.org"
