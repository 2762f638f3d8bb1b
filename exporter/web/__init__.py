"""What is served over HTTP: metrics, the status page, health, reload."""

from exporter.web.app import App
from exporter.web.connection_limits import Limits
from exporter.web.listeners import Address, ListenError, passed_by_systemd
from exporter.web.security import Security
from exporter.web.server import Server
from exporter.web.webconfig import WebConfigError

__all__ = ["Address", "App", "Limits", "ListenError", "Security", "Server", "WebConfigError", "passed_by_systemd"]
