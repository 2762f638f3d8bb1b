"""TLS, client certificates, basic authentication and their reloading, over real sockets."""

import base64
import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest
from structlog.testing import capture_logs

from exporter.exposition.snapshot import Format
from exporter.web.connection_limits import Limits
from exporter.web.security import Security
from exporter.web.webconfig import WebConfigError
from tests.support.certificates import Authority, Pair
from tests.support.site import WHOLE, Site, everything, serving

_HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
_OTHER = bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make one authority for all tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    """Issue the server's certificate."""
    return authority.issue("server")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the path of the configuration."""
    return tmp_path / "web.yml"


def _tls(pair: Pair, *more: str) -> str:
    lines = (f"cert_file: {pair.certificate}", f"key_file: {pair.key}", *more)
    return "tls_server_config:\n" + "".join(f"  {line}\n" for line in lines)


def _write(path: Path, text: str) -> None:
    """Replace the file as a configuration manager does: in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _client(authority: Authority | None, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.pair.certificate) if authority else None)
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def _get(
    site: Site, path: str = "/metrics", *, tls: ssl.SSLContext | None = None, login: str | None = None, raw: str = ""
) -> tuple[int, dict[str, str], bytes]:
    connection = (
        http.client.HTTPSConnection("127.0.0.1", site.port, timeout=5, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)
    )
    headers = {"Authorization": raw} if raw else {}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve with a password."""
    config = tmp_path_factory.mktemp("guarded") / "web.yml"
    config.write_text(f"basic_auth_users:\n  prometheus: {_HASH}\n  jörg: {_OTHER}\n")
    with serving(web_config=config) as site:
        yield site


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_probes_need_no_password(guarded: Site, path: str) -> None:
    """Health and readiness are served without a password."""
    assert 200 == _get(guarded, path)[0]


@pytest.mark.parametrize("path", ["/metrics", "/", "/nowhere", "/-/healthy/"])
def test_everything_else_needs_the_password(guarded: Site, path: str) -> None:
    """Metrics, the page and paths that do not exist need the password."""
    status, headers, body = _get(guarded, path)

    assert (401, b"Unauthorized.\n") == (status, body)
    assert headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("login", ["prometheus:correct horse", "jörg:another"])
def test_the_right_password_is_accepted(guarded: Site, login: str) -> None:
    """With the right password the scrape is answered, time after time."""
    assert WHOLE[Format.TEXT] == _get(guarded, login=login)[2] == _get(guarded, login=login)[2]


@pytest.mark.parametrize(
    "login",
    [
        "prometheus:wrong",
        "prometheus:",
        "prometheus:another",
        "jörg:correct horse",
        "nobody:correct horse",
        ":",
        "prometheus:correct horse" + "x" * 80,
        "prometheus:correct\0horse",
    ],
)
def test_a_wrong_password_is_refused(guarded: Site, login: str) -> None:
    """Wrong passwords and unknown users are refused, the second time as well."""
    assert (401, 401) == (_get(guarded, login=login)[0], _get(guarded, login=login)[0])


@pytest.mark.parametrize("value", ["Bearer x", "Basic", "Basic %%%", "Basic cHJvbWV0aGV1cw==", "Basic /////w=="])
def test_malformed_credentials_are_refused(guarded: Site, value: str) -> None:
    """Credentials that are not a user and a password are refused like none."""
    assert 401 == _get(guarded, raw=value)[0]


def test_a_long_password_counts_by_what_bcrypt_sees(config: Path) -> None:
    """Of a password beyond 72 bytes, bcrypt has only ever seen the first 72."""
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    config.write_text(f"basic_auth_users: {{a: {hashed}}}")
    with serving(web_config=config) as site:
        assert (200, 401) == (_get(site, login="a:" + "x" * 90)[0], _get(site, login="a:" + "x" * 71)[0])


def test_scrapes_do_not_pay_for_the_password_every_time(config: Path) -> None:
    """An expensive hash is compared once; a wrong password meanwhile does not hold up those who are known."""
    expensive = bcrypt.hashpw(b"secret", bcrypt.gensalt(12)).decode()
    config.write_text(f"basic_auth_users: {{a: {expensive}}}")
    with serving(web_config=config, limits=Limits(grace=0.1)) as site:
        assert 200 == _get(site, login="a:secret")[0]
        with ExitStack() as clients:
            for _ in range(20):
                client = clients.enter_context(site.connect())
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\n")
            begun = time.monotonic()
            for _ in range(5):
                assert 200 == _get(site, login="a:secret")[0]

            assert time.monotonic() - begun < 1


def test_passwords_are_reloaded(config: Path) -> None:
    """A changed file applies from the next request on: new users are accepted, old ones refused."""
    _write(config, f"basic_auth_users: {{a: {_HASH}}}")
    with serving(web_config=config) as site:
        assert 200 == _get(site, login="a:correct horse")[0]
        _write(config, f"basic_auth_users: {{b: {_OTHER}}}")
        assert (401, 200) == (_get(site, login="a:correct horse")[0], _get(site, login="b:another")[0])


@pytest.mark.parametrize(
    "broken",
    [
        f"rate_limit: {{interval: 1ms, burst: {'9' * 400}}}",
        'tls_server_config: {cert_file: "a\\0b", key_file: c}',
        'tls_server_config: {cert: "\\ud800", key: c}',
    ],
)
def test_a_value_beyond_belief_changes_nothing(config: Path, broken: str) -> None:
    """A file with a number or a path that nothing can use is refused like any other, and the old one is served on."""
    _write(config, f"basic_auth_users: {{a: {_HASH}}}")
    with capture_logs() as logged, serving(web_config=config) as site:
        _write(config, broken)
        assert (401, 200) == (_get(site)[0], _get(site, login="a:correct horse")[0])

    assert ["web_config_rejected"] == [entry["event"] for entry in logged]


def test_a_broken_new_file_changes_nothing(config: Path) -> None:
    """The last good file stays in force, and the log says once what is wrong with the new one."""
    _write(config, f"basic_auth_users: {{a: {_HASH}}}")
    with capture_logs() as logged, serving(web_config=config) as site:
        _write(config, "basic_auth_users: {a: hunter2}")
        assert (401, 200) == (_get(site)[0], _get(site, login="a:correct horse")[0])
        config.unlink()
        assert (401, 200) == (_get(site)[0], _get(site, login="a:correct horse")[0])

    events = [entry for entry in logged if entry["event"] == "web_config_rejected"]
    assert ["not a bcrypt hash", "cannot be read"] == [
        next(words for words in ("not a bcrypt hash", "cannot be read") if words in entry["error"]) for entry in events
    ]
    assert "hunter2" not in str(logged)


_PROTECTED = """tls_server_config:
  cert_file: {certificate}
  key_file: {key}
  client_ca_file: {authority}
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [localhost]
  min_version: TLS13
rate_limit:
  interval: 1ms
  burst: 100
http_server_config:
  headers:
    X-Frame-Options: deny
basic_auth_users:
  a: {hash}
"""


def _cuts() -> list[int]:
    """Return every line at which a half-written file can end."""
    return list(range(_PROTECTED.count("\n")))


@pytest.mark.parametrize("lines", _cuts())
def test_a_truncated_file_weakens_nothing(config: Path, authority: Authority, server: Pair, lines: int) -> None:
    """At every line where the new file can end, all protections of the old one stay, and the log says so."""
    text = _PROTECTED.format(
        certificate=server.certificate, key=server.key, authority=authority.pair.certificate, hash=_HASH
    )
    _write(config, text)
    outcomes: list[str] = []
    security = Security(config, on_load=outcomes.append)
    before = security.tls_context()
    _write(config, "".join(text.splitlines(keepends=True)[:lines]))
    with capture_logs() as logged:
        assert (before, (("X-Frame-Options", "deny"),)) == (security.tls_context(), security.headers())
        assert not security.decide("")
    security.close()

    assert ["web_config_rejected"] == [entry["event"] for entry in logged]
    assert [logged[0]["error"]] == outcomes


def test_an_emptied_file_keeps_the_passwords(config: Path) -> None:
    """A file that is emptied while it serves keeps the passwords in use, and the next good one is taken."""
    _write(config, f"basic_auth_users: {{a: {_HASH}}}")
    with serving(web_config=config) as site:
        _write(config, "")
        assert (401, 200) == (_get(site)[0], _get(site, login="a:correct horse")[0])
        _write(config, f"basic_auth_users: {{b: {_OTHER}}}")
        assert (401, 200) == (_get(site, login="a:correct horse")[0], _get(site, login="b:another")[0])


def test_configured_headers_are_sent_with_everything(config: Path) -> None:
    """Headers are added to every response, refusals included, and replace the page's own."""
    config.write_text(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n"
        f"    Content-Security-Policy: default-src 'self'\nbasic_auth_users: {{a: {_HASH}}}\n"
    )
    with serving(web_config=config) as site:
        for _, headers, _ in (_get(site), _get(site, "/", login="a:correct horse")):
            assert ("deny", "1", "default-src 'self'") == (
                headers["x-frame-options"],
                headers["x-xss-protection"],
                headers["content-security-policy"],
            )


def test_tls(config: Path, authority: Authority, server: Pair) -> None:
    """With a certificate everything is served encrypted, to curl as well."""
    config.write_text(_tls(server))
    with serving(web_config=config) as site:
        assert WHOLE[Format.TEXT] == _get(site, tls=_client(authority))[2]
        done = subprocess.run(
            [
                *("curl", "-sS", "--max-time", "10", "--compressed", "--cacert", str(authority.pair.certificate)),
                f"https://127.0.0.1:{site.port}/metrics",
            ],
            check=True,
            capture_output=True,
        )
        assert WHOLE[Format.TEXT] == done.stdout


def test_relative_files_and_inline_pem(config: Path, authority: Authority, server: Pair) -> None:
    """File names count from the folder of the configuration; certificate and key may also stand in it."""
    (config.parent / "server.crt").write_text(server.certificate.read_text())
    key = "".join(f"    {line}\n" for line in server.key.read_text().splitlines())
    config.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key: |\n{key}")
    with serving(web_config=config) as site:
        assert 200 == _get(site, tls=_client(authority))[0]


def test_versions_suites_and_curves(config: Path, authority: Authority, server: Pair) -> None:
    """What the file narrows is what is spoken."""
    suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    more = (
        "max_version: TLS12",
        f"cipher_suites: [{suite}, TLS_AES_128_GCM_SHA256]",
        "curve_preferences: [CurveP384]",
        "prefer_server_cipher_suites: false",
    )
    config.write_text(_tls(server, *more))
    with serving(web_config=config) as site:
        with site.connect() as plain, _client(authority).wrap_socket(plain, server_hostname="localhost") as client:
            assert ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384") == (client.version(), (client.cipher() or ("",))[0])
        modern = _client(authority)
        modern.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(ssl.SSLError):
            _get(site, tls=modern)


def test_plain_http_to_tls_is_closed(config: Path, server: Pair) -> None:
    """A client that does not speak TLS gets nothing."""
    config.write_text(_tls(server))
    with serving(web_config=config) as site, pytest.raises((http.client.BadStatusLine, ConnectionError)):
        _get(site)


def test_unfinished_handshakes_block_nobody_and_end(config: Path, authority: Authority, server: Pair) -> None:
    """Silent TCP clients neither hold up a handshake nor stay; TLS clients that ask nothing do not stay either."""
    config.write_text(_tls(server))
    limits = Limits(request=2.5, grace=0.5)
    with serving(web_config=config, limits=limits) as site, ExitStack() as stack:
        silent = [stack.enter_context(site.connect()) for _ in range(20)]
        silent[0].sendall(b"\x16\x03\x01\x02\x00")
        encrypted = stack.enter_context(
            _client(authority).wrap_socket(site.connect(), server_hostname="localhost", suppress_ragged_eofs=True)
        )
        begun = time.monotonic()
        assert 200 == _get(site, tls=_client(authority))[0]
        assert time.monotonic() - begun < 2
        for client in (*silent, encrypted):
            assert b"" == _rest(client)
        assert time.monotonic() - begun < 8


def test_unfinished_handshakes_do_not_block_scrapes(config: Path, authority: Authority, server: Pair) -> None:
    """Silent TCP clients make room for one that speaks TLS."""
    config.write_text(_tls(server))
    with serving(web_config=config, limits=Limits(connections=3, grace=0.5)) as site, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(site.connect())

        assert 200 == _get(site, tls=_client(authority))[0]


def test_certificates_are_reloaded(
    config: Path, authority: Authority, server: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A renewed certificate is served from the next connection on; while its key is missing, the old one is."""
    other = Authority(tmp_path_factory.mktemp("other"))
    renewed = other.issue("server")
    folder = config.parent
    pair = Pair(folder / "tls.crt", folder / "tls.key")
    _write(pair.certificate, server.certificate.read_text())
    _write(pair.key, server.key.read_text())
    config.write_text(_tls(pair))
    with serving(web_config=config) as site:
        assert 200 == _get(site, tls=_client(authority))[0]
        _write(pair.certificate, renewed.certificate.read_text())
        assert 200 == _get(site, tls=_client(authority))[0]
        _write(pair.key, renewed.key.read_text())
        assert 200 == _get(site, tls=_client(other))[0]
        with pytest.raises(ssl.SSLCertVerificationError):
            _get(site, tls=_client(authority))


@pytest.mark.parametrize("auth", ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"])
def test_client_certificates(
    config: Path, authority: Authority, server: Pair, auth: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Verified certificates are accepted, others refused; a missing one is accepted only where it is optional."""
    stranger = Authority(tmp_path_factory.mktemp("stranger")).issue("prometheus")
    config.write_text(_tls(server, f"client_ca_file: {authority.pair.certificate}", f"client_auth_type: {auth}"))
    with serving(web_config=config) as site:
        assert 200 == _get(site, tls=_client(authority, authority.issue("prometheus")))[0]
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            _get(site, tls=_client(authority, stranger))
        if auth == "VerifyClientCertIfGiven":
            assert 200 == _get(site, tls=_client(authority))[0]
        else:
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                _get(site, tls=_client(authority))


@pytest.mark.parametrize(
    ("alternative", "accepted"),
    [
        ("DNS:prometheus.example.org", True),
        ("IP:2001:db8::1,DNS:other", True),
        ("email:ops@example.org", True),
        ("URI:spiffe://example.org/prometheus", True),
        ("DNS:prometheus.example.org.evil", False),
        ("DNS:ops@example.org.evil", False),
    ],
)
def test_alternative_names_of_clients(
    config: Path,
    authority: Authority,
    server: Pair,
    alternative: str,
    accepted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Of verified clients only those with a listed name are served."""
    allowed = 'client_allowed_sans: [prometheus.example.org, "2001:db8::1", ops@example.org, "spiffe://example.org/prometheus"]'
    config.write_text(
        _tls(
            server,
            f"client_ca_file: {authority.pair.certificate}",
            "client_auth_type: RequireAndVerifyClientCert",
            allowed,
        )
    )
    client = _client(authority, authority.issue("client", alternative))
    with serving(web_config=config) as site:
        if accepted:
            assert 200 == _get(site, tls=client)[0]
        else:
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                _get(site, tls=client)


def test_without_a_file_everybody_may_read() -> None:
    """Without a configuration there is no TLS and no password."""
    security = Security()

    assert (None, True, ()) == (security.tls_context(), security.admits(None), security.headers())


def test_an_unusable_file_stops_the_start(config: Path) -> None:
    """At the start there is no last good version: the error is raised."""
    config.write_text("basic_auth_users: {a: b}")

    with pytest.raises(WebConfigError, match="is not a bcrypt hash"):
        Security(config)


def test_an_unreadable_certificate_stops_the_start(config: Path, server: Pair) -> None:
    """The same holds for the files that the file names."""
    config.write_text(_tls(Pair(config.parent / "absent.crt", server.key)))

    with pytest.raises(WebConfigError, match=r"cert_file: .*absent\.crt cannot be read: No such file"):
        Security(config)


def test_a_permission_that_comes_back_is_noticed(config: Path) -> None:
    """A file whose mode changed is read again although its content did not."""
    _write(config, f"basic_auth_users: {{a: {_HASH}}}")
    security = Security(config)
    with capture_logs() as logged:
        os.utime(config)
        security.headers()

    assert ["web_config_reloaded"] == [entry["event"] for entry in logged]


def _rest(client: socket.socket) -> bytes:
    try:
        return everything(client)
    except (ssl.SSLError, ConnectionResetError):
        return b""
