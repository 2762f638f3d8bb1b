"""Why a host cannot be reached: what the network said, and what to look at."""

import socket
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from exporter.check.target import CheckTarget
from exporter.openai import NetworkError

_CLOCK_MATTERS: Final = ("expired", "not yet valid")


def unreachable(error: NetworkError, subject: CheckTarget) -> tuple[str, str]:
    """Return what is so and what to do."""
    host = urlsplit(subject.base_url).hostname or subject.base_url
    route = "the proxy (api.proxy)" if subject.proxied else host
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, host)
            case ssl.SSLError():
                return (
                    f"{host} does not speak TLS as it should: {cause.reason or 'the handshake failed'}",
                    "Check that the port of api.base_url is one for https, and what stands between here and there.",
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
    words = f"the certificate of {host} is not trusted: {cause.verify_message}"
    if any(sign in cause.verify_message for sign in _CLOCK_MATTERS):
        return words, "Check this machine's clock first (timedatectl); if it is right, the certificate is not."
    return (
        words,
        "If a proxy inspects TLS here, give its authority in api.ca_file (PEM); otherwise this is not the API.",
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
