"""Where a click leads: from a figure to the project that it belongs to."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

TAG: Final = "openai-usage-exporter"
"""The tag that all dashboards have, and by which each finds the others."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link on a value."""

    title: str
    url: str

    def builder(self) -> build.DashboardLink:
        """Return it as a panel's data link."""
        return build.DashboardLink(self.title).url(self.url)

    def plain(self) -> dict[str, str]:
        """Return it as an override's property."""
        return {"title": self.title, "url": self.url}


_PROJECT: Final = (
    "/d/openai-project?${datasource:queryparam}&${__url_time_range}"
    "&var-organization={organization}&var-project={project}"
)

PROJECT_OF_ROW: Final = Link(
    "Open the project",
    _PROJECT.replace("{organization}", "${__data.fields.organization}").replace(
        "{project}", "${__data.fields.project_id}"
    ),
)
PROJECT_OF_SERIES: Final = Link(
    "Open the project",
    _PROJECT.replace("{organization}", "${__field.labels.organization}").replace(
        "{project}", "${__field.labels.project_id}"
    ),
)


def to_others() -> build.DashboardLink:
    """Return the row of links to the other dashboards; variables and times go along."""
    return (
        build.DashboardLink("OpenAI dashboards")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )
