"""Addresses of services: where keys may be sent."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

_LOOPBACK_NAME: Final = "localhost"


def parse_base_url(value: object) -> str:
    """Return the URL without a trailing slash. Raises ValueError for one that a key should not be sent to."""
    url, parts = _split(value, ("https", "http"))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            "plain http would show the key to the network: use https (http is for loopback addresses such as 127.0.0.1)"
        )
    return url


def parse_proxy(value: object) -> str:
    """Return the URL of an HTTP proxy. Raises ValueError."""
    url, parts = _split(value, ("http", "https"))
    if parts.path.strip("/"):
        raise ValueError("a proxy has no path: use http://host:port")
    return url


def is_loopback(host: str) -> bool:
    """Tell whether this name or IP address, without brackets, is the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == _LOOPBACK_NAME


def _split(value: object, schemes: tuple[str, ...]) -> tuple[str, SplitResult]:
    if not isinstance(value, str):
        raise ValueError("expects a URL")  # noqa: TRY004 - pydantic collects ValueError
    text = value.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL: use https://host[:port]/path") from None
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("is not a URL: use https://host[:port]/path in plain ASCII")
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(
            f"expects a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds credentials: leave out what stands before the @")
    if parts.query or parts.fragment:
        raise ValueError("ends with a query or a fragment: leave out what follows ? or #")
    return text.rstrip("/"), parts
