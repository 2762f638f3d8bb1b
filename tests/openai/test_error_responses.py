"""From answers that are not 200 to errors."""

from collections.abc import Callable

import pytest

from exporter.openai import errors
from exporter.openai.error_responses import classify, excerpt
from exporter.openai.errors import UpstreamError
from exporter.redaction import register_secret
from exporter.telemetry import ERROR_REASONS
from tests.support.scripted_api import KEY, encoded

INSUFFICIENT = "You have insufficient permissions for this operation. Missing scopes: api.usage.read. Check your role."


def _tree(kind: type[UpstreamError]) -> list[type[UpstreamError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": "Incorrect API key provided", "code": "invalid_api_key"}, errors.Unauthorized),
        (403, {"message": INSUFFICIENT, "type": "server_error"}, errors.MissingScopes),
        (403, INSUFFICIENT, errors.MissingScopes),
        (401, INSUFFICIENT, errors.MissingScopes),
        (403, {"message": "Country, region, or territory not supported"}, errors.Forbidden),
        (404, {"message": "Invalid URL (GET /v1/x)", "param": None, "code": None}, errors.NotFound),
        (408, {}, errors.Timeout),
        (409, {}, errors.ServerError),
        (429, {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}, errors.RateLimited),
        (429, {"type": "rate_limit_error", "code": "slow_down"}, errors.RateLimited),
        (429, {"code": "insufficient_quota"}, errors.BillingLimit),
        (429, {"type": "insufficient_quota"}, errors.BillingLimit),
        (429, {"code": "organization_spend_limit_exceeded"}, errors.BillingLimit),
        (400, {"message": "Invalid 'limit'", "param": "limit"}, errors.BadRequest),
        (422, {}, errors.BadRequest),
        (500, {"message": "The server had an error"}, errors.ServerError),
        (502, "bad gateway", errors.ServerError),
        (503, {"type": "service_unavailable_error", "code": "server_is_overloaded"}, errors.Overloaded),
        (302, {}, errors.Redirected),
        (204, {}, errors.InvalidResponse),
    ],
)
def test_every_refusal_has_its_name(status: int, error: object, kind: type[UpstreamError]) -> None:
    """Status and body together determine the error."""
    assert kind is type(classify(status, {}, encoded({"error": error})))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (encoded({"error": {"message": "in an object"}}), "in an object"),
        (encoded({"error": {"code": "only_a_code"}}), "only_a_code"),
        (encoded({"error": "a plain string"}), "a plain string"),
        (encoded({"detail": "elsewhere"}), '{"detail": "elsewhere"}'),
        (b"<html><head><title>502 Bad\n Gateway</title></head>" + b"<p>" * 5000, "502 Bad Gateway"),
        (b"upstream connect error", "upstream connect error"),
        (b"[" * 100_000, "[" * 197 + "..."),
        (b"\xff\xfe\x00", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"", "no explanation with HTTP 500"),
        (encoded({"error": None}), '{"error": null}'),
        (encoded({"error": {"message": 5}}), "no explanation with HTTP 500"),
    ],
)
def test_the_message_is_found_in_every_form_of_body(body: bytes, message: str) -> None:
    """An object, a plain string, HTML, text and nothing all give a short line."""
    assert message == classify(500, {}, body).message


def test_missing_scopes_are_named() -> None:
    """All missing scopes are reported, and the advice repeats them."""
    error = classify(403, {}, encoded({"error": "Missing scopes: api.usage.read, api.management.read."}))

    assert isinstance(error, errors.MissingScopes)
    assert ("api.usage.read", "api.management.read") == error.scopes
    assert "api.usage.read and api.management.read" in error.advice


def test_scopes_without_end_are_cut() -> None:
    """The advice stays one short line, whatever the refusal says."""
    scopes = ", ".join(f"api.scope_{chr(97 + n % 26)}.{'x' * (n % 60)}a" for n in range(10_000))
    error = classify(403, {}, encoded({"error": f"Missing scopes: {scopes}"}))

    assert isinstance(error, errors.MissingScopes)
    assert len(error.advice) < 600


def test_a_bad_request_says_which_parameter() -> None:
    """The refused parameter is kept and named in the advice."""
    body = {"error": {"message": "no", "param": "group_by", "code": "unsupported"}}
    error = classify(400, {"x-request-id": "req_1"}, encoded(body))

    assert isinstance(error, errors.BadRequest)
    assert ("group_by", "unsupported") == (error.param, error.code)
    assert "group_by" in error.advice
    assert str(error) == "no (HTTP 400, req_1)"


def test_a_redirect_names_its_host() -> None:
    """The host of a redirect is reported, its path and secrets are not."""
    error = classify(301, {"location": "https://user:hidden@elsewhere.test/login?next=hidden"}, b"")

    assert error.message == "a redirect to https://elsewhere.test"


@pytest.mark.parametrize("location", ["", "http://[broken"])
def test_a_redirect_may_point_nowhere(location: str) -> None:
    """A redirect without a usable target is a redirect still."""
    assert classify(301, {"location": location}, b"").message == "a redirect to nowhere"


@pytest.mark.parametrize(
    ("status", "pause"), [(429, 7.0), (503, 7.0), (500, 7.0), (408, 7.0), (401, None), (400, None)]
)
def test_a_pause_is_kept_where_asking_again_helps(status: int, pause: float | None) -> None:
    """`Retry-After` means something only with errors that can pass."""
    assert pause == classify(status, {"retry-after": "7"}, encoded({"error": "no"})).retry_after


@pytest.mark.parametrize("body", [b"", b"<html><title>Denied</title></html>", b'{"detail": "no"}', b'{"error": null}'])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 421])
def test_a_4xx_without_an_error_of_the_api_is_retried_like_a_502(status: int, body: bytes) -> None:
    """An error of a gateway or a firewall is temporary, and says nothing about the key."""
    error = classify(status, {"retry-after": "7"}, body)
    explained = classify(status, {"retry-after": "7"}, encoded({"error": "no"}))
    reason = "gateway" if status in {401, 403} else explained.reason

    assert (True, True, False, 7.0) == (error.from_gateway, error.retryable, error.needs_human, error.retry_after)
    assert (False, reason) == (explained.retryable, error.reason)
    assert ("not OpenAI's" in error.advice) == (status in {401, 403})


def test_a_billing_limit_is_not_retried() -> None:
    """An account without credit needs a human."""
    error = classify(429, {"retry-after": "7"}, encoded({"error": {"code": "insufficient_quota"}}))

    assert (False, True, None) == (error.retryable, error.needs_human, error.retry_after)


@pytest.mark.parametrize("kind", _tree(UpstreamError)[1:])
def test_every_error_has_a_reason_and_advice(kind: Callable[..., UpstreamError]) -> None:
    """Every error has a known reason and an advice."""
    scoped = kind in {errors.MissingScopes, errors.LegacyClosed}
    error = kind("no", ("api.usage.read",), status=403) if scoped else kind("no")

    assert error.reason in ERROR_REASONS
    assert error.advice.endswith(".")


def test_every_reason_is_used() -> None:
    """Every value of the label `reason` is used."""
    assert set(ERROR_REASONS) == {kind.reason for kind in _tree(UpstreamError)[1:]} | {classify(403, {}, b"").reason}


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        f"header was 'Authorization: Bearer {KEY}'",
        "custom-gateway-token is unknown",
        "CUSTOM-gateway-TOKEN is unknown",
        "Missing scopes: custom-gateway-token, api.usage.read",
    ],
)
def test_no_secret_survives_in_an_error(text: str) -> None:
    """Neither a registered secret nor anything that looks like a key is repeated, by any field of any error."""
    register_secret("custom-gateway-token")
    body = encoded({"error": {"message": text, "param": text, "code": text}})
    bodies = [body, encoded({"error": text}), text.encode(), f"<title>{text}</title>".encode()]
    headers = [{"location": text}, {"location": f"https://{text}/"}, {"x-request-id": text}]
    found = [
        classify(status, header, each)
        for status in (301, 400, 401, 403, 404, 500)
        for each in bodies
        for header in headers
    ]
    shown = " ".join(f"{error!r} {error} {error.advice} {vars(error)}" for error in found).lower()

    assert KEY.lower() not in shown
    assert "custom" not in shown


def test_a_request_id_that_is_none_is_left_out() -> None:
    """Only something that looks like an id is repeated."""
    assert classify(500, {"x-request-id": "a b\n" * 50}, b"x").request_id == ""


def test_an_excerpt_is_one_short_line() -> None:
    """Control characters and length are cut."""
    text = excerpt("a\x1b[31m\nb\t" + "c" * 500)

    assert text.startswith("a [31m b c")
    assert len(text) == 200
