"""Headless Chromium, driven over the pipe of its debugging protocol."""

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
_KEYS: Final = {"Tab": 9}
_REFRESH: Final = 20.0
"""Seconds in which an expected change has to show."""
_PATIENCE: Final = 60.0
"""Seconds in which every command has to be answered."""


class Browser:
    """One tab. `asked` are the addresses requested since the last `open`, `complaints` are lines of its console."""

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
        """Load a page in a window of this width in CSS pixels, a phone's below 600."""
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
        """Return the value of a JavaScript expression on the page; its Content Security Policy does not apply."""
        answer = self._do("Runtime.evaluate", expression=expression, returnByValue=True)

        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> bool:
        """Return whether an expression becomes true in time."""
        end = time.monotonic() + _REFRESH
        while not (found := bool(self.evaluate(expression))) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def press(self, key: str) -> None:
        """Press and release a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self._do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=_KEYS[key])

    def accessibility_tree(self) -> list[Json]:
        """Return the nodes that assistive technology sees."""
        nodes: list[Json] = self._do("Accessibility.getFullAXTree")["nodes"]
        return nodes

    def text(self) -> str:
        """Return the text of the page as it is shown, also where scripts are disabled."""
        root = self._do("DOM.getDocument", depth=-1)["root"]
        return " ".join(_texts(root))

    @contextmanager
    def without_scripts(self) -> Iterator[None]:
        """Disable scripts until the block ends."""
        self._do("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self._do("Emulation.setScriptExecutionDisabled", value=False)

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
        parameters = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.asked.append(parameters["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters))

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


def _texts(node: Json) -> Iterator[str]:
    if node["nodeName"] == "#text":
        yield node["nodeValue"]
    for child in node.get("children", ()):
        if child["nodeName"] not in {"STYLE", "SCRIPT"}:
            yield from _texts(child)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Run a browser with an empty profile until the block ends."""
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
