"""The last line of defence: what looks like a key is never printed, wherever it comes from."""

import re
from typing import Final

_BEGINNING: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=\[\dm)|(?<=\[\d\dm))"
"""Not within a word, but behind an escape sequence of JSON or of a terminal, which ends like one."""

_PREFIX: Final = r"(?!(?:admin|proj|svcacct)-(?![A-Za-z0-9._~+/=%-]))"
"""A prefix alone, as advice names it, is no key."""

_KEY: Final = re.compile(_BEGINNING + r"(sk|sess|Bearer)([-_ ]|%20)" + _PREFIX + r"[A-Za-z0-9._~+/=%-]{6,}")


def redact(text: str) -> str:
    """Return the text with everything that looks like a key replaced."""
    return _KEY.sub(r"\1\2***", text)
