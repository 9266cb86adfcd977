"""Secrets at rest, such as page tokens: encrypted before they are stored or published."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from runtime.errors import Refused


class NoSecretKeys(Refused):
    """CONVOBOSS_SECRET_KEYS is empty or holds something that is not a Fernet key (32 bytes, URL-safe base64)."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Undecryptable(Exception):
    """The text was not encrypted by any of the present keys, or was changed since."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class SecretBox:
    """Encrypts with the first key, decrypts with all: a new key goes in front, the old one is taken out later."""

    def __init__(self, keys: SecretStr) -> None:
        parts = [part.strip() for part in keys.get_secret_value().split(",") if part.strip()]
        if not parts:
            raise NoSecretKeys
        try:
            self._keys = [Fernet(part) for part in parts]
        except ValueError:
            raise NoSecretKeys from None  # the cause would show the key
        self._fernet = MultiFernet(self._keys)

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> SecretStr:
        """Raises `Undecryptable`."""
        try:
            return SecretStr(self._fernet.decrypt(token.encode()).decode())
        except InvalidToken:
            raise Undecryptable from None

    def is_under_first_key(self, token: str) -> bool:
        """Whether the first key alone decrypts it, so that the others may go."""
        try:
            self._keys[0].decrypt(token.encode())
        except InvalidToken:
            return False
        return True

    def under_first_key(self, token: str) -> str:
        """The same secret encrypted by the first key; unchanged where it is already. Raises `Undecryptable`."""
        return token if self.is_under_first_key(token) else self.encrypt(self.decrypt(token).get_secret_value())
