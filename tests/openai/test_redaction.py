"""Secrets that the API or the network repeats, in every field and encoding."""

import json
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from exporter.openai import errors
from exporter.openai.client import Client
from exporter.openai.rate_limiter import Priority
from exporter.redaction import redact, register_secret
from tests.support.clock import ManualClock, run
from tests.support.scripted_api import TODAY, Api, bucket, client, cost, embeddings, encoded, ok, page, plan

SECRET = "hunter2/Tr0ub4dor&3"


def escaped(text: str) -> str:
    """Return JSON that spells every character as an escape sequence."""
    return "".join(f"\\u{ord(char):04x}" for char in text)


SPELLINGS: list[Callable[[str], str]] = [
    lambda text: json.dumps(text)[1:-1],
    escaped,
    lambda text: text.replace("/", "\\/"),
    lambda text: text.upper(),
    lambda text: quote(text, safe=""),
    lambda text: f"Bearer {text}",
    lambda text: f"x{text}y",
]


def asking(answer: httpx.Response) -> Client:
    """Return a client with the secret as its key, of an API that gives this answer."""
    return client(Api(answer), ManualClock(), key=lambda: SECRET)


def hidden(text: str) -> bool:
    """Return whether neither the secret nor a spelling of it is in a text."""
    return "hunter2" not in text.lower() and "tr0ub4dor" not in text.lower()


@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_in_a_dimension_never_becomes_a_label(spell: Callable[[str], str]) -> None:
    """The row counts under a label without the secret; other labels stay as they are."""
    body = encoded(page(bucket(TODAY, embeddings(1, model="HERE"), embeddings(2, model="disk-usage"))))
    answer = httpx.Response(200, content=body.replace(b"HERE", spell(SECRET).encode()))
    found = run(asking(answer).poll(plan("embeddings"), TODAY, due=0.0, priority=Priority.USAGE))
    rows = (found.buckets[0].rows or ())[0]

    assert [1.0, 2.0] == [values[0] for _, values in rows]
    assert hidden(str(rows))
    assert "disk-usage" == rows[1][0][1]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_secret_in_a_name_is_never_read(spell: Callable[[str], str]) -> None:
    """Objects of lists and single objects come without it."""
    body = b'{"data": [{"id": "proj_1", "name": "HERE"}], "name": "HERE"}'.replace(b"HERE", spell(SECRET).encode())
    asked = asking(httpx.Response(200, content=body))
    more = {"resource": "projects", "priority": Priority.NAMES, "due": 0.0}
    content = run(asked.get_json("projects", **more))  # type: ignore[arg-type]

    assert hidden(str(content))
    assert "proj_1" == content["data"][0]["id"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://hunter2/Tr0ub4dor&3"}),
        httpx.Response(302, headers={"location": f"https://{SECRET}.test/x"}),
        httpx.Response(302, headers={"location": f"/{quote(SECRET)}"}),
        httpx.Response(500, headers={"x-request-id": SECRET}, content=b"x"),
        httpx.Response(200, headers={"content-encoding": SECRET}, content=b"{}"),
        httpx.Response(200, content=f"<html>{SECRET}".encode()),
        httpx.Response(200, content=f"{SECRET} {{".encode()),
        ok(page(object=SECRET)),
        ok(page(bucket(TODAY, cost() | {"object": SECRET}))),
        ok(page(bucket(TODAY) | {"object": SECRET})),
        ok(page(has_more=SECRET)),
        ok({SECRET: 5}),
    ],
)
def test_a_secret_never_gets_into_an_error(answer: httpx.Response) -> None:
    """Errors of redirects, headers and bodies, and their advice, do not contain it."""
    asked = asking(answer)
    clock = ManualClock()
    with pytest.raises(errors.UpstreamError) as caught:
        run(
            clock.run(
                client(Api(answer), clock, key=lambda: SECRET).poll(
                    plan("costs"), TODAY, due=0.0, priority=Priority.COSTS
                )
            )
        )
    error = caught.value

    assert hidden(f"{error} {error!r} {error.advice} {vars(error)} {asked!r}")


def test_a_secret_as_the_organization_is_not_kept() -> None:
    """The header `openai-organization` is redacted before anything compares or logs it."""
    answer = ok(page(bucket(TODAY)), **{"openai-organization": SECRET})
    found = run(asking(answer).poll(plan("costs"), TODAY, due=0.0, priority=Priority.COSTS))

    assert hidden(found.organization)


def test_a_secret_that_is_no_text_is_redacted_like_others() -> None:
    """It can be registered, is removed where it is repeated, and so are secrets that follow it."""
    secret = "no-text-\udcff"
    register_secret(secret)
    register_secret(f"{secret}-next")

    assert "a *** b ***" == redact(f"a {secret} b {secret}-next")
