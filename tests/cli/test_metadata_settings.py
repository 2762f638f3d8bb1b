"""Names, limits and ordinary keys from the settings to the scrape, with the real clock."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from exporter.cli.service import Service
from exporter.settings import load
from exporter.simulator import Policy, keys, serving
from exporter.simulator.app import Simulator
from exporter.store import Store

_FLAGS = (
    "--web.listen-address=127.0.0.1:0",
    "--api.requests-per-minute=100000",
    "--poll.directory-interval=1s",
    "--poll.limits-interval=1s",
)


def _scraped(
    store: Store, until: Callable[[list[str]], bool], *flags: str, url: str = "", **environment: str
) -> list[str]:
    """Return the lines of the first scrape that satisfies a condition."""
    settings = load("run", [*_FLAGS, f"--api.base-url={url}", *flags], environment)

    async def live() -> list[str]:
        async with (
            asyncio.timeout(30),
            Service(settings, store).serving() as server,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            while True:
                lines = (await http.get(f"http://127.0.0.1:{server.port}/metrics")).text.splitlines()
                if until(lines):
                    return lines
                await asyncio.sleep(0.1)

    return asyncio.run(live())


def _has(*beginnings: str) -> Callable[[list[str]], bool]:
    return lambda lines: all(any(line.startswith(beginning) for line in lines) for beginning in beginnings)


def test_settings_decide_what_is_named_and_limited(tmp_path: Path) -> None:
    """Everything enabled is exported, with the exporter's metrics about it; names survive a restart."""
    store = Store(tmp_path / "state.db")
    sought = _has(
        'openai_user_info{organization="default",role="owner"',
        "openai_admin_api_key_info{",
        "openai_project_spend_limit_usd{",
        "openai_project_rate_limit_tokens_per_minute{",
        "openai_organization_spend_limit_enforcing{",
        'openai_exporter_resource_up{organization="default",resource="api_keys"} 1.0',
    )
    named = _has('openai_api_key_info{api_key_id="key_')
    with serving(Simulator(7)) as url:
        lines = _scraped(
            store,
            lambda lines: sought(lines) and named(lines) and any('api_key_name="web"' in line for line in lines),
            "--resources.completions.group-by=project_id",
            "--resources.completions.group-by=api_key_id",
            "--names.admin-api-keys=true",
            "--names.users=true",
            "--limits.projects=true",
            "--limits.rate-limits=true",
            "--budgets.monthly-usd=1500",
            "--budgets.projects=proj_x=20",
            url=url,
            OPENAI_ADMIN_KEY=keys.FULL,
        )

        assert 'openai_organization_budget_usd{organization="default"} 1500.0' in lines
        assert 'openai_project_budget_usd{organization="default",project_id="proj_x"} 20.0' in lines
        assert 1 == sum(line.startswith("openai_project_info{") and '"proj_x"' in line for line in lines)
        lines = _scraped(
            store,
            _has('openai_exporter_api_errors_total{organization="default",reason="auth",resource="projects"} 1.0'),
            url=url,
            OPENAI_ADMIN_KEY=keys.USAGE_ONLY,
        )

        assert any('project_name="checkout-assistant"' in line for line in lines)
    store.close()


@pytest.mark.parametrize("scoped", [False, True])
def test_an_ordinary_key_gets_what_the_legacy_endpoints_give(tmp_path: Path, scoped: bool) -> None:  # noqa: FBT001
    """Costs, usage and credit of the whole organization, and none of them with a project filter."""
    store = Store(tmp_path / "state.db")
    up = 'openai_exporter_resource_up{organization="default",resource="costs"}'
    degraded = 'openai_exporter_resource_degraded{organization="default",reason="legacy",resource="costs"} 1.0'
    refused = 'openai_exporter_api_errors_total{organization="default",reason="auth",resource="costs"} 1.0'
    sought = (refused,) if scoped else (f"{up} 1.0", degraded, "openai_credit_available_usd{", "openai_cost_usd{")
    with serving(Simulator(7, policy=Policy(legacy="answer"))) as url:
        environment = {"OPENAI_PROJECT_ID": "proj_a"} if scoped else {}
        lines = _scraped(store, _has(*sought), url=url, OPENAI_API_KEY=keys.ORDINARY, **environment)

        assert scoped is not any("credit" in line or line == degraded for line in lines)
        assert scoped is (f"{up} 0.0" in lines)
    store.close()
