"""Time from a response to the ledger, relative to `json.loads` of its bytes alone."""

import json
import sys
from typing import Final

from bench.dense import NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit, measurement, processor_ms, ratios, repetitions
from exporter.catalog import DAY
from exporter.ledger import Ledger

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
    first, again, anchor = [], [], []
    for _ in range(repetitions(samples)):
        anchor.append(processor_ms(loads))
        first.append(processor_ms(lambda: take(Ledger(settings), NOW)))
        again.append(processor_ms(lambda: take(ledger, NOW + 60)))
    exported = organization.sets * 13
    return [
        measurement("response to ledger, first, against json.loads", exported, "x", ratios(first, anchor)),
        measurement("response to ledger, unchanged, against json.loads", exported, "x", ratios(again, anchor)),
        measurement("response of three days to ledger, first", exported, " ms", first),
        measurement("response of three days to ledger, unchanged", exported, " ms", again),
    ]


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
