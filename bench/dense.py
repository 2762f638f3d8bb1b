"""A dense organization: completions of every label set on each of 31 days, as pages of the Admin API.

A label set has 13 exported samples: six measures as day gauges and counters, and one window of requests.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from exporter.catalog import DAY, BucketRows, Plan, PollResult, Window, resource
from exporter.openai.pages import read_page

SAMPLES_PER_SET: Final = 13
DAYS: Final = 31
TODAY: Final = 1_794_960_000
NOW: Final = 1_795_016_537.0
CHANGED: Final = 0.02
"""Share of today's rows that a poll changes."""

_FIELDS: Final = tuple(measure.field for measure in resource("completions").select())


def plan(samples: int) -> Plan:
    """Return the plan of completions that exports about `samples` samples."""
    row = resource("completions")
    measures = row.select()
    return Plan(
        resource=row,
        group_by=row.group_by,
        filters=(),
        width="1d",
        measures=measures,
        windows=tuple((measure, (Window("7d"),)) for measure in measures if measure.requests),
        interval=60.0,
        lookback_days=DAYS,
        refetch_days=3,
        stale_after=21600.0,
        max_series=samples,
    )


def result(pages: Iterable[bytes], settings: Plan, now: float, known: Mapping[int, bytes] | None = None) -> PollResult:
    """Return the result of a poll of pages of whole days up to today, at `now` (Unix seconds)."""
    end = settings.open_end(now)
    buckets = []
    labels: dict[tuple[str, ...], tuple[str, ...]] = {}
    for page in pages:
        for bucket in read_page(page, settings, known or {}, open_end=end, first=False).buckets:
            for rows in bucket.rows or ():
                if isinstance(rows, BucketRows):
                    rows.labels = list(map(labels.setdefault, rows.labels, rows.labels))
            buckets.append(bucket)
    return PollResult(buckets[0].start, end, tuple(buckets), now)


class Organization:
    """An organization with the same rows in every run."""

    def __init__(self, samples: int) -> None:
        self.sets = samples // SAMPLES_PER_SET
        self._today = self._values(TODAY)
        self._draw = random.Random(2)

    def grow(self) -> None:
        """Increase today's rows by a minute of traffic."""
        for values in self._today:
            if self._draw.random() < CHANGED:
                values[:] = [value + 1000 for value in values]

    def page(self, starts: list[int], *, now: float = NOW, more: bool = False) -> bytes:
        """Return a page with a bucket for each start (Unix seconds, midnights)."""
        buckets = ",".join(self._bucket(start, now) for start in starts)
        cursor = f'"{starts[-1] + DAY}"' if more else "null"
        return f'{{"object":"page","data":[{buckets}],"has_more":{str(more).lower()},"next_page":{cursor}}}'.encode()

    def _bucket(self, start: int, now: float) -> str:
        today = start + DAY > now
        rows = ",".join(self._rows(self._today if today else self._values(start)))
        return (
            f'{{"object":"bucket","start_time":{start},"end_time":{int(now) if today else start + DAY},'
            f'"results":[{rows}]}}'
        )

    def _rows(self, values: list[list[int]]) -> Iterator[str]:
        for number, row in enumerate(values):
            fields = ",".join(f'"{name}":{value}' for name, value in zip(_FIELDS, row, strict=True))
            batch = ("false", "true")[number // 40 % 2]
            yield (
                f'{{"object":"organization.usage.completions.result",{fields},"project_id":"proj_{number % 40:024}",'
                f'"user_id":null,"api_key_id":null,"model":"gpt-5.{number // 80}-2025-11-13","batch":{batch},'
                f'"service_tier":null}}'
            )

    def _values(self, start: int) -> list[list[int]]:
        draw = random.Random(start)
        return [[draw.randrange(10**4, 10**8) for _ in _FIELDS] for _ in range(self.sets)]
