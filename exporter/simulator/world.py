"""One organization with everything that answers for it."""

from collections.abc import Mapping

from exporter.simulator.directory import Directory
from exporter.simulator.legacy import Legacy
from exporter.simulator.limits import Limits
from exporter.simulator.organization import Organization, Shape
from exporter.simulator.policy import Policy
from exporter.simulator.reports import Reports
from exporter.simulator.usage_log import UsageLog


class World:
    """An organization, its books and limits, and the endpoints that show them."""

    def __init__(self, seed: int, index: int, shape: Shape, delays: Mapping[str, float], policy: Policy) -> None:
        """Build organization number `index` of a seed."""
        self.organization = Organization(seed, shape, index)
        self.books = UsageLog(self.organization, delays)
        self.limits = Limits(self.organization)
        self.reports = Reports(self.books, policy)
        self.directory = Directory(self.organization, self.limits)
        self.legacy = Legacy(self.books, policy)
