"""The sources of settings and their precedence."""

from pathlib import Path
from typing import Any

import certifi
import pytest

from exporter.settings import (
    Address,
    BackfillSettings,
    OrganizationSettings,
    PointInTime,
    Problem,
    Settings,
    SettingsError,
    SimulateSettings,
    load,
)
from exporter.settings.model import COMMANDS
from exporter.settings.options import Option, Shape, options

_KEY = {"OPENAI_ADMIN_KEY": "sk-admin-example"}


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return str(path)


def _organization(*words: str, **environ: str) -> OrganizationSettings:
    (organization,) = load("run", words, _KEY | environ).organizations
    return organization


def test_defaults_are_those_of_the_documentation() -> None:
    """With a key alone everything has its default."""
    settings = load("run", [], _KEY | {"STATE_DIRECTORY": "/var/lib/x"})

    assert type(settings) is Settings
    assert ((Address("", 10180),), None) == (settings.web.listen_address, settings.web.config.file)
    assert (60, 300, 900, 3600) == (
        settings.poll.interval,
        settings.poll.cost_interval,
        settings.poll.directory_interval,
        settings.poll.limits_interval,
    )
    assert (30, 33554432, None, None) == (
        settings.api.timeout,
        settings.api.max_body,
        settings.api.proxy,
        settings.api.ca_file,
    )
    assert (150, "info", None) == (settings.new_counter_hold, settings.log.level, settings.log.format)
    (organization,) = settings.organizations
    assert ("default", "https://api.openai.com/v1", 60, None, ()) == (
        organization.name,
        organization.base_url,
        organization.requests_per_minute,
        organization.organization_id,
        organization.project_ids,
    )
    assert {"projects", "spend_limit", "spend_alerts"} == organization.metadata
    assert (None, {}) == (organization.budgets.monthly_usd, organization.budgets.projects)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each source sets what the sources before it do not, member by member."""
    file = _file(tmp_path, "poll: {interval: 1s, cost_interval: 1s, directory_interval: 1s}\nmax_series: 7\n")
    environ = _KEY | {
        "OPENAI_EXPORTER_CONFIG__FILE": file,
        "OPENAI_EXPORTER_POLL__INTERVAL": "2s",
        "OPENAI_EXPORTER_POLL__COST_INTERVAL": "2s",
    }

    settings = load("run", ["--poll.interval", "3s"], environ)

    assert (3, 2, 1, 3600) == (
        settings.poll.interval,
        settings.poll.cost_interval,
        settings.poll.directory_interval,
        settings.poll.limits_interval,
    )
    assert {7} == {plan.max_series for plan in settings.organizations[0].plans}


def test_the_flag_for_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    """The path of the file is a setting like others, and the last flag counts."""
    file = _file(tmp_path, "new_counter_hold: 0\n")
    environ = _KEY | {"OPENAI_EXPORTER_CONFIG__FILE": "no/such.yaml"}

    assert 0 == load("run", ["--config.file=neither", "--config.file", file], environ).new_counter_hold


@pytest.mark.parametrize("text", ["", "# nothing\n", "web:\nresources:\n  costs:\n"])
def test_empty_files_and_sections_change_nothing(tmp_path: Path, text: str) -> None:
    """A file whose members are all commented out sets nothing."""
    assert load("metrics", [], {}) == load("metrics", ["--config.file", _file(tmp_path, text)], {})


def test_empty_variables_count_as_not_set() -> None:
    """Compose files and charts pass unset values as empty text."""
    settings = load("run", [], _KEY | {"OPENAI_EXPORTER_WEB__LISTEN_ADDRESS": "", "OPENAI_PROJECT_ID": " "})

    assert 10180 == settings.web.listen_address[0].port
    assert () == settings.organizations[0].project_ids


def test_lists_are_json_in_the_environment_and_repeated_flags(tmp_path: Path) -> None:
    """All three forms are equivalent, also for values with commas and capitals."""
    expected = (("line_items", "GPT-6, input"), ("line_items", "o9, output"))
    file = _file(tmp_path, "resources: {costs: {line_items: ['GPT-6, input', 'o9, output']}}")
    variable = {"OPENAI_EXPORTER_RESOURCES__COSTS__LINE_ITEMS": '["o9, output", "GPT-6, input"]'}
    flag = "--resources.costs.line-items"

    assert expected == _organization("--config.file", file).plans[0].filters
    assert expected == _organization(**variable).plans[0].filters
    assert expected == _organization(flag, "GPT-6, input", f"{flag}=o9, output").plans[0].filters


def test_an_empty_flag_is_an_empty_list() -> None:
    """It turns grouping and windows off."""
    plan = _organization("--resources.costs.group-by=", "--resources.costs.windows=").plans[0]

    assert ((), ()) == (plan.group_by, plan.windows)


def test_mappings_are_json_in_the_environment_and_pairs_on_the_command_line() -> None:
    """Project IDs keep their case."""
    assert {"proj_A": 5.0} == _organization(OPENAI_EXPORTER_BUDGETS__PROJECTS='{"proj_A": 5}').budgets.projects
    assert {"proj_A": 5.0, "b": 0.5} == _organization(
        "--budgets.projects", "proj_A=5", "--budgets.projects=b=0.5", "--budgets.monthly-usd", "9"
    ).budgets.projects


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--limits.projects"], (True, False)),
        (["--limits.projects", "--limits.rate-limits"], (True, True)),
        (["--limits.projects=false"], (False, False)),
        (["--limits.projects", "false", "--limits.rate-limits", "true"], (False, True)),
    ],
)
def test_a_flag_for_true_may_stand_alone(words: list[str], expected: tuple[bool, bool]) -> None:
    """With or without a value, before another flag or at the end of the command line."""
    metadata = _organization(*words).metadata

    assert expected == ("project_spend_limit" in metadata, "rate_limits" in metadata)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"STATE_DIRECTORY": "/srv/a:/srv/b"}, "/srv/a/openai-usage-exporter/state.db"),
        ({"STATE_DIRECTORY": "/var/lib/openai-usage-exporter"}, "/var/lib/openai-usage-exporter/state.db"),
        ({"XDG_STATE_HOME": "/home/me/state"}, "/home/me/state/openai-usage-exporter/state.db"),
        ({"OPENAI_EXPORTER_STATE__PATH": "/x/y.db", "STATE_DIRECTORY": "/srv"}, "/x/y.db"),
        ({}, str(Path("~/.local/state/openai-usage-exporter/state.db").expanduser())),
    ],
)
def test_the_default_state_path(environ: dict[str, str], path: str) -> None:
    """The setting, otherwise systemd's state directory, otherwise the user's."""
    assert Path(path) == load("run", [], _KEY | environ).state_path


def test_flags_of_backfill() -> None:
    """Range, output, step and the labels of the scrape job."""
    words = [
        "--since",
        "90d",
        "--until=2026-01-31",
        "--output",
        "history",
        "--step=4m",
        "--label",
        "job=openai",
        "--label",
        "instance=a:1",
    ]

    settings = load("backfill", words, _KEY)

    assert isinstance(settings, BackfillSettings)
    assert PointInTime(ago=90 * 86400) == settings.since
    assert PointInTime(time=1769817600) == settings.until
    assert Path("history") == settings.output
    assert 240 == settings.step
    assert {"job": "openai", "instance": "a:1"} == settings.labels


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --output or --remote-write"),
        (["--output=a", "--remote-write=http://b/write"], "give either --output or --remote-write"),
        (["--remote-write=http://b:9090"], "has no path"),
        (["--remote-write=http://u:p@b/write"], "has a user name or password"),
        (["--remote-write=http://b/w", "--remote-write-username=u"], "--remote-write-password-file together"),
        (
            [
                "--remote-write=http://b/w",
                "--remote-write-username=u",
                "--remote-write-password-file=p",
                "--remote-write-bearer-token-file=t",
            ],
            "not both",
        ),
        (["--remote-write=http://b/w", "--remote-write-key-file=k"], "needs --remote-write-cert-file"),
    ],
)
def test_contradictory_flags_of_backfill(words: list[str], message: str) -> None:
    """Exactly one destination, and credentials that go together, are accepted."""
    with pytest.raises(SettingsError, match=message):
        load("backfill", ["--since=1d", *words], _KEY)


@pytest.mark.parametrize(("command", "port"), [("simulate", 10181), ("demo", 10180)])
def test_simulations_listen_on_loopback_and_need_no_key(command: str, port: int, tmp_path: Path) -> None:
    """Setting another member of the section keeps the loopback default."""
    file = _file(tmp_path, "web: {config: {file: web.yaml}}")

    settings = load(command, ["--seed", "3", "--config.file", file], _KEY)

    assert isinstance(settings, SimulateSettings)
    assert ((Address("127.0.0.1", port),), 3) == (settings.web.listen_address, settings.seed)
    assert settings.organizations[0].key is None


def test_a_loopback_default_can_be_overridden() -> None:
    """In a container the demo listens on the configured address."""
    assert (Address("", 1),) == load("demo", ["--web.listen-address", ":1"], {}).web.listen_address


def test_an_unknown_command_is_a_programming_error() -> None:
    """The command line is parsed before settings are loaded."""
    with pytest.raises(KeyError):
        load("serve", [], _KEY)


_EXAMPLES: dict[str, Any] = {
    "web.listen_address": ":1",
    "web.telemetry_path": "/usage",
    "api.base_url": "https://a/v1",
    "api.proxy": "http://proxy:1",
    "api.max_body": "1MiB",
    "windows.usage_measures": "all",
    "log.level": "debug",
    "log.format": "json",
    "since": "1d",
}


def _example(option: Option) -> str:
    if option.dotted in _EXAMPLES:
        return str(_EXAMPLES[option.dotted])
    return {Shape.BOOL: "true", Shape.MAP: "a=1"}.get(option.shape, "7d" if "windows" in option.path else "2")


def _problems(command: str, words: list[str], environ: dict[str, str]) -> tuple[Problem, ...]:
    try:
        load(command, words, environ)
    except SettingsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_has_a_flag_and_a_variable(command: str) -> None:
    """No listed setting is refused as unknown, by flag or by variable."""
    required = {"backfill": ["--since", "1d", "--output", "-"]}.get(command, [])
    tested = set() if command == "run" else {*options(COMMANDS["run"])}
    for option in {*options(COMMANDS[command])} - tested:
        if option.source == "file" or option.dotted in {"config.file", "api.ca_file"}:
            continue
        example = _example(option)
        written = [example] if option.shape is Shape.LIST else example
        values = [([*required, option.flag, example], _KEY)]
        if option.source is None:
            spelled = str(written).replace("'", '"') if option.shape is not Shape.MAP else '{"a": 1}'
            values.append((required, _KEY | {option.variable: spelled}))
        for words, environ in values:
            assert not [problem for problem in _problems(command, words, environ) if "unknown" in problem.what]


def test_certificate_authorities_are_checked_at_startup(tmp_path: Path) -> None:
    """A valid file is accepted, and passed on as a path."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certifi.where()).read_bytes())

    assert path == load("run", ["--api.ca-file", str(path)], _KEY).api.ca_file


def test_credentials_of_the_proxy_come_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """They are added to the URL for the HTTP client, and shown nowhere."""
    path = tmp_path / "auth"
    path.write_text("user:p@ss/word\n")
    flags = ["--api.proxy", "http://proxy.example:3128"]

    from_file = load("run", [*flags, "--api.proxy-auth-file", str(path)], _KEY)
    from_variable = load("run", flags, _KEY | {"OPENAI_EXPORTER_PROXY_AUTH": "user:p@ss/word"})

    assert from_file.proxy
    assert from_file.proxy == from_variable.proxy
    assert "http://user:p%40ss%2Fword@proxy.example:3128" == from_file.proxy.url_with_credentials
    assert "p@ss" not in f"{from_file}{from_variable!r}"
    without = load("run", flags, _KEY).proxy
    assert without
    assert "http://proxy.example:3128" == without.url_with_credentials


@pytest.mark.parametrize(
    ("text", "expected"), [("model,batch", ("model", "batch")), ("batch", ("batch",)), ('["model"]', ("model",))]
)
def test_lists_may_be_separated_by_commas(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    """In the environment, in a file and on the command line."""
    variable = {"OPENAI_EXPORTER_RESOURCES__COMPLETIONS__GROUP_BY": text}
    file = _file(tmp_path, f"resources: {{completions: {{group_by: '{text}'}}}}")
    sources = [_organization(**variable), _organization("--config.file", file)]
    if not text.startswith("["):
        sources.append(_organization(f"--resources.completions.group-by={text}"))

    for organization in sources:
        assert expected == next(plan.group_by for plan in organization.plans if plan.resource.name == "completions")


def test_a_comma_followed_by_a_space_belongs_to_the_value() -> None:
    """Line items have such names."""
    (organization,) = load("run", ["--resources.costs.line-items=GPT-6, input,o9, output"], _KEY).organizations

    assert (("line_items", "GPT-6, input"), ("line_items", "o9, output")) == organization.plans[0].filters
