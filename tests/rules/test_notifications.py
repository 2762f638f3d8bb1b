"""What people receive: bundled routes, inhibitions and templates in a real Alertmanager, with stand-in receivers."""

import email
import json
import re
import shutil
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from tests.support.go_programs import program
from tests.support.processes import Child, free_port, until
from tests.support.promtool import ROOT

pytestmark = pytest.mark.slow

_FOLDER: Final = ROOT / "deploy/alertmanager"
_DEBIANS: Final = shutil.which("prometheus-alertmanager")
_STARTED: Final = "2026-10-01T09:12:00Z"
_SPIKE: Final = {
    "labels": {
        "alertname": "OpenAIRequestSpike",
        "severity": "critical",
        "organization": "acme",
        "project_id": "proj_search",
    },
    "annotations": {
        "summary": "A project makes far more requests than usual",
        "description": (
            "Project Search (proj_search) of organization acme makes 82.1k requests per hour, 5.1 times the 16.1k that"
            " is the most to expect at this time. Largest contributors: gpt-5 93%, gpt-5-mini 6.8%"
        ),
        "runbook_url": "https://github.com/example/openai-usage-exporter/blob/main/docs/runbooks/OpenAIRequestSpike.md",
        "dashboard_url": (
            "https://grafana.example.com/d/openai-project?from=1790824320000&to=now"
            "&var-organization=acme&var-project=proj_search"
        ),
    },
    "startsAt": _STARTED,
}


class _Hook(ThreadingHTTPServer):
    """Takes what is posted, with any path."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), _Posted)


class _Posted(BaseHTTPRequestHandler):
    server: _Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path.strip("/"), json.loads(body)))
        self.send_response(202 if "pagerduty" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _MailServer(socketserver.ThreadingTCPServer):
    """Takes mail, without encryption or password."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[Message] = []
        super().__init__(("127.0.0.1", 0), _Mail)


class _Mail(socketserver.StreamRequestHandler):
    server: _MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 stand-in\r\n")
        for line in self.rfile:
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.received.append(email.message_from_bytes(b"".join(lines), policy=default))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _receivers() -> dict[str, list[Any]]:
    """Return the receivers of docs/alerts.md by their key."""
    section = _section("## Receivers")
    found: dict[str, list[Any]] = {}
    for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL):
        assert 5 >= block.count("\n"), block
        found |= yaml.safe_load(block)
    return found


def _section(title: str) -> str:
    text = (ROOT / "docs/alerts.md").read_text()
    return text[text.index(title) :].partition("\n## ")[0]


@contextmanager
def _alertmanager(
    folder: Path, receivers: dict[str, Any], more: dict[str, Any], program_path: str | None = _DEBIANS
) -> Iterator[str]:
    configuration = yaml.safe_load((_FOLDER / "alertmanager.yml").read_text()) | more
    configuration["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in configuration["receivers"]:
        receiver.update(receivers.get(receiver["name"], {}))
    shutil.copy(_FOLDER / "openai.tmpl", folder)
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(configuration))
    assert program_path, "Debian's prometheus-alertmanager is missing: run deploy/install/debian.sh"
    with free_port() as port:
        command = [program_path, f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"]
        child = Child("alertmanager", port, command, environment={}, log=folder / "alertmanager.log", ready="/-/ready")
        child.start()
        try:
            child.wait_until_serving()
            yield f"http://127.0.0.1:{port}"
        finally:
            child.stop()


def _send(url: str, *alerts: dict[str, Any]) -> None:
    httpx.post(f"{url}/api/v2/alerts", json=list(alerts), trust_env=False).raise_for_status()


def _alert(name: str, project: str = "", *, severity: str = "critical", ended: bool = False) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "organization": "acme", "project_id": project}
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1 if ended else time.time() + 600))
    return {"labels": labels, "annotations": {"summary": name}, "startsAt": _STARTED, "endsAt": end}


def _webhooks(hook: _Hook) -> dict[str, Any]:
    url = f"http://127.0.0.1:{hook.server_port}"
    return {
        name: {"webhook_configs": [{"url": f"{url}/{name}", "send_resolved": True}]}
        for name in ("page", "notify", "show")
    }


def test_one_cause_pages_once(tmp_path: Path) -> None:
    """Requests, tokens and estimated spend of one project rise and fall, costs follow: one page, one resolution."""
    hook = _Hook()
    project = "proj_search"
    names = ("OpenAIRequestSpike", "OpenAITokenSpike", "OpenAISpendRateSpike")
    with _serving(hook), _alertmanager(tmp_path, _webhooks(hook), {}) as url:
        for name in names:
            _send(url, _alert(name, project))
            until(lambda: bool(hook.received), "a page")
            time.sleep(1.5)
        _send(url, _alert("OpenAISpendSpike", project), _alert("OpenAISpendSpike"))
        time.sleep(1.5)
        _send(url, _alert("OpenAISpendSpike", project, ended=True), _alert("OpenAISpendSpike", ended=True))
        _send(url, _alert("OpenAISpendSpike", project, severity="info"))
        for name in reversed(names):
            _send(url, _alert(name, project, ended=True))
            time.sleep(0.5)
        until(lambda: "show" in [path for path, _ in hook.received], "the confirmation")
        until(lambda: any(note["status"] == "resolved" for path, note in hook.received if path == "page"), "the end")

    pages = [
        [alert["labels"]["alertname"] for alert in note["alerts"]]
        for path, note in hook.received
        if path == "page" and note["status"] == "firing"
    ]
    assert [["OpenAIRequestSpike"]] == pages
    assert ["resolved"] == [note["status"] for path, note in hook.received if path == "page"][1:]


def test_a_crash_loop_says_nothing_while_its_exporter_is_down(tmp_path: Path) -> None:
    """The page that an instance is down inhibits the warning that it keeps restarting, and not that of another one."""
    hook = _Hook()
    with _serving(hook), _alertmanager(tmp_path, _webhooks(hook), {}) as url:
        _send(url, _of_target("OpenAIExporterDown", "critical", "a:10180"))
        until(lambda: bool(hook.received), "a page")
        _send(url, *(_of_target("OpenAIExporterCrashLooping", "warning", f"{name}:10180") for name in "ab"))
        until(lambda: 2 == len(hook.received), "a warning")

    found = {(path, alert["labels"]["instance"]) for path, note in hook.received for alert in note["alerts"]}
    assert {("page", "a:10180"), ("notify", "b:10180")} == found


def _of_target(name: str, severity: str, instance: str) -> dict[str, Any]:
    """Return an alert about what Prometheus scrapes."""
    labels = {"alertname": name, "severity": severity, "job": "openai-usage-exporter", "instance": instance}
    return _alert(name) | {"labels": labels}


def test_what_people_see(tmp_path: Path) -> None:
    """The receivers of the docs bring the page to Slack, PagerDuty and mail, as the docs show it."""
    hook, mail = _Hook(), _MailServer()
    receivers = _receivers()
    for name, key in (("slack", "api_url_file"), ("pagerduty", "routing_key_file")):
        secret = tmp_path / name
        secret.write_text(f"http://127.0.0.1:{hook.server_port}/slack" if name == "slack" else "0123456789abcdef")
        receivers[f"{name}_configs"][0][key] = str(secret)
    del receivers["msteamsv2_configs"]
    general = {
        "pagerduty_url": f"http://127.0.0.1:{hook.server_port}/pagerduty",
        "smtp_smarthost": f"127.0.0.1:{mail.server_address[1]}",
        "smtp_from": "alertmanager@example.com",
        "smtp_require_tls": False,
    }
    with (
        _serving(hook),
        _serving(mail),
        _alertmanager(tmp_path, {"page": receivers}, {"global": general}) as url,
    ):
        _send(url, _SPIKE)
        until(lambda: 2 == len(hook.received) and bool(mail.received), "three notifications")

    posted = dict(hook.received)
    (attachment,) = posted["slack"]["attachments"]
    (message,) = mail.received
    plain = message.get_body(("plain",)).get_content()  # type: ignore[attr-defined] # an EmailMessage, by its policy
    subject, text = _shown()
    assert subject == attachment["title"] == posted["pagerduty"]["payload"]["summary"] == message["Subject"]
    assert text == attachment["text"] == posted["pagerduty"]["payload"]["custom_details"]["description"]
    assert text == plain.replace("\r\n", "\n").strip()
    html = message.get_body(("html",)).get_content()  # type: ignore[attr-defined] # likewise
    for link in ("runbook_url", "dashboard_url"):
        assert _SPIKE["annotations"][link].replace("&", "&amp;") in html  # type: ignore[index] # a mapping of texts


def test_teams(tmp_path: Path) -> None:
    """The receiver of the docs brings the page to Teams, with an Alertmanager that is newer than Debian's 0.25."""
    newer = program("alertmanager")
    hook = _Hook()
    secret = tmp_path / "teams"
    secret.write_text(f"http://127.0.0.1:{hook.server_port}/teams")
    teams = _receivers()["msteamsv2_configs"]
    teams[0]["webhook_url_file"] = str(secret)
    with _serving(hook), _alertmanager(tmp_path, {"page": {"msteamsv2_configs": teams}}, {}, newer) as url:
        _send(url, _SPIKE)
        until(lambda: bool(hook.received), "a notification")

    ((_, card),) = hook.received
    texts = [block["text"] for block in card["attachments"][0]["content"]["body"]]
    assert list(_shown()) == texts


def _shown() -> tuple[str, str]:
    """Return subject and text as docs/alerts.md shows them."""
    (shown,) = re.findall(r"```text\n(.*?)```", _section("## Receivers"), re.DOTALL)
    subject, _, text = shown.strip().partition("\n\n")
    return subject, text
