"""The alerts: alerts.yml of this package, with its placeholders written out as templates of Prometheus.

`<<owner>>`               the project by name and id, and its organization; or the organization
`<<RECORD{...}|FORMAT>>`  the value of a record for the alert's organization and project
`<<value>>`               the alert's own value
`<<age>>`                 for how long the alert's resource was not polled
`<<models:QUANTITY>>`     the models, and keys, that contribute most to a spike
`<<line_items>>`          the line items that contribute most to a day's excess

`dashboard: UID` becomes `dashboard_url`, and `runbook_url` follows from the alert's name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from alerting.quantities import Quantity, quantities

_SOURCE: Final = Path(__file__).with_name("alerts.yml")
_PLACEHOLDER: Final = re.compile(r"<<([^<>]+)>>")
_FIGURE: Final = re.compile(r"(?P<name>openai:[\w:]+)(?:\{(?P<matchers>[^}]*)\})?\|(?P<format>\w+)")
_FORMATS: Final = {"usd": 'printf "%.2f"', "tenths": 'printf "%.1f"'}

_OWNER: Final = (
    "{{ with $labels.project_id }}Project"
    ' {{ with printf "openai_project_info{organization=%q,project_id=%q}" $labels.organization . | query }}'
    '{{ . | first | label "project_name" }} ({{ $labels.project_id }}){{ else }}{{ . }}{{ end }}'
    " of organization{{ else }}Organization{{ end }} {{ $labels.organization }}"
)
_AGE: Final = (
    '{{ with printf "openai:resource:age_seconds{organization=%q,resource=%q}"'
    " $labels.organization $labels.resource | query }}{{ . | first | value | humanizeDuration }}{{ end }}"
)
_MATCHERS: Final = "organization=%q,project_id=%q"
_OF: Final = f"{{{_MATCHERS}}}"
_URL: Final = (
    '{{{{ with query "openai:external_url{{of=\\"{of}\\"}}" }}}}'
    '{{{{ . | first | label "url" }}}}{separator}{{{{ end }}}}'
)


def alerts_text() -> str:
    """Return alerts.yml. Raises ValueError for a placeholder that is not known."""
    lines: list[str] = []
    alert = ""
    for line in _SOURCE.read_text().splitlines():
        if found := re.match(r" +- alert: (\w+)", line):
            alert = found[1]
        if found := re.match(r"( +)dashboard: ([\w-]+)$", line):
            lines += [f"{found[1]}{name}: '{url}'" for name, url in _urls(alert, found[2]).items()]
        else:
            lines.append(_PLACEHOLDER.sub(lambda match: _template(match[1]), line))
    head = "# Written by `make rules`; do not edit.\n"
    text = "\n".join(lines) + "\n"
    return text.replace("groups:\n", f"{head}groups:\n", 1)


def _urls(alert: str, dashboard: str) -> Mapping[str, str]:
    runbooks = _URL.format(of="runbooks", separator="/")
    dashboards = _URL.format(of="dashboards", separator="")
    variables = "{{ with $labels.organization }}&var-organization={{ . | urlquery }}{{ end }}"
    if dashboard != "openai-exporter":
        variables += "{{ with $labels.project_id }}&var-project={{ . | urlquery }}{{ end }}"
    since = '{{ with query "time() - 21600" }}?from={{ . | first | value | printf "%.0f000" }}&to=now{{ end }}'
    return {
        "runbook_url": f"{runbooks}docs/runbooks/{alert}.md",
        "dashboard_url": f"{dashboards}/d/{dashboard}{since}{variables}",
    }


def _template(placeholder: str) -> str:
    if placeholder == "owner":
        return _OWNER
    if placeholder == "value":
        return '{{ $value | printf "%.1f" }}'
    if placeholder == "age":
        return _AGE
    if placeholder == "line_items":
        return _list(f"openai:owner_line_item_cost_usd:excess_share{_OF}", "line_item", "Largest contributors")
    kind, _, name = placeholder.partition(":")
    if kind == "models":
        return _contributors(next(each for each in quantities() if each.name == name))
    if found := _FIGURE.fullmatch(placeholder):
        matchers = f",{found['matchers']}" if found["matchers"] else ""
        return _figure(found["name"], matchers, _FORMATS.get(found["format"], found["format"]))
    raise ValueError(f"{_SOURCE.name} has the unknown placeholder <<{placeholder}>>")


def _figure(name: str, matchers: str, form: str) -> str:
    query = f"{name}{{{_MATCHERS}{matchers}}}".replace('"', '\\"')
    return (
        f'{{{{ with printf "{query}" $labels.organization $labels.project_id | query }}}}'
        f"{{{{ . | first | value | {form} }}}}{{{{ end }}}}"
    )


def _contributors(quantity: Quantity) -> str:
    models = _list(f"openai:project_model_{quantity.name}:spike_share{_OF}", "model", "Largest contributors")
    if not quantity.key_counter:
        return models
    keys = f'{quantity.key_counter}{{organization=%q,project_id=%q,api_key_id!=""}}[15m]'
    grown = f"sum by (api_key_id) (increase({keys})) - (sum by (api_key_id) (increase({keys} offset 1h)) >= 0)"
    return models + _list(f"({grown}) / scalar(sum({grown}))", "api_key_id", "API keys")


def _list(shares: str, label: str, title: str) -> str:
    """Return a template that lists the three largest shares, each with its label; nothing if there are none."""
    query = f"sort_desc(topk(3, {shares} > 0.05))".replace('"', '\\"')
    arguments = " ".join(["$labels.organization $labels.project_id"] * shares.count(_MATCHERS))
    return (
        f'{{{{ range $i, $each := printf "{query}" {arguments} | query }}}}'
        f"{{{{ if $i }}}}, {{{{ else }}}} {title}: {{{{ end }}}}"
        f"{{{{ $each.Labels.{label} }}}} {{{{ $each.Value | humanizePercentage }}}}{{{{ end }}}}"
    )
