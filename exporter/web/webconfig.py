"""The file of `web.config.file`, in the format of Prometheus' exporter-toolkit.

Supported: `tls_server_config` with `cert`/`cert_file`, `key`/`key_file`, `client_ca`/`client_ca_file`,
`client_auth_type` (NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert), `client_allowed_sans`,
`min_version` and `max_version` (TLS12, TLS13), `cipher_suites`, `prefer_server_cipher_suites`, `curve_preferences` with
one curve; `http_server_config` with `headers`; `basic_auth_users`; `rate_limit`.

Refused: HTTP/2, client certificates that are requested but not verified, TLS 1.0 and 1.1, several curves (Python's ssl
takes one), bcrypt costs that take seconds, YAML anchors, and every unknown key. Stricter than exporter-toolkit: a
`tls_server_config` with any content needs a certificate, it never silently means plain HTTP.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from exporter.durations import parse_duration
from exporter.yaml_file import YamlError, read_yaml

ClientAuth: TypeAlias = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]

CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
"""Cipher suites by OpenSSL's name; those of TLS 1.3 have none, for they cannot be chosen, neither here nor in Go."""

CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""Elliptic curves by OpenSSL's name."""

_VERSIONS: Final = ("TLS12", "TLS13")
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_CLIENT_AUTH: Final = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_BCRYPT: Final = re.compile(r"\$2[abxy]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_HIGHEST_COST: Final = 14
"""Of a bcrypt hash; each step doubles the time, and a password is compared in about a second at 14."""

_LARGEST_FILE: Final = 128 << 10
"""Bytes."""

_LARGEST_BURST: Final = 1_000_000


class WebConfigError(ValueError):
    """A `web.config.file` that cannot be used; the message says what to change and shows no secret."""


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section `tls_server_config`."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Tls(...)"


class _Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    http2: bool = False
    headers: dict[str, str | int] = {}


class _RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    interval: str | int = 0
    burst: int = 0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tls_server_config: Tls | None = None
    http_server_config: _Http = _Http()
    basic_auth_users: dict[str, str] = {}
    rate_limit: _RateLimit = _RateLimit()

    def __repr__(self) -> str:
        return "_File(...)"


class RateLimit(msgspec.Struct, frozen=True):
    """A token bucket for requests, those of health checks excepted."""

    interval: float
    """Seconds after which one more request is allowed."""
    burst: int
    """Requests allowed at once."""


class WebConfig(msgspec.Struct, frozen=True):
    """The content of a valid file."""

    tls: Tls | None = None
    """None for plain HTTP."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every response."""
    users: Mapping[str, bytes] = {}
    """bcrypt hashes by user; no password is needed when there are none."""
    rate_limit: RateLimit | None = None

    def __repr__(self) -> str:
        return "WebConfig(...)"


def read_web_config(path: Path) -> WebConfig:
    """Return the content of the file; other files that it names are relative to its folder. Raises WebConfigError."""
    try:
        return _checked(_converted(read_yaml(path, _LARGEST_FILE)), path.parent)
    except (YamlError, WebConfigError) as error:
        raise WebConfigError(f"{path}: {error}") from None


def weakened_by(new: WebConfig, old: WebConfig) -> list[str]:
    """Return what protects the old configuration and is missing in the new one."""
    lost = [f"http_server_config.headers.{name}" for name, _ in old.headers if name not in dict(new.headers)]
    if old.users and not new.users:
        lost.append("basic_auth_users")
    if old.rate_limit and not new.rate_limit:
        lost.append("rate_limit")
    if old.tls:
        lost += _tls_weakened_by(new.tls, old.tls)
    return lost


def _tls_weakened_by(new: Tls | None, old: Tls) -> list[str]:
    if new is None:
        return ["tls_server_config"]
    strictness = (
        ("client_auth_type", _CLIENT_AUTH.index(new.client_auth_type) < _CLIENT_AUTH.index(old.client_auth_type)),
        ("client_allowed_sans", bool(old.client_allowed_sans) and not new.client_allowed_sans),
        ("min_version", new.min_version < old.min_version),
        ("cipher_suites", bool(old.cipher_suites) and not new.cipher_suites),
    )
    return [f"tls_server_config.{name}" for name, weaker in strictness if weaker]


def _converted(document: object) -> _File:
    try:
        return msgspec.convert(_without_nulls(document) or {}, _File)
    except msgspec.ValidationError as error:
        raise WebConfigError(str(error)) from None


def _checked(file: _File, folder: Path) -> WebConfig:
    if file.http_server_config.http2:
        raise WebConfigError(
            "http_server_config.http2: HTTP/2 is not supported, and Prometheus scrapes over HTTP/1.1 as well: "
            "set it to false or leave it out"
        )
    headers = tuple((name, str(value)) for name, value in file.http_server_config.headers.items())
    for name, value in headers:
        _check_header(name, value)
    for user, hashed in file.basic_auth_users.items():
        _check_hash(user, hashed)
    return WebConfig(
        _checked_tls(file.tls_server_config, folder),
        headers,
        {user: hashed.encode() for user, hashed in file.basic_auth_users.items()},
        _rate_limit(file.rate_limit),
    )


def _check_hash(user: str, hashed: str) -> None:
    if not (found := _BCRYPT.fullmatch(hashed)):
        raise WebConfigError(
            f"basic_auth_users: the value of {user!r} is not a bcrypt hash: make one with htpasswd -nBC 10 ''"
        )
    if int(found[1]) > _HIGHEST_COST:
        raise WebConfigError(
            f"basic_auth_users: the hash of {user!r} has cost {int(found[1])}, which takes too long to compare: "
            f"use at most {_HIGHEST_COST}, for example htpasswd -nBC 10 ''"
        )


def _rate_limit(written: _RateLimit) -> RateLimit | None:
    interval = _seconds(written.interval)
    if not interval:
        return None
    if written.burst < 1:
        raise WebConfigError("rate_limit.burst: must be at least 1: with 0 every request would be refused")
    if written.burst > _LARGEST_BURST:
        raise WebConfigError(f"rate_limit.burst: must be at most {_LARGEST_BURST}")
    return RateLimit(interval, written.burst)


def _seconds(written: str | int) -> float:
    if written in {0, "0", ""}:
        return 0.0
    try:
        if isinstance(written, str) and written[-1].isalpha():
            return parse_duration(written)
    except ValueError:
        pass
    raise WebConfigError("rate_limit.interval: expects a duration such as 100ms or 1s")


def _check_header(name: str, value: str) -> None:
    if name not in _HEADERS:
        raise WebConfigError(f"http_server_config.headers: {name!r} cannot be set: only {', '.join(_HEADERS)} can")
    if _HEADERS[name] and value not in _HEADERS[name]:
        raise WebConfigError(f"http_server_config.headers: {name} is {' or '.join(_HEADERS[name])}, not {value!r}")
    if not value.isascii() or not value.isprintable():
        raise WebConfigError(f"http_server_config.headers: the value of {name} holds what a header cannot carry")


def _checked_tls(tls: Tls | None, folder: Path) -> Tls | None:
    if tls is None:
        return None
    for part in ("cert", "key", "client_ca"):
        inline, file = getattr(tls, part), getattr(tls, f"{part}_file")
        if inline and file:
            raise WebConfigError(f"tls_server_config: both {part} and {part}_file are given: leave one out")
        if not inline and not file and part != "client_ca":
            raise WebConfigError(f"tls_server_config: missing one of {part} or {part}_file")
    _check_clients(tls)
    _check_protocol(tls)
    files = {
        name: str(folder / getattr(tls, name)) if getattr(tls, name) else ""
        for name in ("cert_file", "key_file", "client_ca_file")
    }
    return msgspec.structs.replace(tls, **files)


def _check_clients(tls: Tls) -> None:
    auth, authority = tls.client_auth_type, tls.client_ca or tls.client_ca_file
    if auth in _UNVERIFIED:
        raise WebConfigError(
            f"tls_server_config.client_auth_type: {auth} does not verify certificates and is not supported: "
            "use RequireAndVerifyClientCert"
        )
    _check_one_of("client_auth_type", auth, _CLIENT_AUTH)
    if auth == "NoClientCert" and (authority or tls.client_allowed_sans):
        raise WebConfigError(
            "tls_server_config: client_ca_file and client_allowed_sans have no effect without a client_auth_type: "
            "add client_auth_type: RequireAndVerifyClientCert"
        )
    if auth != "NoClientCert" and not authority:
        raise WebConfigError(f"tls_server_config: client_auth_type {auth} needs a client_ca_file to verify against")


def _check_protocol(tls: Tls) -> None:
    for name in ("min_version", "max_version"):
        _check_one_of(name, getattr(tls, name), _VERSIONS)
    if tls.min_version > tls.max_version:
        raise WebConfigError("tls_server_config: min_version is above max_version")
    for suite in tls.cipher_suites:
        _check_one_of("cipher_suites", suite, tuple(CIPHERS))
    for curve in tls.curve_preferences:
        _check_one_of("curve_preferences", curve, tuple(CURVES))
    if len(tls.curve_preferences) > 1:
        raise WebConfigError("tls_server_config.curve_preferences: only one curve can be given here")


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise WebConfigError(f"tls_server_config.{name}: {value!r} is not supported: use {', '.join(allowed)}")


def _without_nulls(node: Any) -> Any:  # noqa: ANN401 - a parsed document is anything
    """Return the document without the keys that have no value: they mean the default."""
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return node
