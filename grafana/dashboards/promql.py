"""The building blocks of queries: selectors by the dashboard's variables, names, growth of counters, days."""

from typing import Final

ORGANIZATION: Final = 'organization=~"$organization"'
PROJECT: Final = 'project_id=~"$project"'
MODEL: Final = 'model=~"$model"'
RESOURCE: Final = 'resource=~"$resource"'
LINE_ITEM: Final = 'line_item=~"(.+ [|] )?$model([ ,].*)?"'
"""The line items that name the chosen models: `gpt-x, input`, `batch | gpt-x, output`, `gpt-x audio, input`."""

_MODEL_OF_LINE_ITEM: Final = "(?:.+ [|] )?([^ ,]+)[^,]*, .+"
_TARGET: Final = "without (instance, pod)"
"""Labels that change when the exporter moves: over a time range one series becomes several."""


def select(metric: str, *matchers: str) -> str:
    """Return an instant vector selector."""
    return f"{metric}{{{','.join(matchers)}}}" if matchers else metric


def costs(*matchers: str) -> str:
    """Return today's costs of what the variables choose."""
    return select("openai_cost_usd", ORGANIZATION, PROJECT, LINE_ITEM, *matchers)


def window_costs(window: str, *matchers: str) -> str:
    """Return the costs of a window of what the variables choose."""
    return select("openai_window_cost_usd", ORGANIZATION, PROJECT, LINE_ITEM, f'window="{window}"', *matchers)


def usage(measure: str, *matchers: str, model: bool = True) -> str:
    """Return today's usage of what the variables choose; `model`: whether the measure has that label."""
    return _usage(f"openai_{measure}", matchers, model=model)


def window_usage(measure: str, *matchers: str, window: str = "7d", model: bool = True) -> str:
    """Return a window's usage of what the variables choose."""
    return _usage(f"openai_window_{measure}", (*matchers, f'window="{window}"'), model=model)


def accrued(measure: str, *matchers: str, model: bool = True) -> str:
    """Return the counter of a usage measure of what the variables choose."""
    return _usage(f"openai_accrued_{measure}_total", matchers, model=model)


def accrued_costs(*matchers: str) -> str:
    """Return the counter of costs of what the variables choose."""
    return select("openai_accrued_cost_usd_total", ORGANIZATION, PROJECT, LINE_ITEM, *matchers)


def across(names: str, *matchers: str) -> str:
    """Select several measures of models at once, by a regular expression for their metrics' names."""
    return _usage("", (f'__name__=~"{names}"', *matchers), model=True)


def by(labels: str, expression: str) -> str:
    """Return the sum by labels; without any, of everything."""
    return f"sum by ({labels}) ({expression})" if labels else f"sum ({expression})"


def project_names(info: str = "openai_project_info") -> str:
    """Return 1 for every project by `organization`, `project_id` and `project_name`.

    Where an organization has several projects of one name, the last characters of the id are part of the name.
    """
    labels, name = "organization, project_id, project_name", "organization, project_name"
    shared = f"count by ({name}) (group by ({labels}) ({info})) > 1"
    ambiguous = f'label_replace({info} and on ({name}) {shared}, "short_id", "$1", "project_id", ".*(.{{4}})")'
    distinct = f'label_join({ambiguous}, "project_name", " …", "project_name", "short_id")'
    return f"(group by ({labels}) ({distinct}) or on (organization, project_id) group by ({labels}) ({info}))"


def named(expression: str) -> str:
    """Add the project's name to what has `organization` and `project_id`: the documented join."""
    return f"{expression} * on (organization, project_id) group_left (project_name) {project_names()}"


def with_column(expression: str, label: str, name: str) -> str:
    """Add a label that names the column of a table."""
    return f'label_replace({expression}, "{label}", "{name}", "", "")'


def latest(selector: str) -> str:
    """Return the last value of the step that begins at the evaluated time.

    A step may be an hour: its first value would leave a chart empty for the first hour of a new Prometheus.
    """
    return f"max {_TARGET} (last_over_time({selector}[$__interval] offset -$__interval))"


def named_daily(expression: str) -> str:
    """Add today's names to the projects of a daily chart: a day may be older than a name, or than all names.

    A project that was renamed today gets one of its names; one that is gone the name that it had.
    """
    now, then = (project_names(f"last_over_time(openai_project_info[2d]{at} offset -2d)") for at in (" @ end()", ""))
    names = f"{now} or on (organization, project_id) {then}"
    return (
        f"({expression}) * on (organization, project_id) group_left (project_name) "
        f"topk by (organization, project_id) (1, {names})"
    )


def owned(expression: str) -> str:
    """Add the label `owner` to projects or endpoints: the organization, for legends.

    A sole organization is called `default` unless the settings name it, and is left out.
    """
    owner = f'label_replace({expression}, "owner", " · $1", "organization", "(.+)")'
    return f'label_replace({owner}, "owner", "", "organization", "default")'


def by_project(expression: str) -> str:
    """Return the sum by project, with its name."""
    return named(by("organization, project_id", expression))


def with_model(expression: str) -> str:
    """Add the label `model` to costs, from the line item's text; tools and storage become `no model`."""
    blank = f'label_replace({expression}, "model", "no model", "model", "")'
    return f'label_replace({blank}, "model", "$1", "line_item", "{_MODEL_OF_LINE_ITEM}")'


def growth(counter: str) -> str:
    """Return by how much each counter grew over the dashboard's time range.

    It is the counter's last value less its value at the start of the range, or less the first value (0) of a series
    that starts inside it. Nothing is extrapolated. Only where the counter was reset, because the exporter lost its
    state, `increase()` is used instead.
    """
    return _growth(f"{counter}[$__range]", f"{counter} offset $__range")


def daily_growth(counter: str) -> str:
    """Return by how much each counter grows over the day that begins at the evaluated midnight."""
    return _growth(f"{counter}[1d] offset -1d", counter)


def rate_per_minute(counter: str) -> str:
    """Return the counter's rate, per minute."""
    return f"rate({counter}[$__rate_interval]) * 60"


def daily_costs(labels: str, *, model: bool = False) -> str:
    """Return by labels the costs of the day that begins at the evaluated midnight, as last reported.

    The day after, `yesterday` is the whole day with what was reported late; before, there is today so far. Backfilled
    history has a sample of the day at its midnight.
    """
    whole = f"max {_TARGET} (last_over_time({window_costs('yesterday')}[23h45m] offset -47h50m))"
    parts = (whole, _last_of_day(costs()))
    return " or ".join(by(labels, with_model(part) if model else part) for part in parts)


def daily_usage(labels: str, measure: str, *, model: bool = True) -> str:
    """Return by labels the usage that was reported on the day that begins at the evaluated midnight.

    Days before the first counter have the last value of the gauge, if history was backfilled.
    """
    reported = by(labels, daily_growth(accrued(measure, model=model)))
    return f"{reported} or {by(labels, _last_of_day(usage(measure, model=model)))}"


def projected_costs(labels: str = "") -> str:
    """Return the month's costs at its end: to date, plus the mean of the last six full days for each remaining day.

    The rest of today counts as a fraction of a day.
    """
    month, week, today = (by(labels, part) for part in (window_costs("month"), window_costs("7d"), costs()))
    return f"{month} + clamp_min({week} - {today}, 0) / 6 * {DAYS_LEFT}"


DAYS_LEFT: Final = "scalar(days_in_month() - day_of_month() + 1 - vector(time() % 86400 / 86400))"
"""Days until the end of the UTC month, with their fraction."""


def _usage(metric: str, matchers: tuple[str, ...], *, model: bool) -> str:
    return select(metric, ORGANIZATION, PROJECT, *((MODEL,) if model else ()), *matchers)


def _last_of_day(gauge: str) -> str:
    """Return the last value on the day that begins at the evaluated midnight, that midnight included."""
    return f"max {_TARGET} (last_over_time({gauge}[23h55m1s] offset -23h55m))"


def _growth(span: str, before: str) -> str:
    return (
        f"((max_over_time({span}) - ({before} or min_over_time({span}))) unless resets({span}) > 0 or increase({span}))"
    )
