"""Files of `web.config.file` that can, and that cannot, be used."""

import os
import subprocess
from pathlib import Path

import pytest

from exporter.web.security import Security
from exporter.web.webconfig import WebConfigError, read_web_config
from tests.support.certificates import Authority, Pair

_HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
_COSTLY = _HASH.replace("$10$", "$31$")
_PAIR = "cert_file: server.crt, key_file: server.key"

_NO_SUCH_VALUE = "holds a number, date, boolean or character that does not exist"
_BAD = {
    "junk": ("hWkNKCp3fvIx3jKnsaBI TuEjdwNS8A2vYdFbiKqr", "Expected `object`, got `str`"),
    "a list": ("[a]", "Expected `object`, got `array`"),
    "unclosed": ("tls_server_config: {", "is not valid YAML at line 1"),
    "control characters": ("a: \x07", "is not valid YAML"),
    "unknown section": ("tls_config: {}", "unknown field `tls_config`"),
    "unknown key": ("tls_server_config: {cert_filse: server.crt}", "unknown field `cert_filse`"),
    "a section twice": ("rate_limit: {}\nrate_limit: {}", "a name is given twice at line 2"),
    "a user twice": (f"basic_auth_users:\n  a: {_HASH}\n  a: {_HASH}", "a name is given twice at line 3"),
    "no certificate": ("tls_server_config: {key_file: server.key}", "missing one of cert or cert_file"),
    "empty certificate": ('tls_server_config: {cert: "", key_file: server.key}', "missing one of cert or cert_file"),
    "no key": ("tls_server_config: {cert_file: server.crt}", "missing one of key or key_file"),
    "empty key": ('tls_server_config: {cert_file: server.crt, key: ""}', "missing one of key or key_file"),
    "empty files": ('tls_server_config: {cert_file: "", key_file: ""}', "missing one of cert or cert_file"),
    "versions alone": ("tls_server_config: {min_version: TLS13}", "missing one of cert or cert_file"),
    "certificate twice": (
        "tls_server_config: {cert: x, cert_file: server.crt, key_file: server.key}",
        "both cert and cert_file are given",
    ),
    "absent certificate": ("tls_server_config: {cert_file: somefile, key_file: server.key}", "somefile cannot be read"),
    "absent key": ("tls_server_config: {cert_file: server.crt, key_file: somefile}", "key_file: .*somefile cannot be"),
    "a key of another": (
        "tls_server_config: {cert_file: server.crt, key_file: other.key}",
        "do not belong together: KEY_VALUES_MISMATCH",
    ),
    "no PEM": ("tls_server_config: {cert_file: web.yml, key_file: server.key}", "cannot be used"),
    "an encrypted key": ("tls_server_config: {cert_file: server.crt, key_file: encrypted.key}", "the key is encrypted"),
    "an authority without a policy": (
        f"tls_server_config: {{{_PAIR}, client_ca_file: server.crt}}",
        "have no effect without a client_auth_type",
    ),
    "names without a policy": (
        f"tls_server_config: {{{_PAIR}, client_allowed_sans: [a]}}",
        "have no effect without a client_auth_type",
    ),
    "a policy without an authority": (
        f"tls_server_config: {{{_PAIR}, client_auth_type: RequireAndVerifyClientCert}}",
        "needs a client_ca_file",
    ),
    "an absent authority": (
        f"tls_server_config: {{{_PAIR}, client_ca_file: absent, client_auth_type: VerifyClientCertIfGiven}}",
        r"client_ca_file: .*/absent cannot be read",
    ),
    "an empty authority": (
        f"tls_server_config: {{{_PAIR}, client_ca_file: {__file__}, client_auth_type: VerifyClientCertIfGiven}}",
        "the client CA holds no certificate",
    ),
    "an empty inline authority": (
        f"tls_server_config: {{{_PAIR}, client_ca: junk, client_auth_type: VerifyClientCertIfGiven}}",
        "the client CA holds no certificate",
    ),
    "unverified clients": (
        f"tls_server_config: {{{_PAIR}, client_auth_type: RequireAnyClientCert}}",
        "RequireAnyClientCert does not verify certificates and is not supported",
    ),
    "an unknown policy": (f"tls_server_config: {{{_PAIR}, client_auth_type: x}}", "client_auth_type: 'x' is not supp"),
    "an unknown version": (f"tls_server_config: {{{_PAIR}, min_version: TLS111}}", "use TLS12, TLS13"),
    "an old version": (f"tls_server_config: {{{_PAIR}, min_version: TLS10}}", "'TLS10' is not supported: use TLS12"),
    "versions upside down": (
        f"tls_server_config: {{{_PAIR}, min_version: TLS13, max_version: TLS12}}",
        "min_version is above max_version",
    ),
    "an invented suite": (
        f"tls_server_config: {{{_PAIR}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]}}",
        "cipher_suites: .* use TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    "an invented curve": (
        f"tls_server_config: {{{_PAIR}, curve_preferences: [CurveP257]}}",
        "'CurveP257' is not supported: use CurveP256",
    ),
    "several curves": (
        f"tls_server_config: {{{_PAIR}, curve_preferences: [X25519, CurveP256]}}",
        "only one curve can be given",
    ),
    "another header": ("http_server_config: {headers: {Content-Type: foo}}", "'Content-Type' cannot be set: only"),
    "content sniffing": (
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        "X-Content-Type-Options is nosniff, not 'sniff'",
    ),
    "another frame option": (
        "http_server_config: {headers: {X-Frame-Options: foo}}",
        "X-Frame-Options is deny or sameorigin, not 'foo'",
    ),
    "a header in two lines": (
        'http_server_config: {headers: {Content-Security-Policy: "a\\nSet-Cookie: b"}}',
        "holds what a header cannot carry",
    ),
    "a password that is no hash": ("basic_auth_users: {john: doe}", "the value of 'john' is not a bcrypt hash"),
    "a hash that no bcrypt makes": (f"basic_auth_users: {{a: {_HASH[:28]}z{_HASH[29:]}}}", "is not a bcrypt hash"),
    "a user that is no text": (f"basic_auth_users: {{1: {_HASH}}}", "Expected `str`, got `int`"),
    "a rate without burst": ("rate_limit: {interval: 1s}", "rate_limit.burst: must be at least 1"),
    "a rate without a unit": ("rate_limit: {interval: 1, burst: 1}", "rate_limit.interval: expects a duration such as"),
    "a negative rate": ("rate_limit: {interval: -1s, burst: 1}", "rate_limit.interval: expects a duration such as"),
    "HTTP/2": ("http_server_config: {http2: true}", "HTTP/2 is not supported.* leave it out"),
    "an expensive hash": (
        f"basic_auth_users: {{a: {_HASH.replace('$10$', '$31$')}}}",
        "has cost 31, .* use at most 14",
    ),
    "deep lists": ("[" * 100_000, "nested deeper than 8 levels"),
    "deep mappings": ("{a: " * 1000, "nested deeper than 8 levels"),
    "deep indentation": ("".join(" " * n + "a:\n" for n in range(200)), "nested deeper than 8 levels"),
    "a bomb of aliases": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors and aliases are not supported at line 1"),
    "an anchor of itself": ("&a [*a]", "anchors and aliases are not supported"),
    "a number without end": ("a: " + "9" * 5000, _NO_SUCH_VALUE),
    "a number in base 60": ("a: 1" + ":1" * 60_000, _NO_SUCH_VALUE),
    "half a character": ('tls_server_config: {cert_file: "\\ud800", key_file: c}', _NO_SUCH_VALUE),
    "a path that is none": ('tls_server_config: {cert_file: "a\\0b", key_file: c}', "cert_file: is not the path of a"),
    "an authority that is no ASCII": (
        f"tls_server_config: {{{_PAIR}, client_ca: é, client_auth_type: VerifyClientCertIfGiven}}",
        "the client CA holds no certificate",
    ),
    "a burst beyond any": (f"rate_limit: {{interval: 1ms, burst: {'9' * 400}}}", "burst: must be at most 1000000"),
    "a hexadecimal burst": (f"rate_limit: {{interval: 1ms, burst: 0x{'f' * 900}}}", "burst: must be at most 1000000"),
    "a burst in base 60": (f"rate_limit: {{interval: 1ms, burst: 1{':1' * 400}}}", "burst: must be at most 1000000"),
    "a burst of many digits": (f"rate_limit: {{interval: 1ms, burst: 0b{'1' * 4000}}}", _NO_SUCH_VALUE),
    "a date that is none": ("a: 2001-99-99", _NO_SUCH_VALUE),
    "a text tagged as a date": ("a: !!timestamp x", _NO_SUCH_VALUE),
    "a text tagged as a boolean": ("a: !!bool x", _NO_SUCH_VALUE),
    "no number, tagged as one": ("a: !!int ''", _NO_SUCH_VALUE),
    "a list as a key": ("? [a]\n: b", "is not valid YAML"),
    "an unknown tag": ("!!python/object/apply:os.system [id]", "is not valid YAML"),
    "a large file": ("#" * (129 << 10), "is larger than 128 KiB"),
    "many keys": ("".join(f"k{n}: 1\n" for n in range(12_000)), "unknown field"),
}

_GOOD = {
    "nothing": "",
    "a comment": "# nothing yet",
    "empty sections": "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n",
    "no rate limit": "rate_limit: {interval: 0, burst: 0}",
    "HTTP/2 off": "http_server_config: {http2: false}",
    "a rate limit": "rate_limit: {interval: 1m30.5s, burst: 20}",
    "every suite": f"tls_server_config: {{{_PAIR}, cipher_suites: [TLS_AES_128_GCM_SHA256]}}",
    "TLS 1.3 only": f"tls_server_config: {{{_PAIR}, min_version: TLS13, curve_preferences: [X25519]}}",
    "nulls": f"tls_server_config: {{{_PAIR}, client_ca_file: , min_version: }}",
    "a quoted null": "http_server_config: {headers: }",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the files that the configurations name."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder)
    pair: Pair = authority.issue("server")
    authority.issue("other")
    subprocess.run(
        ["openssl", "ec", "-in", str(pair.key), "-aes128", "-passout", "pass:x", "-out", str(folder / "encrypted.key")],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize(("text", "words"), _BAD.values(), ids=_BAD.keys())
def test_bad_files_are_refused_in_words(folder: Path, text: str, words: str) -> None:
    """Each is refused, with a message that begins with the file's name and says what is wrong."""
    path = folder / "web.yml"
    path.write_text(text)

    with pytest.raises(WebConfigError, match=words) as refusal:
        Security(path)

    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", _GOOD.values(), ids=_GOOD.keys())
def test_good_files_are_taken(folder: Path, text: str) -> None:
    """Each can be used."""
    path = folder / "web.yml"
    path.write_text(text)

    assert ("tls_server_config: {" in text) is (Security(path).tls_context() is not None)


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    """Neither an absent file nor one that is no text is taken for an empty one."""
    binary = folder / "binary"
    binary.write_bytes(b"\xff\xfe\xfd")
    os.mkfifo(folder / "pipe")
    for path, words in (
        (folder / "absent", "No such file"),
        (folder, "not a regular file"),
        (binary, "not UTF-8"),
        (folder / "pipe", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(WebConfigError, match=words):
            read_web_config(path)


def test_secrets_are_not_shown(folder: Path) -> None:
    """Neither errors nor representations hold a key or a hash."""
    path = folder / "web.yml"
    path.write_text(f"tls_server_config: {{cert: x, key: hush-hush, cert_file: y}}\nbasic_auth_users: {{a: {_HASH}}}")
    with pytest.raises(WebConfigError) as refusal:
        Security(path)
    assert "hush" not in str(refusal.value)

    path.write_text(f"tls_server_config: {{cert_file: server.crt, key: hush-hush}}\nbasic_auth_users: {{a: {_HASH}}}")
    config = read_web_config(path)
    for shown in (repr(config), repr(config.tls), str(config)):
        assert "hush" not in shown
        assert _HASH not in shown
