"""One organization: what is polled when, and what becomes of the answers."""

from exporter.organization.annex import AnnexPlan
from exporter.organization.described import ALL, Described
from exporter.organization.job import Job, Poller, Source, Status
from exporter.organization.mirror import Fresh, Mirror, Shelf
from exporter.organization.organization import Organization, OrganizationChanged
from exporter.organization.schedule import Outcome, Schedule
from exporter.organization.watch import Watch

__all__ = [
    "ALL",
    "AnnexPlan",
    "Described",
    "Fresh",
    "Job",
    "Mirror",
    "Organization",
    "OrganizationChanged",
    "Outcome",
    "Poller",
    "Schedule",
    "Shelf",
    "Source",
    "Status",
    "Watch",
]
