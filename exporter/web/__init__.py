"""What is served over HTTP: metrics, the status page, health."""

from exporter.web.app import App
from exporter.web.connection import Limits
from exporter.web.security import Security
from exporter.web.server import Server
from exporter.web.webconfig import WebConfigError

__all__ = ["App", "Limits", "Security", "Server", "WebConfigError"]
