"""Spend limits, spend alerts and rate limits of an organization and its projects."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from exporter.simulator.organization import Organization
from exporter.simulator.responses import Json

NO_LIMIT: Final = 2**31 - 1
"""The value of a rate limit that does not apply."""


@dataclass(slots=True)
class SpendLimit:
    """A hard monthly spend limit."""

    cents: int
    enforcing: bool = False

    def content(self, scope: str) -> Json:
        """Return the API's object; scope is `organization` or `project`."""
        return {
            "object": f"{scope}.spend_limit",
            "threshold_amount": self.cents,
            "currency": "USD",
            "interval": "month",
            "enforcement": {"status": "enforcing" if self.enforcing else "inactive"},
        }


@dataclass(slots=True)
class SpendAlert:
    """A monthly spend above which recipients are notified."""

    id: str
    cents: int
    recipients: tuple[str, ...] = ("finance@northwind.example",)

    def content(self, scope: str) -> Json:
        """Return the API's object; scope is `organization` or `project`."""
        return {
            "id": self.id,
            "object": f"{scope}.spend_alert",
            "threshold_amount": self.cents,
            "currency": "USD",
            "interval": "month",
            "notification_channel": {"type": "email", "recipients": list(self.recipients), "subject_prefix": None},
        }


@dataclass(slots=True)
class RateLimit:
    """A project's rate limits for one model."""

    model: str
    requests_per_minute: int
    tokens_per_minute: int
    other_limits: dict[str, int] = field(default_factory=dict)

    def content(self) -> Json:
        """Return the API's object."""
        return {
            "object": "project.rate_limit",
            "id": f"rl_{self.model}",
            "model": self.model,
            "max_requests_per_1_minute": self.requests_per_minute,
            "max_tokens_per_1_minute": self.tokens_per_minute,
            **self.other_limits,
        }


class Limits:
    """The limits of an organization (the owner "") and of its projects (their ids)."""

    def __init__(self, organization: Organization) -> None:
        """Set the initial limits."""
        self.spend: dict[str, SpendLimit] = {"": SpendLimit(5_000_000)}
        self.alerts: dict[str, list[SpendAlert]] = {"": [SpendAlert("alert_8f20c1", 4_000_000)]}
        self.rates: dict[str, list[RateLimit]] = {}
        for number, project in enumerate(organization.projects):
            self.rates[project.id] = list(_rate_limits())
            if number == 0:
                self.spend[project.id] = SpendLimit(2_500_000)
                self.alerts[project.id] = [SpendAlert("alert_1c77aa", 2_000_000)]


def _rate_limits() -> Iterator[RateLimit]:
    yield RateLimit("gpt-5.5", 10_000, 2_000_000, {"batch_1_day_max_input_tokens": 200_000_000})
    yield RateLimit("gpt-5-mini", 30_000, 10_000_000)
    yield RateLimit("whisper-1", 500, NO_LIMIT, {"max_audio_megabytes_per_1_minute": 100})
    yield RateLimit("gpt-image-2.5-flare", 500, NO_LIMIT, {"max_images_per_1_minute": 50})
    unusual = {"max_requests_per_1_day": 10_000, "max_tokens_per_1_day": 9_000_000}
    yield RateLimit("gpt-4o-mini-2024-07-18", 500, 200_000, unusual)
