from cryptography.fernet import Fernet
from pydantic import SecretStr

from ingress.channels import Channels
from ingress.signature import is_signed, is_token, sign
from runtime.secrets import SecretBox
from schemas.bots import BotSettings, MessengerChannel

BOX = SecretBox(SecretStr(Fernet.generate_key().decode()))
OTHER_BOX = SecretBox(SecretStr(Fernet.generate_key().decode()))


def bot(*pages: str, name: str = "shop", version: int = 1, secret: str = "s", box: SecretBox = BOX) -> BotSettings:
    return BotSettings(
        id=f"{name}:{version}",
        bot=name,
        version=version,
        name=name,
        messenger=tuple(
            MessengerChannel(
                page_id=page,
                app_id="7",
                app_secret=box.encrypt(secret),
                verify_token=box.encrypt(f"verify-{name}"),
                page_token=box.encrypt("t"),
            )
            for page in pages
        ),
    )


def channels(*bots: BotSettings) -> Channels:
    made = Channels(BOX)
    for one in bots:
        made.apply(one.key, one)
    return made


def test_pages_of_one_app_share_its_secret():
    known = channels(bot("1", "2"), bot("3", name="other")).known
    assert set(known.pages) == {"1", "2", "3"}
    assert known.app_secrets == (b"s",)
    assert set(known.verify_tokens) == {b"verify-shop", b"verify-other"}


def test_a_new_version_replaces_all_of_the_old_one():
    known = channels(bot("1", "2"), bot("2", version=2, secret="new")).known
    assert set(known.pages) == {"2"}
    assert known.app_secrets == (b"new",)


def test_a_deleted_bot_has_no_pages():
    made = channels(bot("1"))
    made.apply("shop", None)
    assert not made.known.pages
    assert made.known.app_secrets == ()


def test_a_page_whose_secrets_cannot_be_read_takes_no_other_page_with_it():
    known = channels(bot("1", box=OTHER_BOX), bot("2", name="other")).known
    assert known.unusable == ("1",)
    assert set(known.pages) == {"1", "2"}
    assert known.app_secrets == (b"s",)


def test_secrets_are_not_shown():
    made = channels(bot("1", secret="hunter-two"))
    assert "hunter-two" not in repr(made.known) + repr(made._bots)


def test_a_signature_of_a_known_value():
    # printf '{"object":"page"}' | openssl dgst -sha256 -hmac secret
    told = "sha256=c1456f83e15385a03562cbe2eaaa918ec5e06b4f170f909283a2781c7924e4d1"
    body = b'{"object":"page"}'
    assert sign(body, b"secret") == told
    assert is_signed(body, sign(body, b"secret"), [b"other", b"secret"])
    assert is_signed(body, sign(body, b"secret").upper().replace("SHA256", "sha256"), [b"secret"])
    assert not is_signed(body, sign(body, b"secret"), [b"other"])
    assert not is_signed(body, sign(body, b"secret"), [])
    assert not is_signed(body, None, [b"secret"])


def test_a_verify_token_is_compared_whole_and_an_empty_one_opens_nothing():
    assert is_token("abc", [b"x", b"abc"])
    assert not is_token("ab", [b"abc"])
    assert not is_token("", [b""])
    assert not is_token("\udcff", [b"abc"])
