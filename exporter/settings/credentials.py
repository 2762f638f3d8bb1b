"""Keys: where they come from, and that they are never shown."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.settings.sources import EnvironmentSource

_LONGEST_KEY: Final = 4096
"""Bytes: a larger file holds something else."""


class KeyUnavailableError(OSError):
    """A key cannot be read now; the words say which file or variable, and what to do."""


class GivenKey:
    """A key from the environment."""

    __slots__ = ("_text", "origin")

    def __init__(self, text: str, origin: str) -> None:
        """Take the key and the variable's name. Raises KeyUnavailableError for what cannot be a key."""
        self.origin = origin
        self._text = _checked(text, origin)

    def read(self) -> str:
        """Return the key."""
        return self._text

    def __repr__(self) -> str:
        return f"GivenKey(origin={self.origin!r})"


class KeyFile:
    """A key in a file, read again when the file changes: a mounted secret can be rotated without a restart."""

    __slots__ = ("_stamp", "_text", "origin", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.origin = str(path)
        self._stamp: tuple[int, int, int] | None = None
        self._text = ""

    def read(self) -> str:
        """Return the key without surrounding white space. Raises KeyUnavailableError."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                with self.path.open("rb") as file:
                    content = file.read(_LONGEST_KEY + 1)
                self._text = _checked(content[: _LONGEST_KEY + 1].decode("utf-8-sig"), self.origin)
                self._stamp = stamp
        except UnicodeDecodeError:
            raise KeyUnavailableError(f"{self.origin} does not hold a key: put the key alone, as text") from None
        except KeyUnavailableError:
            raise
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "it cannot be read"
            raise KeyUnavailableError(
                f"the key file {self.origin} cannot be read ({reason}): put it there and let this user read it"
            ) from None
        return self._text

    def reload(self) -> None:
        """Read the file, changed or not. Raises KeyUnavailableError."""
        self._stamp = None
        self.read()

    def __repr__(self) -> str:
        return f"KeyFile({self.origin!r})"


KeySource = GivenKey | KeyFile
"""Where a key comes from: `.read()` at each use, `.origin` for messages."""


def _checked(text: str, origin: str) -> str:
    key = text.strip()
    if not key:
        raise KeyUnavailableError(f"{origin} is empty: put the key there")
    if len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyUnavailableError(f"{origin} does not hold a key alone: a key is one word of plain ASCII")
    return key


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


_Word = Annotated[str | None, BeforeValidator(_blank_is_none)]
_Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]


class Credentials(BaseSettings):
    """What comes from the environment alone, under OpenAI's own names. Blank counts as not set."""

    model_config = SettingsConfigDict(
        case_sensitive=True, extra="ignore", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True
    )

    admin_key: _Secret = Field(None, validation_alias="OPENAI_ADMIN_KEY")
    admin_key_file: _Word = Field(None, validation_alias="OPENAI_ADMIN_KEY_FILE")
    api_key: _Secret = Field(None, validation_alias="OPENAI_API_KEY")
    project_id: _Word = Field(None, validation_alias="OPENAI_PROJECT_ID")
    organization_id: _Word = Field(None, validation_alias="OPENAI_ORG_ID")

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Credentials":
        """Return what this environment holds."""
        return cls.model_validate(EnvironmentSource(cls, environ)())

    @property
    def given(self) -> tuple[str, ...]:
        """The variables that are set, the ordinary key's aside."""
        return tuple(
            str(field.validation_alias)
            for name, field in type(self).model_fields.items()
            if name != "api_key" and getattr(self, name) is not None
        )
