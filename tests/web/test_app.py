"""The routes, over a real socket."""

import gzip
import http.client
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from exporter.exposition import TEXT_FORMATS
from exporter.exposition.snapshot import Format, Snapshot
from tests.support.site import TAILS, WHOLE, Site, raw, serving

_OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Serve one snapshot for all tests that only read."""
    with serving() as site:
        yield site


def _ask(
    site: Site, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", TEXT_FORMATS)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_metrics(site: Site, kind: Format, encoding: str) -> None:
    """Both formats are whole in both encodings, with Content-Type and Content-Length."""
    accept = {"Accept": kind.value, "Accept-Encoding": encoding}

    status, headers, body = _ask(site, "/metrics", headers=accept)

    assert (200, kind.value, str(len(body))) == (status, headers["content-type"], headers["content-length"])
    assert ("gzip" if encoding == "gzip" else None) == headers.get("content-encoding")
    assert WHOLE[kind] == (gzip.decompress(body) if encoding == "gzip" else body)


def test_metrics_varies_by_what_was_asked(site: Site) -> None:
    """Vary names what the response depends on."""
    assert "Accept, Accept-Encoding" == _ask(site, "/metrics")[1]["vary"]


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/nowhere"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_is_get_without_a_body(site: Site, path: str, encoding: str) -> None:
    """HEAD has the headers of GET, the length included, and no body."""
    asked = {"Accept-Encoding": encoding}

    status, headers, body = _ask(site, path, "HEAD", asked)
    expected_status, expected_headers, _ = _ask(site, path, "GET", asked)

    headers.pop("date")
    expected_headers.pop("date")
    assert (expected_status, expected_headers, b"") == (status, headers, body)


@pytest.mark.parametrize("path", ["/nowhere", "/metrics/", "//metrics", "/-/healthy/", "/favicon.ico", "/%2e%2e/"])
def test_anything_else_is_not_found(site: Site, path: str) -> None:
    """Only the four routes exist."""
    status, headers, body = _ask(site, path)

    assert (404, "text/plain; charset=utf-8") == (status, headers["content-type"])
    assert b"/metrics" in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    """Only GET and HEAD are allowed, and the answer says so."""
    status, headers, _ = _ask(site, "/metrics", method)

    assert (405, "GET, HEAD") == (status, headers["allow"])


def test_a_query_changes_nothing(site: Site) -> None:
    """Parameters that a scraper adds are ignored."""
    assert WHOLE[Format.TEXT] == _ask(site, "/metrics?name[]=x")[2]


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/nowhere"])
def test_every_answer_is_named(site: Site, path: str) -> None:
    """Every answer has type, length and server, and may not be taken for another type."""
    _, headers, body = _ask(site, path)

    assert str(len(body)) == headers["content-length"]
    assert ("openai-usage-exporter", "nosniff") == (headers["server"], headers["x-content-type-options"])
    assert headers["content-type"].endswith("charset=utf-8")


def test_health_and_readiness() -> None:
    """Healthy at once; ready once the first polls have finished."""
    site = Site(Snapshot())
    with serving(site):
        assert 200 == _ask(site, "/-/healthy")[0]
        status, _, body = _ask(site, "/-/ready")
        assert (503, b"Not ready: the first polls have not finished yet.\n") == (status, body)
        site.snapshot = Snapshot(ready=True)
        assert (200, b"Ready.\n") == (_ask(site, "/-/ready")[0], _ask(site, "/-/ready")[2])


def test_before_the_first_snapshot_there_are_own_metrics() -> None:
    """With nothing published yet, the exporter's own metrics are served, properly ended."""
    with serving(Site(snapshot=Snapshot())) as site:
        assert TAILS[Format.OPENMETRICS] == _ask(site, "/metrics", headers=_OPENMETRICS)[2]


def test_the_next_scrape_sees_the_next_snapshot() -> None:
    """Every request reads the current snapshot."""
    site = Site()
    with serving(site):
        before = _ask(site, "/metrics")[2]
        site.snapshot = Snapshot()
        assert (WHOLE[Format.TEXT], TAILS[Format.TEXT]) == (before, _ask(site, "/metrics")[2])


def test_http_1_0_is_answered(site: Site) -> None:
    """An old client gets its answer and the end of the connection."""
    head, _, body = raw(site, b"GET /-/healthy HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")

    assert (b"HTTP/1.1 200 OK", b"Healthy.\n") == (head.split(b"\r\n")[0], body)


def test_nonsense_is_a_bad_request(site: Site) -> None:
    """What is not HTTP is refused, and the connection closed."""
    assert raw(site, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_upgrades_are_ignored(site: Site) -> None:
    """A WebSocket is answered as the plain request that it also is."""
    request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"

    assert raw(site, request).startswith(b"HTTP/1.1 200 ")


def test_curl_reads_the_whole_gzip(site: Site) -> None:
    """Curl, which stops after one member, decodes everything."""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "10", "--compressed", f"http://127.0.0.1:{site.port}/metrics"],
        check=True,
        capture_output=True,
    )

    assert WHOLE[Format.TEXT] == done.stdout


def test_the_telemetry_path_can_be_moved() -> None:
    """Metrics are served under the configured path only; at / they replace the status page."""
    with serving(app=replace(Site().app(), telemetry_path="/usage")) as site:
        assert (200, 404, 200) == tuple(_ask(site, path)[0] for path in ("/usage", "/metrics", "/"))
    with serving(app=replace(Site().app(), telemetry_path="/")) as site:
        assert WHOLE[Format.TEXT] == _ask(site, "/")[2]


def test_reload_reports_its_outcome() -> None:
    """POST /-/reload answers 200, or 500 with what is wrong; it is 403 where it is not enabled."""
    outcomes = ["", "key file: is empty"]

    async def reload() -> str:
        return outcomes.pop(0)

    with serving(app=replace(Site().app(), reload=reload)) as site:
        assert (200, b"Reloaded.\n") == _ask(site, "/-/reload", "POST")[::2]
        assert (500, b"Not reloaded: key file: is empty\n") == _ask(site, "/-/reload", "POST")[::2]
        assert 405 == _ask(site, "/-/reload")[0]
    with serving() as site:
        assert (403, b"Lifecycle API is not enabled: set web.enable_lifecycle.\n") == _ask(site, "/-/reload", "POST")[
            ::2
        ]
