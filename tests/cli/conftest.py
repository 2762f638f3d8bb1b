"""Fixtures for commands: a simulated organization, and loggers that are restored."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from exporter.simulator import Shape, Simulator, keys, serving


@pytest.fixture
def simulator() -> Simulator:
    """Give a small organization."""
    return Simulator(7, shape=Shape(activity=0.1))


@pytest.fixture
def url(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give its address; the environment has its admin key and no other setting."""
    for name in ("OPENAI_ADMIN_KEY_FILE", "OPENAI_API_KEY", "OPENAI_PROJECT_ID", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.FULL)
    with serving(simulator) as base_url:
        yield base_url


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Restore the loggers."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
