"""What a believable organization looks like on the status page."""

import math
from collections.abc import Sequence

from exporter.catalog import CATALOG, DAY, day_of
from exporter.exposition import (
    Bounds,
    DegradedReason,
    EstimateReport,
    ModelUse,
    OrganizationReport,
    ProjectSpend,
    ResourceReport,
    Spend,
)
from tests.support.site import NOON

HOSTILE = '</style><script>alert("x")</script><img src=x onerror=alert(1)>\u202e\x00&'
"""A name that must stay text."""


def resource(name: str = "completions", **changes: object) -> ResourceReport:
    """Return a resource that is doing well, or differs in what is given."""
    fine: dict[str, object] = {
        "first_poll_done": True,
        "up": True,
        "series": 42,
        "interval": 60.0,
        "last_success": NOON - 22,
        "last_change": NOON - 260,
    }
    return ResourceReport(name, **(fine | changes))  # type: ignore[arg-type]


def spend(days: int = 62, scale: float = 1.0) -> Spend:
    """Return costs with a rhythm of weeks, a growth and an unfinished today."""
    today = day_of(NOON)
    daily = tuple(
        (
            today - (days - 1 - age) * DAY,
            scale
            * (90 + age * 1.1)
            * (0.55 if ((today // DAY + age) % 7) in (2, 3) else 1)
            * (1 + 0.2 * math.sin(age)),
        )
        for age in range(days)
    )
    amounts = [amount for _, amount in daily]
    return Spend(
        today=amounts[-1] * 0.4,
        yesterday=amounts[-2],
        week=sum(amounts[-7:]),
        month=sum(amounts[-20:]),
        previous_month=sum(amounts[-51:-20]),
        projected_month=sum(amounts[-20:]) * 1.5,
        change=sum(amounts[-8:-1]) - sum(amounts[-15:-8]),
        change_ratio=sum(amounts[-8:-1]) / sum(amounts[-15:-8]) - 1,
        daily=(*daily[:-1], (today, amounts[-1] * 0.4)),
        line_items=tuple(
            (item, scale * amount)
            for item, amount in (
                ("gpt-5.1, input", 312.4),
                ("gpt-5.1, output", 268.11),
                ("gpt-5.1, cached input", 91.72),
                ("gpt-5-mini, output", 44.5),
                ("gpt-image-1, image output", 31.09),
                ("web search tool calls", 12.4),
                ("text-embedding-3-large", 3.371),
                ("gpt-4o-transcribe, audio input", 1.2),
                ("file search", 0.0042),
                ("code interpreter sessions", 0.0),
            )
        ),
        projects=projects((*daily[:-1], (today, amounts[-1] * 0.4))),
        bounds=Bounds(
            budget=4000.0 * scale,
            budget_runway_days=9.4,
            limit=2500.0 * scale,
            limit_enforced=True,
            alert_thresholds=(1250.0 * scale, 2000.0 * scale),
        ),
    )


def projects(daily: Sequence[tuple[int, float]]) -> tuple[ProjectSpend, ...]:
    """Return fourteen projects that share the daily costs; two have one name, one has none."""
    names = (
        *("checkout-assistant", "Support", "Support", "search ranking", "Evaluation", "internal-tools", "Sandbox"),
        *("Marketing copy", "translations", "voice", "reports", "", "archive", "batch"),
    )
    shares = [0.6**index for index in range(len(names))]
    found = []
    for index, name in enumerate(names):
        amounts = [amount * shares[index] / sum(shares) for _, amount in daily]
        month = sum(amounts[-20:])
        bounds = {0: Bounds(budget=month * 0.95, limit=month * 1.1), 1: Bounds(budget=month * 2)}
        found.append(
            ProjectSpend(
                id=f"proj_{index:02}xK3bTq9wLz",
                name=name,
                status="archived" if name == "archive" else "active",
                today=amounts[-1],
                yesterday=amounts[-2],
                week=sum(amounts[-7:]),
                month=month,
                previous_month=sum(amounts[-51:-20]),
                projected_month=month * 1.5,
                change=sum(amounts[-8:-1]) - sum(amounts[-15:-8]),
                change_ratio=sum(amounts[-8:-1]) / sum(amounts[-15:-8]) - 1 if index % 5 else None,
                estimated_today=amounts[-1] * 2.3 if index % 3 == 0 else None,
                bounds=bounds.get(index, Bounds()),
                daily=tuple(amounts),
            )
        )
    return tuple(found)


def organization(name: str = "acme", scale: float = 1.0, **changes: object) -> OrganizationReport:
    """Return an organization that is doing well, or differs in what is given."""
    fine: dict[str, object] = {
        "resources": tuple(resource(row.name) for row in CATALOG),
        "spend": spend(scale=scale),
        "estimate": EstimateReport(
            today=141.5 * scale, coverage_ratio=0.98, prepaid_balance=1250.0 * scale, prepaid_runway_days=8.6
        ),
        "models": (
            ModelUse("gpt-5.1-2025-11-13", 412_345_678 * scale, 182_345),
            ModelUse("gpt-5-mini-2025-08-07", 98_345_678 * scale, 282_345),
            ModelUse("text-embedding-3-large", 41_000_000 * scale, 9_120),
            ModelUse("gpt-image-1", 1_200_000 * scale, 811),
            ModelUse("gpt-4o-transcribe", 0, 97),
        ),
        "requests_per_minute": 60.0,
    }
    return OrganizationReport(name, **(fine | changes))  # type: ignore[arg-type]


def troubled(name: str = "acme") -> OrganizationReport:
    """Return an organization with a broken, a late, a degraded, an unsupported and a new resource."""
    changes: dict[str, dict[str, object]] = {
        "costs": {
            "up": False,
            "last_success": NOON - 8000,
            "error": "403: the key lacks the scope api.usage.read.",
            "advice": "Make an admin key with that scope and put it where OPENAI_ADMIN_KEY_FILE points.",
        },
        "embeddings": {"last_success": NOON - 1500},
        "images": {"degraded": (DegradedReason.GAP,)},
        "decisions": {
            "up": False,
            "degraded": (DegradedReason.UNSUPPORTED,),
            "last_success": None,
            "last_change": None,
        },
        "moderations": {"first_poll_done": False, "up": False, "last_success": None, "last_change": None},
    }
    return organization(
        name,
        resources=tuple(resource(row.name, **changes.get(row.name, {})) for row in CATALOG),
        requests_per_minute=30.0,
        paused_until=NOON + 95,
    )
