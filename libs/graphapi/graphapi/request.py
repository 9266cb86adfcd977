"""What a request to the Graph API is made of."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr


class Body(BaseModel):
    """A JSON document of a request."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """`path` is below the Graph API's address and holds no secret; `body` None: a GET with `query`."""

    path: str
    body: Body | None = None
    query: tuple[tuple[str, str], ...] = ()

    def payload(self) -> bytes | None:
        return None if self.body is None else self.body.model_dump_json(exclude_none=True).encode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request is made with. `proof`: HMAC-SHA256 of the token under the app's secret, hexadecimal."""

    token: SecretStr
    proof: str

    @classmethod
    def of(cls, token: SecretStr, app_secret: SecretStr) -> Self:
        proof = hmac.new(
            app_secret.get_secret_value().encode(), token.get_secret_value().encode(), hashlib.sha256
        ).hexdigest()
        return cls(token, proof)
