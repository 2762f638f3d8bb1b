"""The bundled rules in time-lapse: the same rules, with every duration in them shorter."""

import re
from pathlib import Path
from typing import Final

from tests.support.promtool import RULES

_MILLISECONDS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION: Final = re.compile(r"(?P<before>[\[:]|offset |for: |interval: )(?P<number>\d+)(?P<unit>[smhdw])\b")


def hurried(text: str, factor: int) -> str:
    """Return a rule file with its ranges, offsets, intervals and `for` divided by a factor; nothing else changes."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found['before']}{int(found['number']) * _MILLISECONDS[found['unit']] // factor}ms"

    return _DURATION.sub(shorter, text)


def write_rules(folder: Path, factor: int) -> list[Path]:
    """Write all bundled rule files in time-lapse, and return where they are."""
    paths = [folder / path.name for path in RULES]
    for path, bundled in zip(paths, RULES, strict=True):
        path.write_text(hurried(bundled.read_text(), factor))
    return paths
