"""The rules of usage: rates from counters, the calendar, and what is made of them."""

from collections.abc import Iterable, Iterator

from alerting.expectations import expectations
from alerting.quantities import Quantity, quantities
from alerting.spikes import contributors, spikes
from alerting.text import Group, Record, rule_file
from exporter.catalog import today_name, window_name


def usage_rules() -> str:
    """Return flow.yml."""
    every = quantities()
    established = "\n".join(
        (
            '  group by (organization, project_id) (openai:owner_cost_usd:established{project_id!=""})',
            "or",
            "  group by (organization, project_id) (",
            "    " + "\n  or\n    ".join(f"{each.prefix}:per_hour offset 1w" for each in every),
            "  )",
        )
    )
    groups = [
        Group("openai-flow", [record for each in every for record in _increases(each)]),
        Group(
            "openai-established",
            [
                Record(
                    "openai:project:established",
                    established,
                    comment="Projects that are not new: spend before the last seven days, or usage a week ago.",
                )
            ],
        ),
        Group("openai-calendar", _calendar()),
        *(Group(f"openai-{each.name.replace('_', '-')}", _records(each)) for each in every),
    ]
    return rule_file("Usage per hour from counters, the rate expected at this time of the week, and spikes.", groups)


def _calendar() -> Iterator[Record]:
    yield Record(
        "openai:month:edge",
        """
          vector(1)
        and on ()
          (days_in_month() - day_of_month() <= 1 or day_of_month() == 1 and hour() < 8)
        """,
        comment="The last two days of a month, anywhere in the world: jobs that run for a month's end run then.",
    )
    yield Record(
        "openai:project_cost_usd:month_end_ratio",
        """
          max by (organization, project_id) (
              (
                  openai:owner_window_cost_usd:sum{window="previous_month_end",project_id!=""} / 2
                or ignoring (window)
                  0 * openai:owner_window_cost_usd:sum{window="30d",project_id!=""}
              )
            and on (organization)
              openai:owner_window_cost_usd:sum{window="previous_month_end"}
          )
        / on (organization, project_id)
          (
            max by (organization, project_id) (
                openai:owner_window_cost_usd:sum{window="30d",project_id!=""} / 30
              or
                openai:owner_window_cost_usd:sum{window="7d",project_id!=""} / 7
            )
            > 0
          )
        """,
        comment="A day of the last two of the previous month, as a multiple of the mean day.",
    )
    sunday = "day_of_month() - day_of_week()"
    changes = (
        f"(month() == 3 and ({sunday} >= 8) and ({sunday} <= 14 or {sunday} >= 25))",
        f"(month() == 4 and ({sunday} <= 7))",
        f"((month() == 9 or month() == 10) and ({sunday} >= 24))",
        f"((month() == 10 or month() == 11) and ({sunday} <= 7))",
    )
    yield Record(
        "openai:clock:changed",
        "  vector(1)\nand on ()\n  day_of_week() <= 1\nand on ()\n  (\n      "
        + "\n    or\n      ".join(changes)
        + "\n  )",
        comment="The Sundays on which clocks change in America, Europe and Australia, and the Mondays after.",
    )


def _increases(quantity: Quantity) -> Iterator[Record]:
    for source in quantity.sources:
        labels = {"resource": source.resource} | ({"direction": source.direction} if source.direction else {})
        yield Record(
            f"openai:project_model_{quantity.name}:increase5m",
            f"sum by (organization, project_id, model) (increase({source.counter}[5m]))",
            labels,
        )


def _records(quantity: Quantity) -> Iterable[Record]:
    yield from _rates(quantity)
    yield from expectations(quantity)
    yield from spikes(quantity)
    yield from contributors(quantity)


def _rates(quantity: Quantity) -> Iterator[Record]:
    name = f"{quantity.prefix}:per_hour"
    yield Record(
        name,
        f"""
          12
        * sum by (organization, project_id) (
              openai:project_model_{quantity.name}:increase5m
            and on (organization, resource)
              openai:resource:steady10m
          )
        """,
        {"over": "5m"},
        "All rates are per hour; `over` is the time over which they are averaged. There is none for ten minutes after"
        " a poll was missed, so that what is caught up with does not look like a spike.",
    )
    yield Record(name, f'avg_over_time({name}{{over="5m"}}[10m])', {"over": "15m"})
    yield Record(
        name,
        f"""
          avg_over_time({name}{{over="5m"}}[1h])
        and
          {name}{{over="5m"}} offset 55m
        """,
        {"over": "1h"},
    )
    measures = [source.measure for source in quantity.sources if source.measure]
    if not measures:
        return
    yield Record(f"{quantity.prefix}:sum", _sum("organization, project_id", map(today_name, measures)))
    yield Record(
        f"openai:project_window_{quantity.name}:sum",
        _sum("organization, project_id, window", map(window_name, measures)),
    )


def _sum(labels: str, names: Iterable[str]) -> str:
    pattern = "|".join(names)
    return f"""
    sum by ({labels}) (
      {{__name__=~"{pattern}"}}
    )
    """
