"""The commands by name. Importing this is cheap: a command's own module is loaded when it runs."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from exporter.settings import Settings


@dataclass(frozen=True, slots=True)
class Command:
    """One command; its module `exporter.cli.<name>` has `execute(settings) -> int`, which returns the exit status."""

    name: str
    summary: str

    def execute(self, settings: "Settings") -> int:
        """Run it and return the exit status."""
        module = import_module(f"exporter.cli.{self.name}")
        return cast("int", module.execute(settings))


COMMANDS: Final = (
    Command("run", "poll and serve (the default)"),
    Command("check", "validate the settings, ask each endpoint once, and say what to do about what fails"),
    Command("backfill", "write history as OpenMetrics for promtool tsdb create-blocks-from openmetrics"),
    Command("simulate", "serve a simulated Admin API"),
    Command("demo", "serve the metrics of a simulated organization on loopback: no key, no network"),
    Command("metrics", "print the reference of all metrics"),
)

DEFAULT: Final = COMMANDS[0]
