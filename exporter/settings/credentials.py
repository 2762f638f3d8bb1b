"""Keys and other secrets: where they come from. Each is registered for redaction where it is read."""

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.files import open_regular
from exporter.redaction import register_secret
from exporter.settings.model import PROXY_AUTH
from exporter.settings.sources import EnvironmentSource
from exporter.settings.types import Id

_MAX_BYTES: Final = 4096
"""A larger file contains something else than a key."""
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*[=:]\s*(\S.*)")
_QUOTES: Final = "\"'`"


class KeyUnavailableError(OSError):
    """A key cannot be read now; the message names the file or variable and says what to do."""


class GivenKey:
    """A key from the environment."""

    __slots__ = ("_key", "origin")

    def __init__(self, text: str, origin: str) -> None:
        """Take the key and the variable's name. Raises KeyUnavailableError for what cannot be a key."""
        self.origin = origin
        self._key = _validated_key(text, origin)

    def read(self) -> str:
        """Return the key."""
        return self._key

    def __repr__(self) -> str:
        return f"GivenKey(origin={self.origin!r})"


class KeyFile:
    """A key in a file, read again when the file changes, so that a mounted secret can be rotated without a restart."""

    __slots__ = ("_key", "_version", "origin", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.origin = str(path)
        self._version: tuple[int, int, int] | None = None
        self._key = ""

    def read(self) -> str:
        """Return the key without surrounding white space. Raises KeyUnavailableError."""
        try:
            status = self.path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version != self._version:
                self._key = _validated_key(_read_text(self.path), self.origin)
                self._version = version
        except KeyUnavailableError:
            raise
        except OSError as error:
            raise KeyUnavailableError(
                f"the key file {self.origin} cannot be read ({_reason(error)}): "
                "create it and make it readable for this user"
            ) from None
        return self._key

    @property
    def last(self) -> str:
        """The last key that was read, empty for none."""
        return self._key

    def reload(self) -> None:
        """Read the file, changed or not. Raises KeyUnavailableError."""
        self._version = None
        self.read()

    def __repr__(self) -> str:
        return f"KeyFile({self.origin!r})"


KeySource = GivenKey | KeyFile
"""Where a key comes from: call `.read()` for each use; `.origin` is for messages."""


def read_proxy_auth(path: Path) -> str:
    """Return `user:password` from a file. Raises KeyUnavailableError."""
    try:
        return validated_proxy_auth(_read_text(path), str(path))
    except KeyUnavailableError:
        raise
    except OSError as error:
        raise KeyUnavailableError(
            f"{path} cannot be read ({_reason(error)}): correct the path or permissions"
        ) from None


def validated_proxy_auth(text: str, origin: str) -> str:
    """Return `user:password` without surrounding white space. Raises KeyUnavailableError."""
    auth = text.strip()
    user, colon, _ = auth.partition(":")
    if not user or not colon or not auth.isprintable():
        raise KeyUnavailableError(f"{origin} does not contain user:password on one line")
    _register(auth)
    return auth


def register_environment(environ: Mapping[str, str]) -> None:
    """Register the secrets of the environment for redaction, so that no message about the settings shows one."""
    for name in ("OPENAI_ADMIN_KEY", "OPENAI_API_KEY", PROXY_AUTH):
        text = environ.get(name, "").strip()
        assigned = name != PROXY_AUTH and _ASSIGNMENT.fullmatch(text)
        _register((assigned[1] if assigned else text).strip(_QUOTES))


def _register(secret: str) -> None:
    """Register a secret, its password if it is `user:password`, and the form in which HTTP sends that."""
    register_secret(secret)
    if ":" in secret:
        register_secret(secret.partition(":")[2])
        register_secret(b64encode(secret.encode(errors="surrogatepass")).decode())


def _read_text(path: Path) -> str:
    with open_regular(path) as file:
        content = file.read(_MAX_BYTES + 1)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeyUnavailableError(f"{path} is not a text file: it must contain the secret alone, as text") from None


def _reason(error: OSError) -> str:
    return error.strerror or "unknown error"


def _validated_key(text: str, origin: str) -> str:
    key = text.strip()
    if not key:
        raise KeyUnavailableError(f"{origin} is empty: put the key there")
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        raise KeyUnavailableError(f"{origin} has quotes around the key: remove them")
    if _ASSIGNMENT.fullmatch(key):
        raise KeyUnavailableError(f"{origin} contains NAME=key, a line of an environment file: put the key there alone")
    if key.lower().startswith("bearer "):
        raise KeyUnavailableError(f"{origin} begins with the word Bearer: put the key there alone")
    if len(key) > _MAX_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyUnavailableError(f"{origin} does not contain a key alone: a key is one word of plain ASCII")
    register_secret(key)
    return key


def _none_if_blank(value: object) -> object:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("is not UTF-8: set it to the value alone, as text")
    return None if isinstance(value, str) and not value.strip() else value


_Word = Annotated[str | None, BeforeValidator(_none_if_blank)]
_Id = Annotated[Id | None, BeforeValidator(_none_if_blank)]
_Secret = Annotated[SecretStr | None, BeforeValidator(_none_if_blank)]


class Credentials(BaseSettings):
    """What comes from the environment only, mostly under OpenAI's own names. Blank counts as not set."""

    model_config = SettingsConfigDict(
        case_sensitive=True, extra="ignore", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True
    )

    admin_key: _Secret = Field(None, validation_alias="OPENAI_ADMIN_KEY")
    admin_key_file: _Word = Field(None, validation_alias="OPENAI_ADMIN_KEY_FILE")
    api_key: _Secret = Field(None, validation_alias="OPENAI_API_KEY")
    project_id: _Id = Field(None, validation_alias="OPENAI_PROJECT_ID")
    organization_id: _Id = Field(None, validation_alias="OPENAI_ORG_ID")
    proxy_auth: _Secret = Field(None, validation_alias=PROXY_AUTH)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Credentials":
        """Return what this environment contains."""
        return cls.model_validate(EnvironmentSource(cls, environ)())

    @property
    def of_one_organization(self) -> tuple[str, ...]:
        """The variables that are set and that are refused together with the setting `organizations`."""
        fields = ("admin_key", "admin_key_file", "project_id", "organization_id")
        return tuple(str(type(self).model_fields[name].validation_alias) for name in fields if getattr(self, name))
