"""Several organizations in one file: each with its own key, host, rate and settings, and none in another's way."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from exporter.simulator import Simulator, keys, serve
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, RunningExporter, run, running_exporter, simulated

_CONFIG = """
api: {timeout: 20s}
names: {projects: false}
limits: {organization: false}
resources:
  completions: {group_by: [project_id, model]}
  images: {enabled: false}
organizations:
  - name: alpha
    admin_key_file: '@FOLDER/alpha.key'
    project_ids: ['@PROJECT']
  - name: beta
    admin_key_env: BETA_KEY
    base_url: '@BETA'
    requests_per_minute: 120
    resources:
      completions: {group_by: [model], bucket_width: 1h, windows: [12h]}
      costs: {enabled: false}
  - name: gamma
    admin_key_env: GAMMA_KEY
    base_url: '@GAMMA'
"""


@asynccontextmanager
async def three(
    folder: Path, faults: Mapping[str, Any] | None = None, gamma_key: str = keys.FULL
) -> AsyncIterator[tuple[RunningExporter, Simulator, Simulator]]:
    """Run an exporter of three organizations; gives it, and the simulators of the second and the third.

    `faults` are the third's, from the beginning.
    """
    clock = ManualClock(NOW)
    alpha, beta, gamma = (simulated(clock) for _ in range(3))
    if faults:
        gamma.faults.add(**faults)
    (folder / "alpha.key").write_text(f"{keys.FULL}\n")
    async with AsyncExitStack() as stack:
        replacements = {
            "@FOLDER": str(folder),
            "@PROJECT": alpha.scenario.project(0).id,
            "@BETA": await stack.enter_async_context(serve(beta)),
            "@GAMMA": await stack.enter_async_context(serve(gamma)),
        }
        config = _CONFIG
        for placeholder, value in replacements.items():
            config = config.replace(placeholder, value)
        environ = {"BETA_KEY": keys.OTHER_ORGANIZATION, "GAMMA_KEY": gamma_key}
        on = await stack.enter_async_context(
            running_exporter(alpha, clock, environ=environ, config=config, folder=folder, wait_until_ready=False)
        )
        await on.advance(10)
        yield on, beta, gamma


def gaps(simulator: Simulator, path: str) -> list[float]:
    """Return the seconds between the requests for an endpoint."""
    times = [request.time for request in simulator.requests if request.path.endswith(path)]
    return [round(after - before, 3) for before, after in pairwise(times)]


def test_each_has_its_key_its_host_and_its_settings(tmp_path: Path) -> None:
    """A key from a file and one from the environment, a base URL, a project filter, other resources and widths."""

    async def scenario() -> None:
        async with three(tmp_path) as (on, beta, gamma):
            scraped = await on.scrape()
            project = on.simulator.scenario.project(0).id
            grouped = {
                name: {
                    label
                    for labels in scraped.series("openai_completions_requests", organization=name)
                    for label, _ in labels
                }
                for name in ("alpha", "beta", "gamma")
            }
            projects = {
                name: {dict(labels)["project_id"] for labels in scraped.series("openai_cost_usd", organization=name)}
                for name in ("alpha", "gamma")
            }

            assert {"alpha": 1.0, "beta": 1.0, "gamma": 1.0} == scraped.by("organization", "openai_exporter_up")
            assert {"full"} == {request.key for request in on.simulator.requests}
            assert {"other_organization"} == {request.key for request in beta.requests}
            assert {(project,)} == {
                tuple(parse_qs(request.query)["project_ids[]"]) for request in on.simulator.requests
            }
            assert {"alpha": {project}, "gamma": {project, on.simulator.scenario.project(1).id}} == projects
            assert {"alpha": {"project_id", "model"}, "beta": {"model"}, "gamma": {"project_id", "model"}} == grouped
            assert not scraped.series("openai_cost_usd", organization="beta")
            assert {"12h"} == {
                dict(labels)["window"]
                for labels in scraped.series("openai_window_completions_requests", organization="beta")
            }
            assert {"1h"} == {
                parse_qs(request.query)["bucket_width"][0] for request in beta.requests if "completions" in request.path
            }
            assert not [
                request for each in (on.simulator, beta, gamma) for request in each.requests if "images" in request.path
            ]
            assert {"alpha": 60.0, "beta": 120.0, "gamma": 60.0} == scraped.by(
                "organization", "openai_exporter_throttle_requests_per_minute"
            )

    run(scenario())


@pytest.mark.parametrize(
    ("faults", "key"),
    [
        (None, "sk-admin-simulated-nobody"),
        ({"kind": "rate_limited", "retry_after": 900}, keys.FULL),
        ({"kind": "server_error"}, keys.FULL),
        ({"kind": "never"}, keys.FULL),
        ({"kind": "slow", "piece": 16, "pause": 0.05}, keys.FULL),
        ({"kind": "reset"}, keys.FULL),
    ],
    ids=["401", "429", "500", "never", "slow", "reset"],
)
def test_a_failing_one_delays_no_other(tmp_path: Path, faults: Mapping[str, Any] | None, key: str) -> None:
    """Whatever the third's host does, the others are asked on time and their values are on /metrics."""

    async def scenario() -> None:
        async with three(tmp_path, faults, key) as (on, beta, _):
            on.simulator.scenario.add_usage("completions", {"num_model_requests": 10**6}, {"project_id": 0})
            await on.advance(240)
            scraped = await on.scrape()

            assert [60.0] * 4 == gaps(on.simulator, "usage/completions")
            assert [60.0] * 4 == gaps(beta, "usage/completions")
            assert {"alpha": 1.0, "beta": 1.0, "gamma": 0.0} == scraped.by("organization", "openai_exporter_up")
            assert 10**6 <= scraped.sum("openai_completions_requests", organization="alpha")
            assert 10**6 <= scraped.sum("openai_accrued_completions_requests_total", organization="alpha")

    run(scenario())


def test_readiness_waits_for_every_organization(tmp_path: Path) -> None:
    """One that does not answer at all is not decided yet: an operator sees it before traffic does."""

    async def scenario() -> None:
        async with three(tmp_path, {"kind": "never"}) as (on, _, gamma):
            unready = await on.status("/-/ready")
            gamma.faults.clear()
            gamma.release()
            await on.advance(10)

            assert (503, 200) == (unready, await on.status("/-/ready"))

    run(scenario())


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A rotated secret is used without a restart; a missing file keeps the last key, and a metric shows it."""

    async def scenario() -> None:
        async with three(tmp_path) as (on, _, _):
            file = tmp_path / "alpha.key"
            file.unlink()
            await on.advance(61)
            absent = await on.scrape()
            file.write_text(keys.USAGE_ONLY)
            served = len(on.simulator.requests)
            await on.advance(601)
            used = {request.key for request in list(on.simulator.requests)[served:]}

            successful = "openai_exporter_config_last_reload_successful"
            assert {"alpha": 1.0, "beta": 1.0, "gamma": 1.0} == absent.by("organization", "openai_exporter_up")
            assert (0.0, 1.0) == (absent.value(successful), (await on.scrape()).value(successful))
            assert {"usage_only"} == used
            assert 1.0 == (await on.scrape()).value("openai_exporter_up", organization="alpha")

    run(scenario())
