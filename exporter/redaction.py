"""Removes secrets from everything that leaves the process: known ones by value, and what looks like an OpenAI key."""

import json
import re
import sys
from enum import Enum
from html import escape
from typing import Final, TextIO
from urllib.parse import quote

_MASK: Final = "***"
_SHORTEST: Final = 6
"""Characters: a shorter value is not redacted, because it would remove ordinary words."""


class KeyKind(Enum):
    """The kinds of keys that OpenAI issues; the value is the prefix."""

    ADMIN = "sk-admin-"
    ORDINARY = "sk-"
    SESSION = "sess-"
    UNKNOWN = ""

    @classmethod
    def of(cls, key: str) -> "KeyKind":
        """Return the kind of a key."""
        return next(kind for kind in cls if key.startswith(kind.value))


_START: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=\[\dm)|(?<=\[\d\dm))"
"""Not inside a word, but right after an escape sequence of JSON or of a terminal."""

_NOT_A_BARE_PREFIX: Final = r"(?!(?:admin|proj|svcacct)-(?![A-Za-z0-9._~+/=%-]))"
"""Advice such as "an admin key starts with sk-admin-" stays readable."""

_REST: Final = r"(?:[A-Za-z0-9._~+/=%-]{6,}|\*\*\*[A-Za-z0-9._~+/=%-]*)"
"""Also what follows a registered key that is the beginning of another one."""

_KEY: Final = re.compile(_START + r"(sk|sess|Bearer)([-_ ]|%20)" + _NOT_A_BARE_PREFIX + _REST)

_KEY_STARTS: Final = tuple(re.compile(prefix + rb"[-_ %]") for prefix in (b"sk", b"sess", b"Bearer"))
"""One pattern for each literal prefix: searched several times as fast as one with alternatives."""
_ESCAPED_ASCII: Final = re.compile(rb"\\u00[2-7]")
"""A character that JSON need not escape, so that a secret may be spelled with it."""

_PREFIX: Final = re.compile(r"(?:sk|sess)-", re.IGNORECASE)


def _masked(match: re.Match[str]) -> str:
    """Keep a key's prefix, as `_KEY` does."""
    prefix = _PREFIX.match(match[0])
    return f"{prefix[0] if prefix else ''}{_MASK}"


def _json_spellings(text: str) -> tuple[str, str]:
    """Return a text as JSON spells it, with the slash as it is and escaped."""
    spelled = json.dumps(text)[1:-1]
    return spelled, spelled.replace("/", "\\/")


def _spellings(text: str) -> tuple[str, ...]:
    """Return every spelling in which others may repeat a text; one that is not UTF-8 has them as well."""
    quoted = (quote(text, safe=safe, errors="surrogatepass") for safe in ("", "/"))
    return (text, *quoted, escape(text), *_json_spellings(text))


class _KnownSecrets:
    """The secrets that this process has read, with every spelling in which a text can contain them."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.lowered: tuple[bytes, ...] = ()
        """Every spelling in lower case, as UTF-8."""

    def add(self, secret: str) -> None:
        if len(secret) < _SHORTEST or secret in self._values:
            return
        self._values.add(secret)
        spellings = {spelling for value in self._values for spelling in _spellings(value)}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        self.lowered = tuple({spelling.lower().encode(errors="replace") for spelling in spellings})

    def remove_from(self, text: str) -> str:
        return self._pattern.sub(_masked, text) if self._pattern else text


_known: Final = _KnownSecrets()


def register_secret(secret: str) -> None:
    """Have `redact` remove this value from now on, in any case and whether URL-, HTML- or JSON-encoded.

    Every key and password is registered where it is read. Values of fewer than six characters are ignored.
    """
    _known.add(secret)


def redact(text: str) -> str:
    """Return the text without registered secrets and without anything that looks like an OpenAI key."""
    return _KEY.sub(rf"\1\2{_MASK}", _known.remove_from(text))


def may_contain_secret(data: bytes) -> bool:
    """Return False if redaction would not change the JSON or text `data`: a quick test for large responses."""
    lowered = data.lower()
    return (
        any(secret in lowered for secret in _known.lowered)
        or any(start.search(data) for start in _KEY_STARTS)
        or _ESCAPED_ASCII.search(data) is not None
    )


def print_redacted(text: str, *, file: TextIO | None = None, end: str = "\n") -> None:
    """Print a redacted text at once, by default to standard output."""
    write_unredacted(redact(text), file=file, end=end)


def write_unredacted(text: str, *, file: TextIO | None = None, end: str = "\n") -> None:
    """Print a text at once that contains no secret, or only keys of the simulated organization."""
    print(text, file=file or sys.stdout, end=end, flush=True)
