"""From an error to what happened and what to do, for somebody who sets the exporter up."""

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from exporter.check.model import KEY_DESCRIPTIONS, REFUSED_KEYS, CheckTarget
from exporter.openai import (
    BillingLimit,
    Forbidden,
    MissingScopes,
    NetworkError,
    NotFound,
    RateLimited,
    Timeout,
    Unauthorized,
    UpstreamError,
)
from exporter.redaction import KeyKind

_CLOCK_MATTERS: Final = ("expired", "not yet valid")


def unreachable(error: NetworkError, target: CheckTarget) -> tuple[str, str]:
    """Return what happened and what to do."""
    host = urlsplit(target.base_url).hostname or target.base_url
    route = "the proxy (api.proxy)" if target.proxied else host
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, host)
            case ssl.SSLError():
                return (
                    f"{host} does not speak TLS as it should: {cause.reason or 'the handshake failed'}",
                    "Check that the port of api.base_url is one for https, and proxies on the way.",
                )
            case socket.gaierror():
                return (
                    f"the name of {route} is not found in the DNS: {cause.strerror}",
                    "Check the spelling of api.base_url and api.proxy, and this machine's DNS (/etc/resolv.conf).",
                )
            case ConnectionRefusedError():
                return (
                    f"{route} refuses the connection: nothing listens there, or a firewall says no",
                    "Check the port of api.base_url and api.proxy, and the firewall.",
                )
            case _ if type(cause).__name__ == "ProxyError":
                return (
                    f"the proxy (api.proxy) does not let the request through: {cause}",
                    "Check api.proxy, its user and password, and whether it allows CONNECT to this host.",
                )
    return f"{route} cannot be reached: {error}", error.advice


def _untrusted(cause: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    message = f"the certificate of {host} is not trusted: {cause.verify_message}"
    if any(sign in cause.verify_message for sign in _CLOCK_MATTERS):
        return message, "Check this machine's clock first (timedatectl); if it is right, the certificate is not."
    return (
        message,
        "If a proxy inspects TLS here, set api.ca_file to its authority (PEM); otherwise this is not the API.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield what led to an error, the outermost first. The client hides this from tracebacks, not from here."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, *getattr(cause, "exceptions", ())]


_WHERE: Final = "as an owner of the organization, under Settings, Organization, Admin keys"
_CREATE: Final = f"Create an admin key (it starts with {KeyKind.ADMIN.value}) {_WHERE}, and use that one."


def explain(error: UpstreamError, target: CheckTarget) -> tuple[str, str]:
    """Return what happened and what to do."""
    for kind, message in _EXPLANATIONS:
        if isinstance(error, kind):
            return message(error, target)
    return f"{error}", error.advice


def _scopes(error: MissingScopes, target: CheckTarget) -> tuple[str, str]:
    kind, lacking = target.key_kind, " and ".join(error.scopes)
    if kind in REFUSED_KEYS:
        return (
            f"the key from {target.key_origin} is {KEY_DESCRIPTIONS[kind]}: it can never have the scope {lacking}",
            f"{_CREATE} With this one, `run` exports only what the legacy billing endpoints return.",
        )
    return (
        f"the key from {target.key_origin} lacks the scope {lacking}",
        f"Create an admin key {_WHERE}, with permissions All or Read only, or Restricted with {lacking}.",
    )


def _key_refused(error: Unauthorized, target: CheckTarget) -> tuple[str, str]:
    message = f"the key from {target.key_origin} is not accepted: {error}"
    if target.key_kind is not KeyKind.ADMIN:
        return f"{message}; by its prefix it is {KEY_DESCRIPTIONS[target.key_kind]}", _CREATE
    advice = "Check that it was copied whole and has been neither deleted nor expired; otherwise create another one."
    return message, f"{_header(target)} {advice}" if target.organization_id else advice


def _header(target: CheckTarget) -> str:
    return (
        f"The header OpenAI-Organization names {target.organization_id}: unset OPENAI_ORG_ID (organization_id) "
        "unless the key belongs there."
    )


def _unauthorized(error: Unauthorized, target: CheckTarget) -> tuple[str, str]:
    if error.status is None:
        return f"the key from {target.key_origin} cannot be used: {error}", error.advice
    return _key_refused(error, target)


def _forbidden(error: Forbidden, target: CheckTarget) -> tuple[str, str]:
    advice = f"{_header(target)} {error.advice}" if target.organization_id else error.advice
    return f"the API refuses access: {error}", advice


def _billing_limit(error: BillingLimit, _: CheckTarget) -> tuple[str, str]:
    return f"the account is out of credit or at a limit: {error}", error.advice


def _rate_limited(error: RateLimited, _: CheckTarget) -> tuple[str, str]:
    pause = f"; retry after {error.retry_after:.0f} s" if error.retry_after else ""
    return (
        f"the API limits the request rate{pause}: {error}",
        "Wait, and find out what else asks with this organization's admin keys.",
    )


def _timeout(error: Timeout, target: CheckTarget) -> tuple[str, str]:
    return f"{target.base_url} does not answer in time: {error}", error.advice


def _not_found(error: NotFound, target: CheckTarget) -> tuple[str, str]:
    return f"{target.base_url} has no such endpoint: {error}", error.advice


_EXPLANATIONS: Final[Sequence[tuple[type[UpstreamError], Callable[[Any, CheckTarget], tuple[str, str]]]]] = (
    (MissingScopes, _scopes),
    (Unauthorized, _unauthorized),
    (Forbidden, _forbidden),
    (BillingLimit, _billing_limit),
    (RateLimited, _rate_limited),
    (Timeout, _timeout),
    (NetworkError, unreachable),
    (NotFound, _not_found),
)
