"""A simulated OpenAI Admin API with a believable organization behind it: late data, revisions, faults on demand."""

from exporter.simulator import keys
from exporter.simulator.app import LoggedRequest, Simulator
from exporter.simulator.organization import Shape
from exporter.simulator.policy import Policy
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import REALISTIC_DELAYS, serve, serving

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
