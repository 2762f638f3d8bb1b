"""Spend as it happens: reported costs, plus the usage that they do not contain yet at learned prices."""

from exporter.estimate.estimator import Estimator
from exporter.estimate.metrics import METRICS, of_columns
from exporter.estimate.plan import ESTIMATED_COST, ESTIMATED_COSTS
from exporter.estimate.prices import EffectivePrice
from exporter.estimate.reader import with_inputs
from exporter.estimate.runway import Funds, TopUp

__all__ = [
    "ESTIMATED_COST",
    "ESTIMATED_COSTS",
    "METRICS",
    "EffectivePrice",
    "Estimator",
    "Funds",
    "TopUp",
    "of_columns",
    "with_inputs",
]
