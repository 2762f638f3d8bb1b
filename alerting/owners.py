"""Which threshold applies to whom: the most specific series of thresholds.yml and of the user's own rule files."""

from collections.abc import Iterable, Iterator
from typing import Final

from alerting.quantities import quantities
from alerting.text import Group, Record, rule_file

_THRESHOLD: Final = "openai:threshold:"


def owners_text(thresholds: Iterable[str]) -> str:
    """Return owners.yml for the names of these records, `openai:threshold:NAME`."""
    records = [_present(), *(_applied(name.removeprefix(_THRESHOLD)) for name in thresholds)]
    comment = (
        "Which threshold applies to whom: the most specific series of thresholds.yml and of your own rule files."
        " An owner is an organization (no project_id) or one of its projects."
    )
    return rule_file(comment, [Group("openai-owners", records)])


def _present() -> Record:
    usage = "\n            or\n              ".join(f"{each.prefix}:per_hour" for each in quantities())
    return Record(
        "openai:owner:present",
        f"""
          group by (organization, project_id) (openai:owner_cost_usd:sum or openai:owner_cost_usd:month_held)
        or
          group by (organization, project_id) (
              {usage}
          )
        or
          group by (organization, project_id) (openai:owner_vector_stores_usage_bytes:sum)
        or
          group by (organization) (openai_exporter_up)
        """,
    )


def _applied(name: str) -> Record:
    threshold = f"{_THRESHOLD}{name}"
    return Record(
        f"openai:owner_threshold:{name}",
        f"""
          max by (organization, project_id) (
            {threshold}{{organization!="",project_id!=""}}
          )
        or on (organization, project_id)
          openai:owner:present * on (organization) group_left ()
            max by (organization) ({threshold}{{organization!="",project_id=""}})
        or on (organization, project_id)
          openai:owner:present * on () group_left () (
              max({threshold}{{organization="",scope="all"}})
            or
              max({threshold}{{organization="",scope=""}})
          )
        """,
    )


def names(rules: Iterable[dict[str, str]]) -> Iterator[str]:
    """Yield the names of the thresholds among some rules."""
    for rule in rules:
        if rule.get("record", "").startswith(_THRESHOLD):
            yield rule["record"]
