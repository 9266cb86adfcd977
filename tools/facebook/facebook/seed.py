"""The pages the box starts with: those of a settings file, or a demonstration page with some customers."""

from pathlib import Path

from pydantic import SecretStr, ValidationError

from facebook.pages import App, BoxFile, Customer, PageWithCustomers
from facebook.settings import Settings

# Names in several scripts: what is escaped on the wire has to arrive as it was.
CUSTOMERS = (
    ("73105284619001", "Mia", "Winter"),
    ("73105284619002", "Jonas", "Okafor"),
    ("73105284619003", "Sofía", "Núñez"),
    ("73105284619004", "كريم", "حداد"),
    ("73105284619005", "由紀", "田中"),
    ("73105284619006", "Lea", "Müller"),
    ("73105284619007", "Anouk", "de Vries"),
    ("73105284619008", "Tomasz", "Łukaszewski"),
)


class NoSeed(Exception):
    """The box cannot start; the text says which variable or which line of the file to mend."""


def box_file(settings: Settings) -> BoxFile:
    """Raises NoSeed."""
    if settings.facebook_settings_file is not None:
        return _from_file(settings.facebook_settings_file)
    return _demonstration(settings)


def _from_file(path: Path) -> BoxFile:
    import yaml  # reads JSON too

    try:
        return BoxFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except OSError as error:
        raise NoSeed(f"CONVOBOSS_FACEBOOK_SETTINGS_FILE: {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise NoSeed(f"CONVOBOSS_FACEBOOK_SETTINGS_FILE: {path} is neither JSON nor YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise NoSeed(f"CONVOBOSS_FACEBOOK_SETTINGS_FILE: {path}: {where}: {first['msg']}") from None


def _demonstration(settings: Settings) -> BoxFile:
    app = App(
        id=settings.facebook_app_id,
        name="Bot app",
        secret=_given("CONVOBOSS_FACEBOOK_APP_SECRET", settings.facebook_app_secret),
        verify_token=_given("CONVOBOSS_FACEBOOK_VERIFY_TOKEN", settings.facebook_verify_token),
        webhook_url=settings.facebook_webhook_url,
    )
    page = PageWithCustomers(
        id=settings.facebook_page_id,
        name=settings.facebook_page_name,
        tokens={app.id: _given("CONVOBOSS_FACEBOOK_PAGE_TOKEN", settings.facebook_page_token)},
        default_app=app.id,
        takers=frozenset({app.id}),
        customers=tuple(Customer(psid=psid, first_name=first, last_name=last) for psid, first, last in CUSTOMERS),
    )
    return BoxFile(apps=(app,), pages=(page,))


def _given(variable: str, secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise NoSeed(
            f"{variable} is not set. The demonstration app needs it (any text, the same as the bot's channel has), "
            "or set CONVOBOSS_FACEBOOK_SETTINGS_FILE."
        )
    return secret
