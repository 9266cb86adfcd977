"""What the box is told: frozen models that refuse unknown fields, for a misspelt one would do nothing in silence."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

# Ids come as JSON strings and as numbers; inside they are strings.
Id = Annotated[
    str, BeforeValidator(lambda raw: str(raw) if isinstance(raw, int) else raw), Field(pattern=r"^[0-9]{1,32}$")
]
Secret = Annotated[SecretStr, Field(min_length=1)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
