"""The tables against the official `openai` package."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openai
import pytest

from drift import differences
from exporter.catalog import CATALOG, METADATA, MetadataResource, Pagination, Resource

ROOT = Path(__file__).parents[2]


def test_the_tables_agree_with_the_pinned_package() -> None:
    """Endpoints, dimensions, filters, widths, limits, pagination and fields: `make drift` prints no difference."""
    finished = subprocess.run([sys.executable, "-m", "drift"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, f"0 differences between the tables and openai {openai.__version__}\n") == (
        finished.returncode,
        finished.stdout,
    )


def test_the_docs_name_the_version_that_was_compared() -> None:
    """It is the one that is installed."""
    text = (ROOT / "docs/architecture.md").read_text()

    assert [openai.__version__] == re.findall(r"last compared with `openai` ([\d.]+\d)", text)


Change = Callable[[Resource], Resource]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda row: replace(row, path="usage/dreams"), "/organization/usage/dreams: unknown to the package"),
        (lambda row: replace(row, dimensions=row.dimensions[1:]), "dimension project_id is not in the table"),
        (lambda row: replace(row, filters=(*row.filters, "moods")), "filter moods is unknown to the package"),
        (lambda row: replace(row, widths={"1d": 30, "1h": 168, "1m": 1440}), "limit 30 for 1d in the table, 31"),
        (lambda row: replace(row, measures=row.measures[1:]), "field input_tokens is not in the table"),
        (lambda row: replace(row, object="organization.usage.dreams.result"), "is unknown to the package"),
    ],
)
def test_a_difference_of_buckets_is_found(change: Change, difference: str) -> None:
    """Whatever the table of buckets has wrong, or lacks."""
    (row,) = (row for row in CATALOG if row.name == "completions")

    assert any(difference in line for line in differences([change(row)]))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda row: replace(row, path="organization/dreams"), "/organization/users: not in the tables"),
        (lambda row: replace(row, pagination=Pagination.NEXT), "pagination Pagination.NEXT in the table"),
        (lambda row: replace(row, page_size=101), "limit 101 in the table, 100 in the package"),
        (lambda row: replace(row, query=(("mood", "any"),)), "parameter mood is unknown to the package"),
        (lambda row: replace(row, id_field="key"), "field key is unknown to the package"),
        (lambda row: replace(row, families=()), "field role is not in the table"),
    ],
)
def test_a_difference_of_metadata_is_found(
    change: Callable[[MetadataResource], MetadataResource], difference: str
) -> None:
    """Whatever the table of metadata has wrong, or lacks."""
    (row,) = (row for row in METADATA if row.name == "users")

    assert any(difference in line for line in differences(CATALOG, [change(row)]))
