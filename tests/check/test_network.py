"""A host that cannot be reached: which of the many ways it is."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.check import Grade
from tests.support.certificates import Authority
from tests.support.checkup import Checkup

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """Listen on a free port and hand every connection to `serve`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        serve(connection)
                    except OSError:
                        continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens, and nobody else can."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def examined(checked: Checkup) -> str:
    """Return what is said of the costs, after everything else was left alone."""
    verdict = checked.run()

    assert not verdict.readable
    assert [Grade.FAILED, Grade.NOT_ASKED] == [finding.grade for finding in checked.found]
    assert checked.found[0].advice
    return checked.found[0].message


def test_name_unknown() -> None:
    """A name that is not in the DNS."""
    assert "the name of api.openai.invalid is not found in the DNS" in examined(
        Checkup("https://api.openai.invalid/v1")
    )


def test_refused(closed_port: int) -> None:
    """A port on which nothing listens."""
    assert "127.0.0.1 refuses the connection" in examined(Checkup(f"http://127.0.0.1:{closed_port}/v1"))


def test_proxy_refused(closed_port: int) -> None:
    """A proxy that is not there is named, not the host behind it."""
    checked = Checkup("https://api.openai.invalid/v1", proxy=f"http://127.0.0.1:{closed_port}")

    assert "the proxy (api.proxy) refuses the connection" in examined(checked)


def test_proxy_denies() -> None:
    """A proxy that wants a password."""

    def deny(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    with listening(deny) as port:
        checked = Checkup("https://api.openai.invalid/v1", proxy=f"http://127.0.0.1:{port}")

        assert "does not let the request through: 407 Proxy Authentication Required" in examined(checked)


def test_not_tls() -> None:
    """A port that does not speak TLS."""

    def on_listening(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(on_listening) as port:
        assert "127.0.0.1 does not speak TLS as it should" in examined(Checkup(f"https://127.0.0.1:{port}/v1"))


def test_broken() -> None:
    """A connection that ends without an answer."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(4096)

    with listening(hang_up) as port:
        words = examined(Checkup(f"http://127.0.0.1:{port}/v1"))

    assert words.startswith("127.0.0.1 cannot be reached")


@pytest.mark.parametrize(
    ("days", "expected"),
    [(2, "If a proxy inspects TLS here, set api.ca_file to its authority"), (-1, "this machine's clock first")],
)
def test_untrusted(tmp_path: Path, days: int, expected: str) -> None:
    """A certificate of a stranger calls for his authority, one that has expired for a look at the clock."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    def shake(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True):
            pass

    with listening(shake) as port:
        ca_file = str(authority.pair.certificate) if days < 0 else None
        checked = Checkup(f"https://127.0.0.1:{port}/v1", ca_file=ca_file)

        assert "the certificate of 127.0.0.1 is not trusted" in examined(checked)
        assert expected in checked.found[0].advice
