"""Headless Chromium, told what to do over the pipe of its debugging protocol."""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any
"""What a message of the protocol holds, or an expression gives."""

_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
)
_PATIENCE: Final = 60.0
"""Seconds in which every command has to be answered."""


class Browser:
    """One tab. `asked` are the addresses that it wanted since it was told to go somewhere, `complaints` its console."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Open the tab of a browser that reads commands from its input and writes to its output."""
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._process = process
        self._received = b""
        self._count = 0
        self._loaded = False
        self._session: str | None = None
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._do(f"{domain}.enable")

    def open(self, url: str, *, width: int = 1280, dark: bool = False) -> None:
        """Go to a page in a window so many CSS pixels wide, a phone's below 600, and wait until all of it is there."""
        self.asked, self.complaints, self._loaded = [], [], False
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self._do("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._do("Emulation.setEmulatedMedia", features=[scheme])
        went = self._do("Page.navigate", url=url)

        assert "errorText" not in went, went
        while not self._loaded:
            self._take(self._next())

    def evaluate(self, expression: str) -> Json:
        """Return what a JavaScript expression gives on the page, whatever the page's policy says."""
        answer = self._do("Runtime.evaluate", expression=expression, returnByValue=True)

        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self._do("Browser.close")

    def _do(self, method: str, **parameters: Json) -> Json:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while (answer := self._next()).get("id") != self._count:
            self._take(answer)

        assert "result" in answer, answer
        return answer["result"]

    def _take(self, event: Json) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(told["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told))

    def _next(self) -> Json:
        assert self._process.stdout
        pipe, end = self._process.stdout.fileno(), time.monotonic() + _PATIENCE
        while b"\0" not in self._received:
            if not select.select([pipe], [], [], max(end - time.monotonic(), 0.0))[0]:
                raise TimeoutError(f"Chromium has said nothing for {_PATIENCE:g} s")
            data = os.read(pipe, 1 << 16)
            assert data, "Chromium has ended"
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run a browser that knows nothing yet, for the length of a block."""
    command = ["sh", "-c", 'exec "$@" 3<&0 4>&1', "sh", "chromium", *_FLAGS, f"--user-data-dir={folder / 'profile'}"]
    with (
        (folder / "chromium.log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            running = Browser(process)
            yield running
            running.close()
            process.wait(20)
        finally:
            process.kill()
