"""What can be set for one resource; the catalog says which resources there are."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import create_model

from exporter.catalog import CATALOG
from exporter.settings.sections import Section
from exporter.settings.types import Count, Duration, NonEmptyTexts, Text, Texts, Windows


class ResourceSettings(Section):
    """One resource. What is left out is the catalog's default, or the setting for all resources."""

    enabled: bool | None = None
    """Whether the resource is polled at all; on by default"""
    group_by: Texts | None = None
    """Dimensions that become labels; by default those of the catalog, [] for none"""
    measures: NonEmptyTexts | None = None
    """Names of measures, default, or all; detail measures are exported only when they are named here"""
    windows: Windows | None = None
    """Windows of all chosen measures, [] for none; by default windows.costs or windows.usage where they fit"""
    bucket_width: Text | None = None
    """1d, 1h or 1m where the endpoint has them; 1d by default"""
    interval: Duration | None = None
    """From the start of a poll to the start of the next; by default poll.interval or poll.cost_interval"""
    max_series: Count | None = None
    """Label sets; by default max_series"""
    project_ids: NonEmptyTexts | None = None
    """Filter: only these projects"""
    user_ids: NonEmptyTexts | None = None
    """Filter: only these users"""
    api_key_ids: NonEmptyTexts | None = None
    """Filter: only these API keys"""
    models: NonEmptyTexts | None = None
    """Filter: only these models, under the names that usage reports"""
    batch: bool | None = None
    """Filter: true for batch jobs only, false for all others"""
    sizes: NonEmptyTexts | None = None
    """Filter: only these image sizes"""
    sources: NonEmptyTexts | None = None
    """Filter: only these sources of images"""
    vector_store_ids: NonEmptyTexts | None = None
    """Filter: only these vector stores"""
    context_levels: NonEmptyTexts | None = None
    """Filter: only these context levels"""
    line_items: NonEmptyTexts | None = None
    """Filter: only these line items"""

    def filters(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the API parameter and the values of every filter that is set."""
        for parameter in FILTERS:
            match getattr(self, parameter):
                case bool() as truth:
                    yield parameter, (str(truth).lower(),)
                case tuple() as values:
                    yield parameter, values

    def overridden(self, stronger: "ResourceSettings") -> "ResourceSettings":
        """Return these settings with those in place of them that are set in `stronger`."""
        return self.model_copy(update={name: getattr(stronger, name) for name in stronger.model_fields_set})


FILTERS = tuple(dict.fromkeys(parameter for row in CATALOG for parameter in row.filters))
"""Every filter that any endpoint has."""


class _Resources(Section):
    def of(self, name: str) -> ResourceSettings:
        """Return the settings of the resource of this name."""
        settings: ResourceSettings = getattr(self, name)
        return settings


if TYPE_CHECKING:

    class Resources(_Resources):
        """A member for every resource of the catalog."""

else:
    Resources = create_model(
        "Resources", __base__=_Resources, **{row.name: (ResourceSettings, ResourceSettings()) for row in CATALOG}
    )
