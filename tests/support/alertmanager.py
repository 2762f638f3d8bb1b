"""The real Alertmanager with the bundled configuration, and a web server for its receivers."""

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import Child, free_port
from tests.support.promtool import ROOT


class Receivers(ThreadingHTTPServer):
    """Takes Alertmanager's notifications."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), _Receiver)

    def notified(self, status: str) -> list[tuple[str, dict[str, str]]]:
        """Return receiver and labels of every alert that was notified with a status."""
        return [
            (path, alert["labels"])
            for path, notification in self.received
            for alert in notification["alerts"]
            if status == notification["status"] == alert["status"]
        ]


class _Receiver(BaseHTTPRequestHandler):
    server: Receivers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path.strip("/"), json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiving() -> Iterator[Receivers]:
    """Run a web server that takes notifications while the block lasts."""
    receivers = Receivers()
    thread = threading.Thread(target=receivers.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receivers
    finally:
        receivers.shutdown()
        thread.join()
        receivers.server_close()


@contextlib.contextmanager
def alertmanager(folder: Path, receivers: Receivers) -> Iterator[int]:
    """Run Alertmanager with the bundled routes and inhibitions, and short waits; gives its port."""
    configuration = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    configuration["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in configuration["receivers"]:
        url = f"http://127.0.0.1:{receivers.server_port}/{receiver['name']}"
        receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(configuration))
    program = shutil.which("prometheus-alertmanager")
    assert program, "Debian's prometheus-alertmanager is missing: run deploy/install/debian.sh"
    with free_port() as port:
        command = [program, f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"]
        child = Child("alertmanager", port, command, environment={}, log=folder / "alertmanager.log", ready="/-/ready")
        child.start()
        try:
            child.wait_until_serving()
            yield port
        finally:
            child.stop()
