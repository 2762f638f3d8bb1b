"""What is expected of a project at this time, what exceeds it, and which models contribute to that."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from alerting.quantities import Quantity
from alerting.text import Record, indented

_OWNER: Final = "organization, project_id"
_WEEK: Final = 7 * 1440
"""Minutes, as all times in this module."""
_NARROW: Final = 10
"""How much earlier or later the same may happen on another day."""
_WIDE: Final = 75
"""How much earlier or later a job may run, or people may work after their clocks have changed."""
_WEEKS: Final = 4
_DAYS: Final = 6
_NEW: Final = "48h"
"""For how long a new level is compared with its own peak."""


def expectations(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of the history, of what is ordinary at this time, and of what is expected."""
    prefix, ratio = quantity.prefix, _threshold(quantity, "ratio")
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
        f'max_over_time({peak}{{within="{2 * _NARROW}m"}}[{2 * (_WIDE - _NARROW)}m:10m])',
        {"within": f"{2 * _WIDE}m"},
    )
    yield Record(f"{prefix}:low", f'min_over_time({usual}{{over="1h"}}[{2 * _WIDE}m:10m])')
    narrow, wide = f'{peak}{{within="{2 * _NARROW}m"}}', f'{peak}{{within="{2 * _WIDE}m"}}'
    weeks = range(1, _WEEKS + 1)
    yield Record(
        f"{prefix}:weekly",
        _largest({f"{week}w": f"{narrow} offset {week * _WEEK - _NARROW}m" for week in weeks}),
        {"within": f"{2 * _NARROW}m"},
        "The most at this time of the week in the last four weeks.",
    )
    yield Record(
        f"{prefix}:weekly",
        _largest({f"{week}w": f"{wide} offset {week * _WEEK - _WIDE}m" for week in weeks}),
        {"within": f"{2 * _WIDE}m"},
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
    weekly, around = (f'sum without (within) ({prefix}:weekly{{within="{2 * each}m"}})' for each in (_NARROW, _WIDE))
    daily, alike = (f'sum without (of) ({prefix}:daily{{of="{of}"}})' for of in ("all days", "days of the same kind"))
    yield Record(
        ordinary,
        f"""
        max by ({_OWNER}, over) (
{
            _alternatives(
                {
                    "weeks": weekly,
                    "same kind": alike,
                    "job": f"({daily} < {around}) or ({around} and {daily})",
                    "clocks": f"{around} and on () openai:clock:changed",
                    "second week, around": f'1.1 * {around} unless on ({_OWNER}) {rate}{{over="1h"}} offset 2w',
                    "second week, days": f'1.1 * {alike} unless on ({_OWNER}) {rate}{{over="1h"}} offset 2w',
                    "mean": f'''(
    0 * {averaged}
  + on ({_OWNER}) group_left ()
    ({prefix}:mean_hour * on ({_OWNER}) openai:owner_threshold:mean_hour_share)
)''',
                    "new level": f'''1.3 * max_over_time({prefix}:high[1d] offset 1h)
and on ({_OWNER})
  last_over_time({prefix}:new_level[{_NEW}])''',
                    "days since": f'''(1.3 * {daily} and on ({_OWNER}) last_over_time({prefix}:new_level[7d]))
or
  ({daily} and on ({_OWNER}) last_over_time({prefix}:new_level[11d]))''',
                }
            )
        }
        )
        and on ({_OWNER})
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
            * on ({_OWNER}) group_left ()
              openai:owner_threshold:month_end_ratio
            and {ordinary}
            and on ()
              openai:month:edge
            unless on ({_OWNER})
              (
                  openai:project_cost_usd:month_end_ratio
                < on ({_OWNER})
                  openai:owner_threshold:month_end_burst_ratio
              )
          )
        or
          (
              {ordinary}
            > on ({_OWNER}) group_left ()
              (0.1 * {_threshold(quantity, "floor")})
          )
        or
          (
              0 * {ordinary}
            + on ({_OWNER}) group_left ()
              (0.1 * {_threshold(quantity, "floor")})
          )
        or
            0 * {averaged}
          + on ({_OWNER}) group_left ()
            (
                ({prefix}:mean_hour > 0)
              * on ({_OWNER})
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


def spikes(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of what exceeds the expectation."""
    prefix, ratio, floor = quantity.prefix, _threshold(quantity, "ratio"), _threshold(quantity, "floor")
    rate, expected, ordinary = f"{prefix}:per_hour", f"{prefix}:expected", f"{prefix}:ordinary"
    now, hour = f'{rate}{{over="15m"}}', f'{rate}{{over="1h"}}'
    yield from _catching_up(quantity)
    yield Record(
        f"{prefix}:ratio",
        f"""
        sum without (over) (
            ({now} and ignoring (over) {rate}{{over="5m"}} offset 10m)
          / {expected}
        )
        """,
        comment="The rate as a multiple of what is expected, and the multiple from which it is a spike: more when the"
        " hours before were above the expectation too.",
    )
    yield Record(
        f"{prefix}:needed",
        f"""
          min by ({_OWNER}) (
{
            _alternatives(
                {
                    "jump": f'''(
    1.25 * {ratio}
  * on ({_OWNER})
    clamp_min(avg_over_time({prefix}:ratio[3h] offset 1h), 0.8)
) > on ({_OWNER}) {ratio}''',
                    "least": f'''{ratio}
unless on ({_OWNER})
  (
      1.25 * clamp_min(avg_over_time({prefix}:ratio[3h] offset 1h), 0.8) > 1
  )
and on ({_OWNER})
  {prefix}:ratio offset 1h''',
                    "most": f"1.55 * {ratio} and on ({_OWNER}) {prefix}:ratio",
                }
            )
        }
          )
        """,
    )
    wide = f'sum without (over, within) ({prefix}:weekly{{within="{2 * _WIDE}m",over="15m"}})'
    lowest = f'min_over_time({rate}{{over="5m"}}[7m])'
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          ({prefix}:ratio > on ({_OWNER}) {prefix}:needed)
        unless on ({_OWNER})
          ({now} <= on ({_OWNER}) ({ratio} * on ({_OWNER}) {wide}))
        and on ({_OWNER})
          ({lowest} > ignoring (over) 1.1 * {expected}{{over="15m"}})
        and on ({_OWNER})
          ({lowest} > ignoring (over) 0.35 * {now})
        and on ({_OWNER})
          ({now} > on ({_OWNER}) group_left () {floor})
        unless on ({_OWNER})
          {prefix}:catching_up{{path="sustained"}}
        unless on ({_OWNER})
          ({now} <= max_over_time({prefix}:high{{over="15m"}}[21h] offset 3h))
        and on ({_OWNER})
          openai:project:established
        """,
        {"path": "fast"},
        "More than at any time within an hour of this one in the last weeks, in each five minutes of ten: late data"
        " and corrections arrive in one piece.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          (
              (
                  ({prefix}:ratio > on ({_OWNER}) {prefix}:needed)
                and on ({_OWNER})
                  (avg_over_time({prefix}:ratio[45m]) > on ({_OWNER}) {prefix}:needed)
                and on ({_OWNER})
                  (min_over_time({prefix}:ratio[45m]) > on ({_OWNER}) (0.8 * {ratio}))
              )
            or
              (
                  (sum without (over) ({hour} / {expected}{{over="1h"}}) > on ({_OWNER}) (0.9 * {prefix}:needed))
                and on ({_OWNER})
                  (min_over_time({prefix}:ratio[45m]) > on ({_OWNER}) (0.75 * {ratio}))
              )
          )
        and on ({_OWNER})
          {prefix}:ratio offset 45m
        and on ({_OWNER})
          ({now} > on ({_OWNER}) group_left () {floor})
        unless on ({_OWNER})
          {prefix}:catching_up{{path="sustained"}}
        unless on ({_OWNER})
          ({now} <= max_over_time({prefix}:high{{over="15m"}}[21h] offset 3h))
        and on ({_OWNER})
          openai:project:established
        """,
        {"path": "slow"},
        "More than at this very time in the last weeks, for three quarters of an hour: a job may run that much longer.",
    )
    yield Record(f"{prefix}:lowest", f'sum without (over) (min_over_time({rate}{{over="5m"}}[1h]))')
    yield Record(
        f"{prefix}:hour_ratio",
        f"""
          sum without (over) (
              {hour}
            / max by ({_OWNER}, over) (
{
            _alternatives(
                {
                    "expected": f'{expected}{{over="1h"}}',
                    "mean": f'0 * {expected}{{over="1h"}} + on ({_OWNER}) group_left () {prefix}:mean_hour',
                },
                14,
            )
        }
              )
          )
        and on ({_OWNER})
          (
              avg_over_time({prefix}:lowest[1d:30m])
            < on ({_OWNER})
              0.15 * sum without (over) (avg_over_time({prefix}:usual{{over="1h"}}[1d:30m]))
          )
        and on ({_OWNER})
          ({wide} > on ({_OWNER}) 2 * sum without (over) ({ordinary}{{over="1h"}}))
        and on ({_OWNER})
          ({_low(prefix, "max")} > on ({_OWNER}) 0.25 * sum without (over) ({ordinary}{{over="1h"}}))
        """,
        comment="What comes in bursts every hour, such as an hourly job, is compared by the hour.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          (
              ({prefix}:hour_ratio > on ({_OWNER}) (1.6 * {ratio}))
            or
              (
                  ({prefix}:hour_ratio > on ({_OWNER}) (1.15 * {ratio}))
                and
                  ({prefix}:hour_ratio offset 66m > on ({_OWNER}) (1.15 * {ratio}))
              )
          )
        and on ({_OWNER})
          ({hour} > on ({_OWNER}) group_left () {floor})
        unless on ({_OWNER})
          {prefix}:catching_up{{path="hourly"}}
        unless on ({_OWNER})
          ({hour} <= max_over_time({prefix}:high{{over="1h"}}[21h] offset 3h))
        and on ({_OWNER})
          openai:project:established
        """,
        {"path": "hourly"},
        "One run that is far too large, or two in a row.",
    )
    yield Record(
        f"{prefix}:spike",
        f"""
        max by ({_OWNER}) (
            {prefix}:spike_ratio
          or
            (
                (min_over_time({prefix}:ratio[40m]) > on ({_OWNER}) (0.87 * {ratio}))
              and on ({_OWNER})
                last_over_time({prefix}:spike_ratio[5h])
              and on ({_OWNER})
                ({now} > on ({_OWNER}) group_left () {floor})
            )
        )
        """,
        comment="A spike goes on until the rate is nearly back to what is expected.",
    )
    yield Record(
        f"{prefix}:new_level",
        f"""
          count by ({_OWNER}) (
              count_over_time({prefix}:spike[1d])
            > on () group_left ()
              (0.1875 * max(count_over_time(openai:month:days_remaining[1d])))
            and on ()
              openai:month:days_remaining offset 1d
          )
        """,
        comment="Four and a half hours of spike within a day are a new level, which is then compared with itself.",
    )
    yield Record(
        f"{prefix}:high",
        f'{rate}{{over!="5m"}} and on ({_OWNER}) ({prefix}:spike or last_over_time({prefix}:new_level[{_NEW}]))',
    )


def contributors(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of each model's part in a spike."""
    model = f"openai:project_model_{quantity.name}"
    yield Record(
        f"{model}:excess",
        f"""
        clamp_min(
            sum by ({_OWNER}, model) (avg_over_time({model}:increase5m[10m]))
          - (
                sum by ({_OWNER}, model) (avg_over_time({model}:increase5m[2h] offset 167h))
              or
                0 * sum by ({_OWNER}, model) (avg_over_time({model}:increase5m[10m]))
            ),
          0
        )
        and on ({_OWNER})
          {quantity.prefix}:spike
        """,
        comment="During a spike, what each model uses beyond last week, and its share of that.",
    )
    yield Record(
        f"{model}:spike_share",
        f"""
          {model}:excess
        / on ({_OWNER}) group_left ()
          sum by ({_OWNER}) ({model}:excess)
        """,
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


def _catching_up(quantity: Quantity) -> Iterator[Record]:
    prefix = quantity.prefix
    hour, ordinary = f'{prefix}:per_hour{{over="1h"}}', f'{prefix}:ordinary{{over="1h"}}'
    for path, share, weeks in (("sustained", 0.05, "min"), ("hourly", 0.7, "max")):
        yield Record(
            f"{prefix}:shortfall",
            f"""
              (1.2 * {_low(prefix, weeks)} - on ({_OWNER}) sum without (over) ({hour}))
            and on ({_OWNER})
              (sum without (over) ({hour}) < on ({_OWNER}) {share} * {_low(prefix, weeks)})
            """,
            {"path": path},
            "What was expected and did not come: nothing at all, or for what comes every hour, less than usual."
            if path == "sustained"
            else "",
        )
    yield Record(f"{prefix}:surplus", f"sum without (over) (({hour} > 1.4 * {ordinary}) - {ordinary})")
    yield Record(
        f"{prefix}:owed",
        f"""
          (
              sum_over_time({prefix}:shortfall[12h])
            - on ({_OWNER}) group_left ()
              (sum_over_time({prefix}:surplus[12h] offset 1h) or 0 * sum without (over) ({hour}))
          )
        * on () group_left ()
          (12 / max(count_over_time(openai:month:days_remaining[12h])))
        """,
        comment="What will be caught up with, less what was in the twelve hours before the last.",
    )
    yield Record(
        f"{prefix}:catching_up",
        f"""
          {prefix}:owed
        > on ({_OWNER}) group_left ()
          0.1 * sum without (over) ({ordinary})
        and
          1.2 * {prefix}:owed
        > on ({_OWNER}) group_left ()
          sum without (over) ({hour} - 2 * {ordinary})
        """,
    )


def _low(prefix: str, of: str) -> str:
    """Return the lowest hour at about this time: the `min` of two weeks, or the `max` of them and yesterday."""
    back = {"1w": _WEEK, "2w": 2 * _WEEK} | ({"1d": 1440} if of == "max" else {})
    lows = {name: f"{prefix}:low offset {minutes - _WIDE}m" for name, minutes in back.items()}
    return f"{of} by ({_OWNER}) ({' or '.join(_labelled(name, each) for name, each in lows.items())})"


def _same_kind(days: int) -> str:
    """Return an expression that has a sample if it was a weekend so many days ago, as today, or neither."""
    past = f"day_of_week(vector(time() - {days * 86400}))"
    return f"((day_of_week() % 6 == bool 0) == (({past} % 6) == bool 0))"


def _largest(expressions: Mapping[str, str]) -> str:
    return f"max by ({_OWNER}, over) (\n{_alternatives(expressions, 2)}\n)"


def _alternatives(expressions: Mapping[str, str], spaces: int = 12) -> str:
    """Return the union of some vectors, each kept apart by a label that the aggregation around them removes."""
    labelled = [indented(_labelled(of, expression), 2) for of, expression in expressions.items()]
    return textwrap.indent("\nor\n".join(labelled), " " * spaces)


def _labelled(of: str, expression: str) -> str:
    return f'label_replace({expression}, "of", "{of}", "", "")'


def _threshold(quantity: Quantity, name: str) -> str:
    return f"openai:owner_threshold:{quantity.threshold}_spike_{name}"
