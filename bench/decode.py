"""Time from a response to the ledger, relative to `json.loads` of its bytes alone."""

import json
import sys
from typing import Final

from bench.dense import NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit, measurement, ratios
from exporter.catalog import DAY
from exporter.ledger import Ledger

_REPETITIONS: Final = 5
_DAYS: Final = 3


def measure(samples: int) -> list[Measurement]:
    """Return the ratios for a first response and for one without changed buckets."""
    organization, settings = Organization(samples), plan(samples)
    starts = [TODAY - age * DAY for age in reversed(range(_DAYS))]
    pages = [organization.page([start]) for start in starts]

    def take(ledger: Ledger, now: float) -> None:
        ledger.apply(result(pages, settings, now, ledger.known))

    def loads() -> None:
        for page in pages:
            json.loads(page)

    ledger = Ledger(settings)
    take(ledger, NOW)
    first = [1 / ratio for ratio in ratios(lambda: take(Ledger(settings), NOW), loads, _REPETITIONS)]
    again = [1 / ratio for ratio in ratios(lambda: take(ledger, NOW + 60), loads, _REPETITIONS)]
    exported = organization.sets * 13
    return [
        measurement("response to ledger, first, against json.loads", exported, "x", first),
        measurement("response to ledger, unchanged, against json.loads", exported, "x", again),
    ]


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
