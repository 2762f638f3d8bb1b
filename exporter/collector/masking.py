"""Personal data in names."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"([^\s@<>()\[\]\",;:])[^\s@<>()\[\]\",;:]*@[^\s@<>()\[\]\",;:]+")


def masked(text: str) -> str:
    """Return a text in which everything that looks like an e-mail address is `m***@***`."""
    return _ADDRESS.sub(r"\1***@***", text)
