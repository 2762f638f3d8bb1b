"""The settings: read from flags, the environment and a YAML file, checked, and made into what the commands need."""

from exporter.settings.addresses import Address
from exporter.settings.credentials import GivenKey, KeyFile, KeySource, KeyUnavailableError
from exporter.settings.errors import Problem, SettingsError
from exporter.settings.load import load
from exporter.settings.points_in_time import PointInTime
from exporter.settings.resolved import BackfillSettings, OrganizationSettings, Settings, SimulateSettings
from exporter.settings.sections import Api, Budgets, Log, Poll, Web

__all__ = [
    "Address",
    "Api",
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
    "Settings",
    "SettingsError",
    "SimulateSettings",
    "Web",
    "load",
]
