"""One organization from the environment, or several from the file."""

import os
import traceback
from pathlib import Path

import pytest

from exporter.settings import GivenKey, KeyFile, KeyUnavailableError, Settings, load

_KEY = {"OPENAI_ADMIN_KEY": "sk-admin-example"}


def _several(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return load("run", ["--config.file", str(path)], environ)


def test_the_environment_scopes_the_sole_organization() -> None:
    """Project, organization header and keys come under OpenAI's own names."""
    (organization,) = load(
        "run",
        [],
        {**_KEY, "OPENAI_API_KEY": "sk-b", "OPENAI_PROJECT_ID": "proj_a", "OPENAI_ORG_ID": " org-a "},
    ).organizations

    assert (("proj_a",), "org-a") == (organization.project_ids, organization.organization_id)
    assert ["sk-admin-example", "sk-b"] == [
        key.read() for key in (organization.admin_key, organization.api_key) if key is not None
    ]
    assert organization.key is organization.admin_key
    assert organization.project_scoped
    assert organization.costs_narrowed
    assert {(("project_ids", "proj_a"),)} == {plan.filters for plan in organization.plans}


def test_an_ordinary_key_is_enough_to_start() -> None:
    """What it can read is found out later."""
    (organization,) = load("run", [], {"OPENAI_API_KEY": "sk-b"}).organizations

    assert organization.admin_key is None
    assert organization.key is organization.api_key
    assert not organization.project_scoped


def test_several_organizations_have_their_own(tmp_path: Path) -> None:
    """Keys, URLs, filters, budgets, rates and overrides; what they leave unset is shared."""
    (tmp_path / "key").write_text("sk-admin-a\n")
    settings = _several(
        tmp_path,
        f"""
api: {{requests_per_minute: 30}}
resources:
  completions: {{interval: 10m, group_by: [model]}}
organizations:
  - name: a
    admin_key_file: {tmp_path}/key
    budgets: {{monthly_usd: 100, projects: {{proj_x: 5.5}}}}
    resources:
      completions: {{group_by: [model, api_key_id]}}
      embeddings: {{enabled: false}}
  - name: b
    admin_key_env: B_KEY
    project_ids: [proj_b, proj_a]
    organization_id: org-b
    base_url: http://127.0.0.1:1/v1/
    requests_per_minute: 10
""",
        B_KEY="sk-admin-b",
        OPENAI_API_KEY="sk-of-somebody-else",
    )
    a, b = settings.organizations
    plan_a, plan_b = (next(plan for plan in o.plans if plan.resource.name == "completions") for o in (a, b))

    assert ["sk-admin-a", "sk-admin-b"] == [o.key.read() for o in (a, b) if o.key]
    assert (None, None) == (a.api_key, b.api_key)
    assert (100, {"proj_x": 5.5}, None, {}) == (
        a.budgets.monthly_usd,
        a.budgets.projects,
        b.budgets.monthly_usd,
        b.budgets.projects,
    )
    assert ("https://api.openai.com/v1", "http://127.0.0.1:1/v1") == (a.base_url, b.base_url)
    assert (30, 10) == (a.requests_per_minute, b.requests_per_minute)
    assert (None, "org-b") == (a.organization_id, b.organization_id)
    assert (("api_key_id", "model"), ("model",)) == (plan_a.group_by, plan_b.group_by)
    assert (600, 600) == (plan_a.interval, plan_b.interval)
    assert ((), (("project_ids", "proj_a"), ("project_ids", "proj_b"))) == (plan_a.filters, plan_b.filters)
    assert (11, 12) == (len(a.plans), len(b.plans))
    assert (True, False) == ("api_keys" in a.metadata, "api_keys" in b.metadata)


def test_commands_without_keys_take_the_same_file(tmp_path: Path) -> None:
    """The metric reference can be printed on a machine without the keys."""
    path = tmp_path / "settings.yaml"
    path.write_text("organizations: [{name: a, admin_key_file: no/such}, {name: b}]")

    settings = load("metrics", ["--config.file", str(path)], _KEY)

    assert [("a", None), ("b", None)] == [(o.name, o.key) for o in settings.organizations]


_ORGANIZATION_LIMITS = {"spend_limit", "spend_alerts"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"projects"}),
        (["--resources.costs.group-by", "api_key_id"], {"projects", "api_keys"}),
        (["--resources.images.group-by", "user_id"], {"projects", "users"}),
        (["--resources.costs.group-by", "api_key_id", "--names.api-keys=false"], {"projects"}),
        (["--names.projects=false", "--names.groups"], {"groups", "group_members"}),
        (["--names.service-accounts", "--names.certificates"], {"projects", "service_accounts", "certificates"}),
    ],
)
def test_names_follow_the_groupings_unless_switched(words: list[str], expected: set[str]) -> None:
    """Keys and users are looked up when their ids are shown; everything else when it is switched on."""
    organization = load("run", words, _KEY).organizations[0]

    assert expected | _ORGANIZATION_LIMITS == organization.metadata
    assert not organization.personal_data


def test_limits_of_the_organization_are_not_compared_with_the_costs_of_a_project() -> None:
    """A project filter leaves the limits of projects."""
    environ = {**_KEY, "OPENAI_PROJECT_ID": "proj_a"}

    assert {"projects", "rate_limits"} == load("run", ["--limits.rate-limits"], environ).organizations[0].metadata


def test_a_project_filter_of_usage_alone_does_not_narrow_the_costs() -> None:
    """The organization's spend limit can still be compared with its costs."""
    words = ["--resources.images.project-ids", "proj_a"]
    (organization,) = load("run", words, _KEY).organizations

    assert (True, False) == (organization.project_scoped, organization.costs_narrowed)


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Edited in place, or replaced by moving a symbolic link as Kubernetes does."""
    path = tmp_path / "key"
    path.write_text(" sk-one \n")
    (organization,) = load("run", [], {"OPENAI_ADMIN_KEY_FILE": str(path)}).organizations
    key = organization.admin_key

    assert isinstance(key, KeyFile)
    assert "sk-one" == key.read()
    path.write_text("\ufeffsk-second\n", encoding="utf-8")
    assert "sk-second" == key.read()
    (tmp_path / "other").write_text("sk-third!\n")
    path.unlink()
    path.symlink_to(tmp_path / "other")
    assert "sk-third!" == key.read()


def test_a_key_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """A stat is enough: the same size, time and inode are the same key."""
    path = tmp_path / "key"
    path.write_text("sk-one")
    key = KeyFile(path)
    key.read()
    status = path.stat()

    path.write_text("sk-two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert "sk-one" == key.read()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory): create it and make it readable for this user"),
        (b"", "is empty: put the key there"),
        (b" \n", "is empty: put the key there"),
        (b"sk-hidden\nsk-hidden", "does not contain a key alone: a key is one word of plain ASCII"),
        (b"sk-hidden" * 1000, "does not contain a key alone: a key is one word of plain ASCII"),
        (b"sk-hidden\xff", "is not a text file: it must contain the secret alone, as text"),
        ("sk-hidden-ü".encode(), "does not contain a key alone: a key is one word of plain ASCII"),
    ],
)
def test_an_unusable_key_file_is_a_temporary_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    """The message names the file and the problem, never the content; a later read finds the key again."""
    path = tmp_path / "key"
    path.write_text("sk-good")
    key = KeyFile(path)
    key.read()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    with pytest.raises(KeyUnavailableError) as caught:
        key.read()

    assert str(caught.value).endswith(words)
    assert str(path) in str(caught.value)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
    path.write_text("sk-good-again")
    assert "sk-good-again" == key.read()


def test_a_key_file_that_becomes_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening a pipe would wait for its writer, and the exporter with it."""
    path = tmp_path / "key"
    os.mkfifo(path)

    with pytest.raises(KeyUnavailableError, match="it is not a regular file"):
        KeyFile(path).read()


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    """Neither the key's own text form nor that of the settings contains it."""
    path = tmp_path / "key"
    path.write_text("sk-never-to-be-shown")
    file = KeyFile(path)
    file.read()
    given = GivenKey("sk-never-to-be-shown", "OPENAI_ADMIN_KEY")
    settings = load("run", [], {"OPENAI_ADMIN_KEY": "sk-never-to-be-shown", "OPENAI_API_KEY": "sk-never-to-be-shown"})

    assert "never-to-be-shown" not in f"{file} {file!r} {given} {given!r} {settings} {settings!r}"
    assert ("OPENAI_ADMIN_KEY", str(path)) == (given.origin, file.origin)


def test_prepaid_credit_is_a_list_of_top_ups(tmp_path: Path) -> None:
    """One entry or several, each with a UTC date or a time; with several organizations each has its own."""
    one = _several(tmp_path, "prepaid: {balance_usd: 100, as_of: 2026-11-01}", **_KEY)
    several = _several(
        tmp_path,
        """
organizations:
  - name: a
    admin_key_env: KEY_A
    prepaid:
      - {balance_usd: 412.5, as_of: 2026-11-01T09:30:00Z}
      - {balance_usd: 500, as_of: "2026-11-20T01:00:00+01:00"}
""",
        KEY_A="sk-admin-a",
    )

    assert [(100, 1_793_491_200)] == [(each.balance_usd, each.as_of) for each in one.organizations[0].prepaid]
    assert [(412.5, 1_793_525_400), (500, 1_795_132_800)] == [
        (each.balance_usd, each.as_of) for each in several.organizations[0].prepaid
    ]
