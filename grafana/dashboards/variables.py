"""The variables at the top of a dashboard: each takes one value, several, or All."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from grafana.dashboards import promql
from grafana.dashboards.panels import SOURCE

ALL: Final = ".*"
"""The value of All: it also matches series without the label, when the settings group by something else."""

_DEFAULT: Final = model.VariableOption(selected=True, text="default", value="default")
"""The data source that Grafana uses by default."""

_ALL_OPTION: Final = model.VariableOption(selected=True, text=["All"], value=["$__all"])


def source() -> Builder[model.VariableModel]:
    """Choose the Prometheus server."""
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus").current(_DEFAULT)


def organization() -> Builder[model.VariableModel]:
    """Choose organizations, by their configured names."""
    return _query("organization", "Organization", "label_values(openai_exporter_up, organization)")


def project() -> Builder[model.VariableModel]:
    """Choose projects by name; the value is the id, so that a renamed project stays chosen."""
    info = promql.select("openai_project_info", promql.ORGANIZATION)
    query = f"query_result(max by (project_id, project_name) ({promql.project_names(info)}))"
    return _query("project", "Project", query, '/project_id="(?<value>[^"]+)",project_name="(?<text>.*)"\\}/')


def model_of_usage() -> Builder[model.VariableModel]:
    """Choose models that were used in the look-back."""
    names = '__name__=~"openai_(completions|decisions|embeddings|moderations|images|audio_.+|web_search)_.+"'
    return _query("model", "Model", f"label_values({{{names},{promql.ORGANIZATION},{promql.PROJECT}}}, model)")


def model_of_costs() -> Builder[model.VariableModel]:
    """Choose models that were billed: the part of a line item before the comma."""
    billed = promql.select("openai_cost_usd", promql.ORGANIZATION, promql.PROJECT, 'line_item=~".+, .+"')
    return _query("model", "Model", f"label_values({billed}, line_item)", "/^(?:.+ \\| )?([^ ,]+)/")


def resource() -> Builder[model.VariableModel]:
    """Choose endpoints of the Admin API."""
    up = promql.select("openai_exporter_resource_up", promql.ORGANIZATION)
    return _query("resource", "Endpoint", f"label_values({up}, resource)")


def _query(name: str, label: str, query: str, regex: str = "") -> Builder[model.VariableModel]:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"variable-{name}"})
        .regex(regex)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(ALL)
        .current(_ALL_OPTION)
    )
