"""TLS contexts from the settings of `web.config.file`, and which client certificates are accepted."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from typing import Any, Final

from exporter.files import open_regular
from exporter.web.webconfig import CIPHERS, CURVES, Tls, WebConfigError

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of a server with these settings. Raises WebConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if suites := ":".join(filter(None, (CIPHERS[suite] for suite in tls.cipher_suites))):
        context.set_ciphers(suites)
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    _load_certificate(context, tls)
    _load_authority(context, tls)
    context.verify_mode = _VERIFY[tls.client_auth_type]
    return context


def admitted(certificate: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Return whether a verified client certificate, as returned by `getpeercert`, has one of the alternative names.

    Without a certificate there is nothing to compare: whether one is required is decided by the handshake.
    """
    if not allowed or not certificate:
        return True
    names = {_spelled(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    return any(name in names for name in allowed)


def _spelled(kind: str, name: str) -> str:
    """Return the name in its usual notation: ssl writes IPv6 addresses differently."""
    return str(ip_address(name.strip())) if kind == "IP Address" else name


def _load_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    with ExitStack() as open_files:
        certificate = tls.cert_file or open_files.enter_context(_in_memory(tls.cert))
        key = tls.key_file or open_files.enter_context(_in_memory(tls.key))
        for name, path in (("cert_file", certificate), ("key_file", key)):
            _readable(name, path)
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            raise WebConfigError(
                f"tls_server_config: certificate and key cannot be used, or do not belong together: {error.reason}"
            ) from None
        except ValueError:
            raise WebConfigError("tls_server_config: the key is encrypted, which is not supported") from None


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """Give text a path, because ssl reads only files, without writing a key to disk."""
    descriptor = os.memfd_create("pem")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - there is no path yet
        file.write(text.encode())
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _load_authority(context: ssl.SSLContext, tls: Tls) -> None:
    try:
        if tls.client_ca_file:
            _readable("client_ca_file", tls.client_ca_file)
            context.load_verify_locations(cafile=tls.client_ca_file)
        elif tls.client_ca:
            context.load_verify_locations(cadata=tls.client_ca)
    except WebConfigError:
        raise
    except (ssl.SSLError, ValueError, TypeError):
        raise WebConfigError("tls_server_config: the client CA holds no certificate") from None


def _no_password() -> str:
    raise ValueError


def _readable(name: str, path: str) -> None:
    try:
        open_regular(path).close()
    except OSError as error:
        raise WebConfigError(f"tls_server_config.{name}: {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise WebConfigError(f"tls_server_config.{name}: is not the path of a file") from None
