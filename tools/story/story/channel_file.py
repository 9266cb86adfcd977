"""A Messenger channel as a person writes it down, in YAML, and what is said of mistakes in it."""

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

MAX_SECRET = 1000  # characters, as the console takes them
BOT = "salon"
DIGITS = r"^\d{1,32}$"


class BadChannelFile(Exception):
    """The channel file cannot be used; the text names the line, the field and what it should be, and no secret."""


def _filled_in(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip(". "):
        raise PydanticCustomError("not_filled_in", "is not filled in")
    return secret


Secret = Annotated[SecretStr, Field(max_length=MAX_SECRET), AfterValidator(_filled_in)]
Digits = Annotated[str, Field(pattern=DIGITS)]


class ChannelFile(BaseModel):
    """Secrets go to the console only, encrypted at rest. Numbers may be written without quotes."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    bot: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = BOT
    page_id: Digits
    page_name: Annotated[str, Field(max_length=200)] = ""
    app_id: Digits
    app_secret: Secret
    verify_token: Secret
    page_token: Secret
    messenger_inbox_notification: bool = False


SHOULD = {
    "bot": "has to be the bot's id: small letters, digits and -",
    "page_id": "has to be the page's number, digits only",
    "app_id": "has to be the app's number, digits only",
    "page_name": "has to be a text of at most 200 characters",
    "messenger_inbox_notification": "has to be true or false",
}


def read_channel(file: Path) -> ChannelFile:
    """Raises BadChannelFile, which names every mistake."""
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise BadChannelFile(f"The channel file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadChannelFile(f"The channel file {file} is not text: line {line} is not UTF-8.") from None
    try:
        lines, content = _lines(text), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadChannelFile(f"The channel file {file} is not YAML: {_problem(error)}.") from None
    if not isinstance(content, dict):
        raise BadChannelFile(
            f"The channel file {file} has to hold lines of the form `field: value`; the README shows one."
        )
    try:
        return ChannelFile.model_validate(content)
    except ValidationError as error:
        mistakes = [_mistake(one, lines) for one in error.errors(include_input=False, include_url=False)]
        raise BadChannelFile(
            "\n".join([f"The channel file {file} cannot be used:", *mistakes, "The README shows one."])
        ) from None


def _lines(text: str) -> dict[str, int]:
    """Each field's line, counted from 1."""
    root = yaml.compose(text, yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return {str(key.value): key.start_mark.line + 1 for key, _ in pairs}


def _problem(error: yaml.YAMLError) -> str:
    """PyYAML's own words without what it cites of the text, which may be a secret."""
    mark = getattr(error, "problem_mark", None)
    words = getattr(error, "problem", None) or "it cannot be parsed"
    words = re.sub(r"'[^']{2,}'", "a value", str(words))
    return f"line {mark.line + 1}, column {mark.column + 1}: {words}" if mark is not None else words


def _mistake(error: ErrorDetails, lines: dict[str, int]) -> str:
    field: Any = error["loc"][0]  # a key of YAML may be anything
    where = f"  line {lines[str(field)]}: {field}" if str(field) in lines else f"  {field}"
    if field not in ChannelFile.model_fields:
        return f"{where} is not a field of it; there are {', '.join(ChannelFile.model_fields)}"
    match error["type"]:
        case "missing":
            return f"{where} is missing"
        case "not_filled_in":
            return f"{where} is not filled in"
        case _:
            return f"{where} {SHOULD.get(str(field), f'has to be a text of at most {MAX_SECRET} characters')}"
