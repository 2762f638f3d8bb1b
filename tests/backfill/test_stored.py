"""What a receiver's answers to queries count as."""

import asyncio

import httpx
import pytest

from exporter.backfill import Stored

SERIES = b'{"metric": {"__name__": "openai_cost_usd"}, "value": [1, "2"]}'


def counted(content: bytes, headers: dict[str, str], status: int = 200) -> tuple[dict[str, int], list[str]]:
    """Ask about a metric that is stored; return the counts that this answer stands for, by job, and the reports."""
    reports: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if b"count_over_time" in request.content:
            return httpx.Response(status, content=content, headers=headers)
        return httpx.Response(200, content=b'{"data": {"result": [%b]}}' % SERIES)

    async def ask() -> dict[str, int]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            stored = Stored("http://receiver/api/v1/query", client, {"job": "openai"}, reports.append)
            await stored.begin(0, 100)
            found = await stored.counts("openai_cost_usd")
            return {dict(key).get("job", ""): count for key, count in found.items()}

    return asyncio.run(ask()), reports


def test_counts() -> None:
    """The samples of each series are counted, whatever else the answer has."""
    content = b'{"status": "success", "data": {"result": [{"metric": {"job": "a"}, "value": [1.5, "7"], "x": 1}]}}'

    assert ({"a": 7}, []) == counted(content, {})


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"null", b"\xff\xfe{\x00}\x00", b"[" * 100_000, b"9" * 5000),
        *(b'{"data": {"result": %b}}' % each for each in (b"null", b"5", b'"abc"', b'{"a": 1}', b"[1]", b"[{}]")),
        b'{"data": {"result": [], "x": %b}}' % (b"[" * 100_000),
        *(b'{"data": {"result": [{"metric": %b, "value": [1, "1"]}]}}' % each for each in (b"null", b'{"a": {}}')),
        *(
            b'{"data": {"result": [{"metric": {}, "value": %b}]}}' % each
            for each in (b"null", b"[]", b"[1, 5]", b'[1, "x"]', b'[1, "NaN"]', b'[1, "1e400"]', b'[1, "0.5"]')
        ),
    ],
    ids=lambda content: content[:60].decode(errors="replace"),
)
def test_an_answer_that_makes_no_sense(content: bytes) -> None:
    """Nothing counts as stored, and that is said once."""
    counts, reports = counted(content, {})

    assert {} == counts
    assert ["samples that are stored already are not recognised" in report for report in reports] == [True]


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "idna", "undefined", '"a\x00b"'])
def test_a_refusal_in_an_odd_charset(charset: str) -> None:
    """A refusal is shown as UTF-8, whatever it says of itself."""
    counts, reports = counted(b"\x1b[31mno", {"Content-Type": f"text/plain; charset={charset}"}, 500)

    assert {} == counts
    assert "http://receiver/api/v1/query: 500 [31mno: samples" in reports[0]
