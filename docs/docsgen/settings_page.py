"""docs/settings.md: every environment variable, from the settings classes of the services and tools."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from docsgen.markdown import table
from docsgen.packages import modules
from runtime.settings import PREFIX, ServiceSettings

INTRODUCTION: Final = """\
# Settings

Everything is set by environment variables. The defaults suit the stack that `make run` starts, which sets what has to differ
by itself. A service that cannot start with what it is given says which variable is wrong, and exits with code 2.

App id, app secret, verify token and page token belong to a bot's Messenger channel, not to the environment: the README shows
how a page is connected.

Each can also be given as a file: `CONVOBOSS_KAFKA_PASSWORD_FILE=/run/secrets/kafka` instead of `CONVOBOSS_KAFKA_PASSWORD`.
The value is the whole file in UTF-8, without line ends at its end. A file that cannot be read, and a variable that is set beside
its file, are refused. Files are read once, when the process starts. (Tools and what is read before there is a Python
environment know no files.)

Secrets are never logged and never published in clear. *Secret* marks those whose value is one.
[security.md](security.md) tells how secured backends are connected.

"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the page."""

    variable: str
    default: str
    meaning: str


# What is no field of a settings class: read by scripts before there is a Python environment, or by tests.
BY_HAND: Final = (
    ("CONVOBOSS_DATA", "`.data` in the clone", "make run", "The data folder: databases, logs, generated secrets."),
    ("CONVOBOSS_CACHE", "`.cache` in the clone", "make", "Downloads and class archives; several clones may share it."),
    (
        "CONVOBOSS_POSTGRES_BIN",
        "the one that was installed with the packages",
        "make run, tests",
        "Folder of another PostgreSQL's `initdb` and `postgres`.",
    ),
    ("JAVA_HOME", "the one that was installed with the packages", "make run, tests", "Another Java, 17 or newer."),
    (
        "CONVOBOSS_TEST_BACKEND",
        "`containers` where an engine answers, else `embedded`",
        "tests",
        "Where the tests' Kafka and PostgreSQL run: `containers` or `embedded`.",
    ),
    (
        "CONVOBOSS_ADMIN_PASSWORD",
        "asked for",
        "python -m console",
        "*Secret.* Password of the admin that the command makes, where nobody sits at a terminal.",
    ),
    *(
        (
            f"CONVOBOSS_{schema}_DATABASE_PASSWORD",
            "empty: the role keeps its password",
            "./convoboss roles",
            f"*Secret.* Password of the PostgreSQL role `convoboss_{schema.lower()}`.",
        )
        for schema in ("TAKEOVER", "FB_HANDOVER", "NOTIFIER", "CONSOLE", "MONITOR")
    ),
)


_HEADS: Final = ("variable", "default", "used by", "meaning")


def page() -> str:
    services, tools = modules("services", "settings"), modules("tools", "settings")
    common = {each.variable: each for each in settings(ServiceSettings)}
    own = _users(services, common)
    differing = {each.variable for each in own}
    rows = [
        (each.variable, "see below" if each.variable in differing else each.default, each.meaning)
        for each in common.values()
    ]
    parts = (
        INTRODUCTION,
        "## All services\n\n",
        table(("variable", "default", "meaning"), ((f"`{name}`", *rest) for name, *rest in rows)),
        "## Some services\n\n",
        _by_user(own),
        "## Tools\n\nStand-ins for the real world on a developer's machine; none is part of a production system.\n\n",
        _by_user(_users(tools, {})),
        "## The local stack and the tests\n\n",
        table(_HEADS, ((f"`{name}`", *rest) for name, *rest in BY_HAND)),
    )
    return "".join(parts).rstrip() + "\n"


def variables() -> frozenset[str]:
    """All that the page names."""
    found = {**_users(modules("services", "settings"), {}), **_users(modules("tools", "settings"), {})}
    return frozenset({each.variable for each in found} | {name for name, *_ in BY_HAND})


def classes_of(module: ModuleType) -> Iterator[type[BaseSettings]]:
    """The settings classes that a module defines."""
    for _, each in inspect.getmembers(module, inspect.isclass):
        if issubclass(each, BaseSettings) and each.__module__ == module.__name__:
            yield each


def settings(settings_class: type[BaseSettings]) -> Iterator[Setting]:
    """Raises ValueError for a field without a description, and for one that is set by a variable without our prefix."""
    if settings_class.model_config.get("env_prefix") != PREFIX:
        raise ValueError(f"{settings_class.__name__} does not have the prefix {PREFIX}")
    for name, field in settings_class.model_fields.items():
        if not field.description:
            raise ValueError(f"{settings_class.__module__}.{settings_class.__name__}.{name} has no description")
        yield Setting(PREFIX + name.upper(), _default(field), _meaning(field))


def _users(found: dict[str, ModuleType], common: dict[str, Setting]) -> dict[Setting, list[str]]:
    """Setting → who has it; those that are as in `common` are left out."""
    users: dict[Setting, list[str]] = {}
    for name, module in found.items():
        for settings_class in classes_of(module):
            for each in settings(settings_class):
                if common.get(each.variable) != each:
                    users.setdefault(each, []).append(name)
    return users


def _by_user(users: dict[Setting, list[str]]) -> str:
    rows = sorted(users.items(), key=lambda row: (row[0].variable, row[1]))
    return table(_HEADS, ((f"`{each.variable}`", each.default, ", ".join(names), each.meaning) for each, names in rows))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    if isinstance(shown, float) and shown.is_integer():
        shown = int(shown)
    return "empty" if shown in {"", None} else f"`{shown}`"


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").strip()
    text = f"{text[0].upper()}{text[1:]}".rstrip(".") + "."
    if get_origin(field.annotation) is Literal:
        text += f" One of {', '.join(f'`{choice}`' for choice in get_args(field.annotation))}."
    return f"*Secret.* {text}" if _is_secret(field) else text


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr
