"""The settings: read from the command line, the environment and a YAML file, checked and resolved."""

from exporter.settings.credentials import GivenKey, KeyFile, KeySource, KeyUnavailableError
from exporter.settings.load import load
from exporter.settings.messages import Problem, SettingsError
from exporter.settings.reference import example_file, help_text, markdown
from exporter.settings.resolve import (
    AssetsSettings,
    BackfillSettings,
    OrganizationSettings,
    Proxy,
    RemoteWriteSettings,
    Settings,
    SimulateSettings,
)
from exporter.settings.sections import Api, Budgets, Log, Poll, Web, WindowSettings
from exporter.settings.types import Address, PointInTime, is_loopback

__all__ = [
    "Address",
    "Api",
    "AssetsSettings",
    "BackfillSettings",
    "Budgets",
    "GivenKey",
    "KeyFile",
    "KeySource",
    "KeyUnavailableError",
    "Log",
    "OrganizationSettings",
    "PointInTime",
    "Poll",
    "Problem",
    "Proxy",
    "RemoteWriteSettings",
    "Settings",
    "SettingsError",
    "SimulateSettings",
    "Web",
    "WindowSettings",
    "example_file",
    "help_text",
    "is_loopback",
    "load",
    "markdown",
]
