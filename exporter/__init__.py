"""Prometheus exporter for the usage and costs of OpenAI organizations."""

__version__ = "0.1.0"
