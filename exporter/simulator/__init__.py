"""A simulated OpenAI Admin API with realistic data: late usage, revisions, and faults on demand."""

from exporter.simulator import keys
from exporter.simulator.app import REALISTIC_DELAYS, LoggedRequest, Simulator, serve, serving
from exporter.simulator.organization import Shape
from exporter.simulator.policy import Policy
from exporter.simulator.scenario import Scenario

__all__ = [
    "REALISTIC_DELAYS",
    "LoggedRequest",
    "Policy",
    "Scenario",
    "Shape",
    "Simulator",
    "keys",
    "serve",
    "serving",
]
