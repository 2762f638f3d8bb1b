"""What exceeds the expectation, and which models contribute to it."""

from collections.abc import Iterator

from alerting.expectations import NEW, WEEK, WIDE
from alerting.quantities import Quantity
from alerting.text import OWNER, Record, alternatives, labelled


def spikes(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of what exceeds the expectation."""
    prefix, ratio, floor = quantity.prefix, quantity.threshold_record("ratio"), quantity.threshold_record("floor")
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
          min by ({OWNER}) (
{
            alternatives(
                {
                    "jump": f'''(
    1.25 * {ratio}
  * on ({OWNER})
    clamp_min(avg_over_time({prefix}:ratio[3h] offset 1h), 0.8)
) > on ({OWNER}) {ratio}''',
                    "least": f'''{ratio}
unless on ({OWNER})
  (
      1.25 * clamp_min(avg_over_time({prefix}:ratio[3h] offset 1h), 0.8) > 1
  )
and on ({OWNER})
  {prefix}:ratio offset 1h''',
                    "most": f"1.55 * {ratio} and on ({OWNER}) {prefix}:ratio",
                }
            )
        }
          )
        """,
    )
    wide = f'sum without (over, within) ({prefix}:weekly{{within="{2 * WIDE}m",over="15m"}})'
    lowest = f'min_over_time({rate}{{over="5m"}}[7m])'
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          ({prefix}:ratio > on ({OWNER}) {prefix}:needed)
        unless on ({OWNER})
          ({now} <= on ({OWNER}) ({ratio} * on ({OWNER}) {wide}))
        and on ({OWNER})
          ({lowest} > ignoring (over) 1.1 * {expected}{{over="15m"}})
        and on ({OWNER})
          ({lowest} > ignoring (over) 0.35 * {now})
        {_reportable(quantity, "15m", "sustained")}
        """,
        {"path": "fast"},
        "More than at any time within an hour of this one in the last weeks, in each five minutes of seven: late data"
        " and corrections arrive in one piece.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          (
              (
                  ({prefix}:ratio > on ({OWNER}) {prefix}:needed)
                and on ({OWNER})
                  (avg_over_time({prefix}:ratio[45m]) > on ({OWNER}) {prefix}:needed)
                and on ({OWNER})
                  (min_over_time({prefix}:ratio[45m]) > on ({OWNER}) (0.8 * {ratio}))
              )
            or
              (
                  (sum without (over) ({hour} / {expected}{{over="1h"}}) > on ({OWNER}) (0.9 * {prefix}:needed))
                and on ({OWNER})
                  (min_over_time({prefix}:ratio[45m]) > on ({OWNER}) (0.75 * {ratio}))
              )
          )
        and on ({OWNER})
          {prefix}:ratio offset 45m
        {_reportable(quantity, "15m", "sustained")}
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
            / max by ({OWNER}, over) (
{
            alternatives(
                {
                    "expected": f'{expected}{{over="1h"}}',
                    "mean": f'0 * {expected}{{over="1h"}} + on ({OWNER}) group_left () {prefix}:mean_hour',
                },
                14,
            )
        }
              )
          )
        and on ({OWNER})
          (
              avg_over_time({prefix}:lowest[1d:30m])
            < on ({OWNER})
              0.15 * sum without (over) (avg_over_time({prefix}:usual{{over="1h"}}[1d:30m]))
          )
        and on ({OWNER})
          ({wide} > on ({OWNER}) 2 * sum without (over) ({ordinary}{{over="1h"}}))
        and on ({OWNER})
          ({_low(prefix, "max")} > on ({OWNER}) 0.25 * sum without (over) ({ordinary}{{over="1h"}}))
        """,
        comment="What comes in bursts every hour, such as an hourly job, is compared by the hour.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          (
              ({prefix}:hour_ratio > on ({OWNER}) (1.6 * {ratio}))
            or
              (
                  ({prefix}:hour_ratio > on ({OWNER}) (1.15 * {ratio}))
                and
                  ({prefix}:hour_ratio offset 66m > on ({OWNER}) (1.15 * {ratio}))
              )
          )
        {_reportable(quantity, "1h", "hourly")}
        """,
        {"path": "hourly"},
        "One run that is far too large, or two in a row.",
    )
    yield Record(
        f"{prefix}:spike",
        f"""
        max by ({OWNER}) (
            {prefix}:spike_ratio
          or
            (
                (min_over_time({prefix}:ratio[40m]) > on ({OWNER}) (0.87 * {ratio}))
              and on ({OWNER})
                last_over_time({prefix}:spike_ratio[5h])
              and on ({OWNER})
                ({now} > on ({OWNER}) group_left () {floor})
            )
        )
        """,
        comment="A spike goes on until the rate is nearly back to what is expected.",
    )
    yield Record(
        f"{prefix}:new_level",
        f"""
          count by ({OWNER}) (
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
        f'{rate}{{over!="5m"}} and on ({OWNER}) ({prefix}:spike or last_over_time({prefix}:new_level[{NEW}]))',
    )


def contributors(quantity: Quantity) -> Iterator[Record]:
    """Yield the records of each model's part in a spike."""
    model = f"openai:project_model_{quantity.name}"
    yield Record(
        f"{model}:excess",
        f"""
        clamp_min(
            sum by ({OWNER}, model) (avg_over_time({model}:increase5m[10m]))
          - (
                sum by ({OWNER}, model) (avg_over_time({model}:increase5m[2h] offset 167h))
              or
                0 * sum by ({OWNER}, model) (avg_over_time({model}:increase5m[10m]))
            ),
          0
        )
        and on ({OWNER})
          {quantity.prefix}:spike
        """,
        comment="During a spike, what each model uses beyond last week, and its share of that.",
    )
    yield Record(
        f"{model}:spike_share",
        f"""
          {model}:excess
        / on ({OWNER}) group_left ()
          sum by ({OWNER}) ({model}:excess)
        """,
    )


def _reportable(quantity: Quantity, over: str, path: str) -> str:
    """Return what every path requires: above the floor and earlier spikes, not catching up, an established project."""
    prefix = quantity.prefix
    now = f'{prefix}:per_hour{{over="{over}"}}'
    return f"""and on ({OWNER})
          ({now} > on ({OWNER}) group_left () {quantity.threshold_record("floor")})
        unless on ({OWNER})
          {prefix}:catching_up{{path="{path}"}}
        unless on ({OWNER})
          ({now} <= max_over_time({prefix}:high{{over="{over}"}}[21h] offset 3h))
        and on ({OWNER})
          openai:project:established"""


def _catching_up(quantity: Quantity) -> Iterator[Record]:
    prefix = quantity.prefix
    hour, ordinary = f'{prefix}:per_hour{{over="1h"}}', f'{prefix}:ordinary{{over="1h"}}'
    for path, share, weeks in (("sustained", 0.05, "min"), ("hourly", 0.7, "max")):
        yield Record(
            f"{prefix}:shortfall",
            f"""
              (1.2 * {_low(prefix, weeks)} - on ({OWNER}) sum without (over) ({hour}))
            and on ({OWNER})
              (sum without (over) ({hour}) < on ({OWNER}) {share} * {_low(prefix, weeks)})
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
            - on ({OWNER}) group_left ()
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
        > on ({OWNER}) group_left ()
          0.1 * sum without (over) ({ordinary})
        and
          1.2 * {prefix}:owed
        > on ({OWNER}) group_left ()
          sum without (over) ({hour} - 2 * {ordinary})
        """,
    )


def _low(prefix: str, of: str) -> str:
    """Return the lowest hour at about this time: the `min` of two weeks, or the `max` of them and yesterday."""
    back = {"1w": WEEK, "2w": 2 * WEEK} | ({"1d": 1440} if of == "max" else {})
    lows = {name: f"{prefix}:low offset {minutes - WIDE}m" for name, minutes in back.items()}
    return f"{of} by ({OWNER}) ({' or '.join(labelled(name, each) for name, each in lows.items())})"
