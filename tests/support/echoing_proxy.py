"""A proxy between an exporter and the simulated API that repeats the client's secrets in everything it answers."""

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

import httpx

from exporter.simulator import keys

_MODEL = b"gpt-5.5-2026-04-23"
_PROJECT = b"checkout-assistant"


class EchoingProxy(ThreadingHTTPServer):
    """Forwards requests with a key that the API accepts, and puts what the client sent into the responses.

    `key` and `auth` are the secrets that it expects; `ways` collects how they were repeated.
    """

    daemon_threads = True

    def __init__(self, key: str, auth: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key, self.auth = key, auth
        self.ways: set[str] = set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that are gone."""

    @property
    def url(self) -> str:
        """The proxy's URL, without credentials."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: EchoingProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer in a way that depends on the endpoint."""
        secrets = self._secrets()
        status, headers, body = self._answer(urlsplit(self.path).path.rpartition("/organization/")[2], secrets)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _secrets(self) -> str:
        """Return what the client sent, to be repeated; the proxy's password is expected and comes in base64."""
        key = self.headers["Authorization"].removeprefix("Bearer ")
        auth = base64.b64decode(self.headers["Proxy-Authorization"].removeprefix("Basic ")).decode()
        assert (self.server.key, self.server.auth) == (key, auth)
        return f"{key} {auth} {self.headers['Proxy-Authorization']}"

    def _answer(self, endpoint: str, secrets: str) -> tuple[int, dict[str, str], bytes]:
        key = self.server.key
        self.server.ways.add(endpoint)
        headers = {"Content-Type": "application/json", "x-request-id": key}
        error = json.dumps(
            {
                "error": {
                    "message": f"Refused: {secrets} or {quote(secrets)}",
                    "type": secrets,
                    "code": key,
                    "param": secrets,
                }
            }
        ).encode()
        escaped = "".join(f"\\u{ord(char):04x}" for char in key)
        repeated = {
            "usage/embeddings": (302, {"Location": f"https://{key}.example/{key}?{quote(secrets)}"}, b""),
            "usage/moderations": (401, headers, error),
            "usage/images": (400, headers, error),
            "usage/audio_speeches": (403, {"Content-Type": "text/html"}, f"<title>{secrets}</title>".encode()),
            "usage/audio_transcriptions": (500, headers, f'{{"error": {{"message": "{escaped}"}}}}'.encode()),
            "usage/file_search_calls": (400, headers, error.upper()),
            "usage/web_search_calls": (200, headers, json.dumps({"object": key, "data": secrets}).encode()),
        }
        if endpoint in repeated:
            return repeated[endpoint]
        return self._forwarded({"openai-organization": key, "x-ratelimit-limit-requests": key, **headers})

    def _forwarded(self, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return the API's answer with a project's name and a model replaced by the key."""
        answer = httpx.get(self.path, headers={"Authorization": f"Bearer {keys.FULL}"}, trust_env=False, timeout=30)
        body = answer.content
        for name in (_MODEL, _PROJECT):
            body = body.replace(name, self.server.key.encode())
        return answer.status_code, headers, body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing."""


@contextlib.contextmanager
def echoing_proxy(key: str, auth: str) -> Iterator[EchoingProxy]:
    """Run the proxy in a thread."""
    proxy = EchoingProxy(key, auth)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
