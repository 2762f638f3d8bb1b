"""What is ordinary for a project at this time, and the most that is expected."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from alerting.quantities import Quantity
from alerting.text import OWNER, Record, alternatives, indented

WEEK: Final = 7 * 1440
"""Minutes, as all times in this module."""
_NARROW: Final = 10
"""How much earlier or later the same may happen on another day."""
WIDE: Final = 75
"""How much earlier or later a job may run, or people may work after their clocks have changed."""
_WEEKS: Final = 4
_DAYS: Final = 6
NEW: Final = "48h"
"""For how long a new level is compared with its own peak."""


def expectations(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of the history, of what is ordinary at this time, and of what is expected."""
    prefix, ratio = quantity.prefix, quantity.threshold_record("ratio")
    rate, usual, ordinary, peak = (f"{prefix}:{name}" for name in ("per_hour", "usual", "ordinary", "peak"))
    averaged = f'{rate}{{over!="5m"}}'
    yield Record(
        f"{prefix}:mean_hour",
        _mean(quantity),
        comment="The mean hour of the last six full days, from the exporter's window if it has one, else from history.",
    )
    yield Record(
        peak,
        f"max_over_time({usual}[{2 * _NARROW}m])",
        {"within": f"{2 * _NARROW}m"},
        "Peaks and lows of the history, read with an offset that puts the time in question into the middle.",
    )
    yield Record(
        peak,
        f'max_over_time({peak}{{within="{2 * _NARROW}m"}}[{2 * (WIDE - _NARROW)}m:10m])',
        {"within": f"{2 * WIDE}m"},
    )
    yield Record(f"{prefix}:low", f'min_over_time({usual}{{over="1h"}}[{2 * WIDE}m:10m])')
    narrow, wide = f'{peak}{{within="{2 * _NARROW}m"}}', f'{peak}{{within="{2 * WIDE}m"}}'
    weeks = range(1, _WEEKS + 1)
    yield Record(
        f"{prefix}:weekly",
        _largest({f"{week}w": f"{narrow} offset {week * WEEK - _NARROW}m" for week in weeks}),
        {"within": f"{2 * _NARROW}m"},
        "The most at this time of the week in the last four weeks.",
    )
    yield Record(
        f"{prefix}:weekly",
        _largest({f"{week}w": f"{wide} offset {week * WEEK - WIDE}m" for week in weeks}),
        {"within": f"{2 * WIDE}m"},
    )
    days = {day: f"{narrow} offset {day * 1440 - _NARROW}m" for day in range(1, _DAYS + 1)}
    yield Record(
        f"{prefix}:daily",
        _largest({f"{day}d": expression for day, expression in days.items()}),
        {"of": "all days"},
        "The most at this time of the day on the last six days; on those that are weekends or working days as today.",
    )
    yield Record(
        f"{prefix}:daily",
        _largest({f"{day}d": f"{expression} and on () {_same_kind(day)}" for day, expression in days.items()}),
        {"of": "days of the same kind"},
    )
    weekly, around = (f'sum without (within) ({prefix}:weekly{{within="{2 * each}m"}})' for each in (_NARROW, WIDE))
    daily, alike = (f'sum without (of) ({prefix}:daily{{of="{of}"}})' for of in ("all days", "days of the same kind"))
    yield Record(
        ordinary,
        f"""
        max by ({OWNER}, over) (
{
            alternatives(
                {
                    "weeks": weekly,
                    "same kind": alike,
                    "job": f"({daily} < {around}) or ({around} and {daily})",
                    "clocks": f"{around} and on () openai:clock:changed",
                    "second week, around": f'1.1 * {around} unless on ({OWNER}) {rate}{{over="1h"}} offset 2w',
                    "second week, days": f'1.1 * {alike} unless on ({OWNER}) {rate}{{over="1h"}} offset 2w',
                    "mean": f'''(
    0 * {averaged}
  + on ({OWNER}) group_left ()
    ({prefix}:mean_hour * on ({OWNER}) openai:owner_threshold:mean_hour_share)
)''',
                    "new level": f'''1.3 * max_over_time({prefix}:high[1d] offset 1h)
and on ({OWNER})
  last_over_time({prefix}:new_level[{NEW}])''',
                    "days since": f'''(1.3 * {daily} and on ({OWNER}) last_over_time({prefix}:new_level[7d]))
or
  ({daily} and on ({OWNER}) last_over_time({prefix}:new_level[11d]))''',
                }
            )
        }
        )
        and on ({OWNER})
          ({rate}{{over="1h"}} offset 1w or {rate}{{over="1h"}} offset 2w or {rate}{{over="1h"}} offset 8d)
        """,
        comment="The largest of: this time of the last four weeks and of days of the same kind, give or take ten"
        " minutes; that of any day, if the same weekday has as much within an hour; a share of the mean hour. For two"
        " days after clocks may have changed and in the second week, an hour earlier or later counts as well.",
    )
    yield Record(
        f"{prefix}:expected",
        f"""
          (
              max_over_time({ordinary}[1d:30m])
            * on ({OWNER}) group_left ()
              openai:owner_threshold:month_end_ratio
            and {ordinary}
            and on ()
              openai:month:edge
            unless on ({OWNER})
              (
                  openai:project_cost_usd:month_end_ratio
                < on ({OWNER})
                  openai:owner_threshold:month_end_burst_ratio
              )
          )
        or
          (
              {ordinary}
            > on ({OWNER}) group_left ()
              (0.1 * {quantity.threshold_record("floor")})
          )
        or
          (
              0 * {ordinary}
            + on ({OWNER}) group_left ()
              (0.1 * {quantity.threshold_record("floor")})
          )
        or
            0 * {averaged}
          + on ({OWNER}) group_left ()
            (
                ({prefix}:mean_hour > 0)
              * on ({OWNER})
                (openai:owner_threshold:first_week_hour_ratio / {ratio})
            )
        """,
        comment="At a month's end a multiple of the day's peak, unless the last one cost no more than other days."
        " In the first week, a day's usage in an hour.",
    )
    yield Record(
        usual,
        f"({averaged} <= 1.7 * {ordinary}) or ({averaged} unless {ordinary})",
        comment="The history that later days are compared with: without spikes and late data.",
    )


def _mean(quantity: Quantity) -> str:
    own = f"""
      avg_over_time({quantity.prefix}:usual{{over="1h"}}[6d:1h] offset 1h)
    and
      {quantity.prefix}:usual{{over="1h"}} offset 1w
    """
    own = f"sum without (over) (\n{indented(own, 2)}\n)"
    if not any(source.measure for source in quantity.sources):
        return own
    window = f"""
        clamp_min(
          openai:project_window_{quantity.name}:sum{{window="7d"}} - ignoring (window) {quantity.prefix}:sum,
          0
        )
      / 144
    or
    """
    return textwrap.dedent(window).strip("\n") + "\n" + indented(own, 2)


def _same_kind(days: int) -> str:
    """Return an expression that has a sample if it was a weekend so many days ago, as today, or neither."""
    past = f"day_of_week(vector(time() - {days * 86400}))"
    return f"((day_of_week() % 6 == bool 0) == (({past} % 6) == bool 0))"


def _largest(expressions: Mapping[str, str]) -> str:
    return f"max by ({OWNER}, over) (\n{alternatives(expressions, 2)}\n)"
