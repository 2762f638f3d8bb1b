"""The client against an API at transport level."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import msgspec
import pytest

from exporter.catalog import DAY, HOUR, Pagination, Plan, PollResult
from exporter.openai import errors
from exporter.openai.client import Client
from exporter.openai.listing import MAX_PAGES, MAX_ROWS
from exporter.openai.rate_limiter import Priority
from exporter.openai.responses import MAX_LABEL_BYTES
from exporter.openai.throttle import Throttle
from tests.support.clock import ManualClock, run
from tests.support.scripted_api import (
    KEY,
    TODAY,
    Api,
    Journal,
    bucket,
    client,
    cost,
    embeddings,
    ok,
    page,
    plan,
    refusal,
)

T = TypeVar("T")


class Owner(msgspec.Struct, frozen=True):
    """A nested object of a list."""

    type: str | None = None


class Project(msgspec.Struct, frozen=True):
    """An object of a list."""

    id: str
    name: str | None = None
    status: str | None = None


class ApiKey(msgspec.Struct, frozen=True):
    """An object of a list, with numbers and an object in it."""

    id: str
    name: str | None = None
    last_used_at: float | None = None
    expires_at: float | None = None
    owner: Owner | None = None


EMBEDDINGS = plan("embeddings")
EMPTY = ok(page())


def _poll(asked: Client, clock: ManualClock, of: Plan = EMBEDDINGS, start: int = TODAY) -> PollResult:
    return run(clock.run(asked.poll(of, start, due=0.0, priority=Priority.USAGE)))


def _fails(api: Api, of: Plan = EMBEDDINGS, start: int = TODAY) -> errors.UpstreamError:
    clock = ManualClock()
    with pytest.raises(errors.UpstreamError) as caught:
        _poll(client(api, clock), clock, of, start)
    return caught.value


def test_a_request_is_what_openai_asks_for() -> None:
    """Path below the base URL's own, bracketed arrays, a bare boolean, an explicit limit, no end."""
    api = Api(EMPTY)
    clock = ManualClock()
    filters = [("project_ids", "proj_1"), ("project_ids", "proj_2"), ("batch", "true"), ("models", "a, b")]
    asked = client(api, clock, base_url="https://gateway.test/openai/v1/", organization_id="org-1")
    _poll(asked, clock, plan("completions", filters=filters), TODAY - 2 * DAY)
    request = api.requests[0]

    assert request.url.path == "/openai/v1/organization/usage/completions"
    assert [
        ("start_time", str(TODAY - 2 * DAY)),
        ("bucket_width", "1d"),
        ("limit", "3"),
        ("group_by[]", "project_id"),
        ("group_by[]", "model"),
        ("group_by[]", "batch"),
        ("project_ids[]", "proj_1"),
        ("project_ids[]", "proj_2"),
        ("batch", "true"),
        ("models[]", "a, b"),
    ] == request.url.params.multi_items()
    assert (f"Bearer {KEY}", "org-1", "application/json", "gzip") == tuple(
        request.headers[name] for name in ("authorization", "openai-organization", "accept", "accept-encoding")
    )
    assert request.headers["user-agent"].startswith("openai-usage-exporter/")


def test_cursors_are_followed_and_encoded() -> None:
    """Pages become one result, in the order of time; a cursor is sent back unchanged."""
    api = Api(
        ok(page(bucket(TODAY - DAY, embeddings(1)), next_page="page_A+/B=&c")),
        ok(page(bucket(TODAY, embeddings(2))), **{"openai-organization": "org-1"}),
    )
    clock = ManualClock()
    answer = _poll(client(api, clock), clock, start=TODAY - DAY)

    assert [[], ["page_A+/B=&c"]] == api.asked("page")
    assert "page=page_A%2B%2FB%3D%26c" in str(api.requests[1].url)
    assert [["2"], ["2"]] == api.asked("limit")
    assert (TODAY - DAY, TODAY + DAY, "org-1", clock.now()) == (
        answer.start,
        answer.end,
        answer.organization,
        answer.received,
    )
    assert [TODAY - DAY, TODAY] == [found.start for found in answer.buckets]


@pytest.mark.parametrize(
    ("width", "start", "limit", "asked"),
    [
        ("1d", TODAY, "1", TODAY),
        ("1d", TODAY + 3661, "1", TODAY),
        ("1d", TODAY - 30 * DAY, "31", TODAY - 30 * DAY),
        ("1d", TODAY - 100 * DAY, "31", TODAY - 100 * DAY),
        ("1d", TODAY + 9 * DAY, "1", TODAY + 9 * DAY),
        ("1h", TODAY, "16", TODAY),
        ("1h", TODAY + HOUR + 1, "15", TODAY + HOUR),
        ("1m", TODAY - DAY, "1440", TODAY - DAY),
    ],
)
def test_the_limit_is_what_is_needed(width: str, start: int, limit: str, asked: int) -> None:
    """The start is floored to its bucket; the limit reaches to the open bucket, or as far as the API allows."""
    api = Api(EMPTY)
    clock = ManualClock()
    _poll(client(api, clock), clock, plan("embeddings", width=width), start)

    assert ([[str(asked)]], [[limit]]) == (api.asked("start_time"), api.asked("limit"))


def test_buckets_before_the_start_are_left_out() -> None:
    """Buckets that were not requested are not returned."""
    api = Api(ok(page(bucket(TODAY - DAY, embeddings(1)), bucket(TODAY, embeddings(2)))))
    clock = ManualClock()

    assert [TODAY] == [found.start for found in _poll(client(api, clock), clock).buckets]


def test_midnight_may_add_a_bucket() -> None:
    """A bucket that opened while the pages came is part of the answer; the end stays that of the beginning."""
    clock = ManualClock()

    def midnight(_: httpx.Request) -> httpx.Response:
        clock.pass_by(TODAY + DAY - clock.now())
        return ok(page(bucket(TODAY), bucket(TODAY + DAY, end=TODAY + DAY + 60)))

    answer = _poll(client(Api(midnight), clock), clock)

    assert (TODAY + DAY, [TODAY, TODAY + DAY]) == (answer.end, [found.start for found in answer.buckets])


def test_missing_buckets_are_for_the_ledger_to_see() -> None:
    """A response with a missing bucket is returned without it."""
    api = Api(ok(page(bucket(TODAY - 2 * DAY), bucket(TODAY))))
    clock = ManualClock()
    answer = _poll(client(api, clock), clock, start=TODAY - 2 * DAY)

    assert [TODAY - 2 * DAY, TODAY] == [found.start for found in answer.buckets]


def test_known_buckets_come_without_rows() -> None:
    """The digests of the last answer save reading the same bytes again."""
    api = Api(ok(page(bucket(TODAY, embeddings(1)))))
    clock = ManualClock()
    asked = client(api, clock)
    known = {found.start: found.digest for found in _poll(asked, clock).buckets}
    again = run(asked.poll(EMBEDDINGS, TODAY, due=0.0, priority=Priority.USAGE, known=known))

    assert [None] == [found.rows for found in again.buckets]


def test_a_currency_outside_the_response_is_not_forgotten() -> None:
    """An amount without a currency is not counted as dollars while any bucket that is known has another currency."""
    days = [
        bucket(TODAY - 5 * DAY, cost(2, "eur", project_id="a")),
        *(bucket(TODAY - day * DAY) for day in (4, 3, 2, 1)),
        bucket(TODAY, cost(1, project_id="b"), cost(10, None, project_id="c")),
    ]
    clock = ManualClock()
    asked = client(Api(ok(page(*days)), ok(page(*days[3:]))), clock)
    costs = plan("costs", group_by=["project_id"])
    whole = _poll(asked, clock, costs, TODAY - 5 * DAY)
    known = {each.start: each.digest for each in whole.buckets}
    work = asked.poll(costs, TODAY - 2 * DAY, due=0.0, priority=Priority.COSTS, known=known)
    recent = run(clock.run(work))
    dollars, others = ([("b",)], [("c", "unknown")])

    for result in (whole, recent):
        groups = result.buckets[-1].rows
        assert groups is not None
        assert [dollars, others] == [
            [labels for labels, values in group if values[0] is not None] for group in groups[:2]
        ]


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        (Api(ok(page(bucket(TODAY), has_more=True))), errors.MissingCursor),
        (Api(ok(page(bucket(TODAY), has_more=True, next_page=""))), errors.MissingCursor),
        (Api(ok(page(next_page="page_A"))), errors.RepeatedCursor),
        (Api(ok(page(next_page="A" * 70_000))), errors.InvalidResponse),
        (Api(ok(page(bucket(TODAY), bucket(TODAY)))), errors.DuplicateBucket),
        (Api(ok(page(bucket(TODAY), next_page="page_A"))), errors.DuplicateBucket),
        (Api(ok(page(*(bucket(TODAY - day * DAY) for day in range(8))))), errors.Endless),
        (Api(*(ok(page(next_page=f"page_{number}")) for number in range(9))), errors.Endless),
        (Api(ok(page(bucket(TODAY, cost())))), errors.WrongObject),
        (Api(httpx.Response(200, content=b"<html>")), errors.NotJson),
        (Api(httpx.Response(200, content=b'{"object":')), errors.Truncated),
        (Api(httpx.Response(200, content=b"{}", headers={"content-encoding": "br"})), errors.NotJson),
        (Api(httpx.Response(302, headers={"location": "https://elsewhere.test/v1"})), errors.Redirected),
        (Api(httpx.Response(204)), errors.InvalidResponse),
    ],
)
def test_chains_that_go_wrong_have_their_names(api: Api, kind: type[errors.UpstreamError]) -> None:
    """Nothing of a broken pagination is returned, and none of these is retried."""
    error = _fails(api, start=TODAY - 3 * DAY)

    assert (kind, "invalid_response", False) == (type(error), error.reason, error.retryable)
    assert {"/v1/organization/usage/embeddings"} == {request.url.path for request in api.requests}


def test_an_answer_that_makes_no_sense_keeps_its_origin() -> None:
    """The request id of a bad page can be reported to OpenAI."""
    error = _fails(Api(ok([], **{"x-request-id": "req_7"})))

    assert (200, "req_7") == (error.status, error.request_id)


@pytest.mark.parametrize(
    "failure",
    [
        refusal(500),
        refusal(502),
        refusal(503),
        refusal(408),
        refusal(409),
        refusal(429),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("gone"),
    ],
)
def test_a_temporary_failure_is_retried_three_times(failure: httpx.Response | Exception) -> None:
    """The page is requested again after 1, 2 and 4 seconds, then the poll fails; each attempt is reported."""
    clock = ManualClock()
    journal = Journal()
    api = Api(failure)
    began = clock.monotonic()
    with pytest.raises(errors.UpstreamError) as caught:
        _poll(client(api, clock, observer=journal), clock)

    assert (4, 7.0) == (len(api.requests), clock.monotonic() - began)
    assert ["embeddings"] * 4 == journal.requests == [name for name, _ in journal.errors]
    assert caught.value is journal.errors[-1][1]
    assert ([0.0] * 4, 4) == (journal.durations, len(journal.waits))


@pytest.mark.parametrize(
    "failure", [refusal(400), refusal(401), refusal(403), refusal(404), refusal(429, {"code": "insufficient_quota"})]
)
def test_a_permanent_failure_is_not_retried(failure: httpx.Response) -> None:
    """A refusal that needs a human, or another request, is final."""
    api = Api(failure)
    _fails(api)

    assert len(api.requests) == 1


def test_a_page_that_comes_at_last_is_good() -> None:
    """A chain survives failures on its way, and the retries of each page are its own."""
    stumbling: list[httpx.Response | Exception] = [httpx.ReadError("reset"), refusal(500), refusal(502)]
    api = Api(
        *stumbling,
        ok(page(bucket(TODAY - DAY), next_page="page_A")),
        *stumbling,
        ok(page(bucket(TODAY))),
    )
    clock = ManualClock()

    assert len(_poll(client(api, clock), clock, start=TODAY - DAY).buckets) == 2
    assert len(api.requests) == 8


def test_a_requested_pause_is_exact() -> None:
    """`Retry-After` of a 429 and of a 500 both decide when the next attempt is made."""
    api = Api(refusal(429, retry_after="90"), refusal(500, retry_after="7"), EMPTY)
    clock = ManualClock()
    began = clock.monotonic()
    _poll(client(api, clock), clock)

    assert clock.monotonic() - began == 97.0


def test_a_failure_that_pauses_nobody_waits_a_minute_at_most() -> None:
    """Only 429 and 503 may ask for more: another endpoint that fails must not be silent for a quarter of an hour."""
    api = Api(refusal(500, retry_after="900"), EMPTY)
    clock = ManualClock()
    began = clock.monotonic()
    _poll(client(api, clock), clock)

    assert clock.monotonic() - began == 60.0


def test_cookies_are_not_kept() -> None:
    """The API needs none, and a host that sets more and more of them would make every request larger."""
    api = Api(httpx.Response(200, json=page(), headers={"Set-Cookie": "a=b; Path=/"}), EMPTY)
    clock = ManualClock()
    asked = client(api, clock)
    _poll(asked, clock)
    _poll(asked, clock)

    assert [None, None] == [request.headers.get("Cookie") for request in api.requests]


def test_billing_limits_do_not_silence_the_organization() -> None:
    """An account without credit says nothing about the rate."""
    clock = ManualClock()
    throttle = Throttle(clock, 60)
    asked = client(Api(refusal(429, {"code": "insufficient_quota"})), clock, throttle=throttle)
    with pytest.raises(errors.BillingLimit):
        _poll(asked, clock)

    assert (60, None) == (throttle.requests_per_minute, throttle.paused_until)


def test_headers_reach_the_throttle() -> None:
    """The rate limit of the API is respected."""
    clock = ManualClock()
    throttle = Throttle(clock, 60)
    api = Api(
        ok(page(), **{"x-ratelimit-limit-requests": "30"}),
        ok(
            page(),
            **{
                "x-ratelimit-limit-requests": "20",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1m30s",
            },
        ),
    )
    asked = client(api, clock, throttle=throttle)
    _poll(asked, clock)
    _poll(asked, clock)

    assert (20, clock.now() + 90) == (throttle.requests_per_minute, throttle.paused_until)


def test_the_key_is_read_for_every_request() -> None:
    """A key that changes is used from the next request on."""
    keys = iter([KEY, "sk-admin-second\n"])
    api = Api(EMPTY)
    clock = ManualClock()
    asked = client(api, clock, key=lambda: next(keys))
    _poll(asked, clock)
    _poll(asked, clock)

    assert [f"Bearer {KEY}", "Bearer sk-admin-second"] == [request.headers["authorization"] for request in api.requests]


def _unreadable() -> str:
    raise PermissionError(13, "Permission denied", "/etc/key")


@pytest.mark.parametrize(
    "key", [lambda: "", lambda: " \n", lambda: "sk-admin-a\nsk-admin-b", lambda: "ключ", _unreadable]
)
def test_a_key_that_is_none_is_never_sent(key: Callable[[], str]) -> None:
    """Nothing, two lines, other alphabets and unreadable files are refused before the network, without showing them."""
    api = Api(EMPTY)
    clock = ManualClock()
    with pytest.raises(errors.Unauthorized) as caught:
        _poll(client(api, clock, key=key), clock)

    assert [] == api.requests
    assert "sk-" not in str(caught.value)


def test_the_key_is_nowhere_to_be_seen() -> None:
    """Neither errors nor representations show the key, even where the API or the network repeat it."""
    clock = ManualClock()
    echo = f"Bearer {KEY} {KEY}"
    answers: list[httpx.Response | Exception] = [
        refusal(401, {"message": echo, "code": echo}),
        refusal(400, {"message": echo, "param": echo}),
        refusal(403, echo),
        refusal(500, echo, **{"x-request-id": KEY}),
        httpx.Response(302, headers={"location": f"https://elsewhere.test/{KEY}"}),
        httpx.Response(302, headers={"location": f"/{KEY}"}),
        httpx.Response(200, content=echo.encode()),
        ok(page(object=echo)),
        ok(page(has_more=echo)),
        httpx.Response(200, content=b"{}", headers={"content-encoding": KEY}),
        httpx.LocalProtocolError(f"Illegal header value {echo}"),
    ]
    for answer in answers:
        asked = client(Api(answer), clock)
        with pytest.raises(errors.UpstreamError) as caught:
            _poll(asked, clock)
        error = caught.value
        shown = [str(error), repr(error), error.advice, str(vars(error)), repr(asked), repr(error.__cause__)]

        assert KEY not in " ".join(shown), answer


def test_an_oversized_page_halves_the_limit_for_a_day() -> None:
    """Fewer buckets a page until they fit; a day later the full page is tried again."""
    clock = ManualClock()
    large = "x" * 300

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("page", request.url.params["start_time"]))
        days = [start + day * DAY for day in range(int(request.url.params["limit"])) if start + day * DAY <= TODAY]
        more = str(days[-1] + DAY) if days[-1] < TODAY else None
        return ok(page(*(bucket(day, embeddings(project_id=large)) for day in days), next_page=more))

    api = Api(answer)
    journal = Journal()
    asked = client(api, clock, max_body=2000, observer=journal)
    first = _poll(asked, clock, start=TODAY - 9 * DAY)
    limits = [int(limit) for [limit] in api.asked("limit")]
    api.requests.clear()
    _poll(asked, clock, start=TODAY - 9 * DAY)
    second = [int(limit) for [limit] in api.asked("limit")]
    api.requests.clear()
    clock.pass_by(DAY)
    _poll(asked, clock, start=TODAY - 8 * DAY)

    assert [10, 5, 2, 2, 2, 2, 2] == limits
    assert [2] * 5 == second
    assert api.asked("limit")[0] == ["10"]
    assert len(first.buckets) == 10
    assert {errors.OversizedPage} == {type(error) for _, error in journal.errors}


def test_a_bucket_that_is_too_large_names_what_to_drop() -> None:
    """When one bucket alone does not fit, the error says which dimension to give up."""
    clock = ManualClock()
    asked = client(Api(ok(page(bucket(TODAY, *[embeddings()] * 50)))), clock, max_body=2000)
    with pytest.raises(errors.OversizedPage) as caught:
        _poll(asked, clock, start=TODAY - DAY)
    with pytest.raises(errors.OversizedPage) as ungrouped:
        _poll(asked, clock, plan("embeddings", group_by=[]))

    assert caught.value.advice == "Drop model from the resource's group_by, or raise api.max_body."
    assert "2000 bytes" in caught.value.message
    assert ungrouped.value.advice == "Raise api.max_body."


def test_the_clock_is_compared_with_the_servers() -> None:
    """The header `Date` of the last response gives the skew of this machine's clock."""
    clock = ManualClock()
    asked = client(Api(ok(page(), date="Wed, 18 Nov 2026 15:41:17 GMT"), EMPTY), clock)
    before = asked.skew
    _poll(asked, clock)
    _poll(asked, clock)

    assert (None, 60.0) == (before, asked.skew)


def test_waiting_in_the_queue_is_reported() -> None:
    """The seconds in the throttle are counted by resource."""
    clock = ManualClock()
    journal = Journal()
    asked = client(Api(EMPTY), clock, throttle=Throttle(clock, 60), observer=journal)
    for _ in range(12):
        _poll(asked, clock)

    assert [("embeddings", 0.0)] * 10 + [("embeddings", pytest.approx(1.0))] * 2 == journal.waits


def test_reading_is_handed_to_whoever_does_it() -> None:
    """Decoding goes through the given runner."""
    clock = ManualClock()
    ran: list[object] = []

    async def elsewhere(work: Callable[[], T], /) -> T:
        ran.append(work)
        return work()

    asked = Client(
        "https://api.test",
        lambda: KEY,
        throttle=Throttle(clock, 60),
        clock=clock,
        run=elsewhere,
        transport=httpx.MockTransport(Api(EMPTY)),
    )
    _poll(asked, clock)

    assert 1 == len(ran)


def _ask(api: Api, work: Callable[[Client], Awaitable[T]]) -> T:
    clock = ManualClock()
    return run(clock.run(work(client(api, clock))))


def _list(api: Api, style: Pagination) -> list[str]:
    rows = _ask(
        api,
        lambda asked: asked.listing(
            "organization/projects",
            [("include_archived", "true")],
            Project,
            style,
            100,
            resource="projects",
            priority=Priority.NAMES,
            due=0.0,
        ),
    )
    return [row.id for row in rows]


def _rows(*ids: object, **envelope: object) -> httpx.Response:
    return ok({"object": "list", "data": [{"id": name} for name in ids], **envelope})


@pytest.mark.parametrize(
    ("style", "first", "after"),
    [
        (Pagination.LAST_ID, _rows("a", "b", has_more=True, last_id="opaque"), "opaque"),
        (Pagination.LAST_ID, _rows("a", "b", has_more=True), "b"),
        (Pagination.LAST_ID, _rows("a", "b", has_more=True, last_id=None), "b"),
        (Pagination.LAST_ROW, _rows("a", "b", has_more=True, last_id="opaque"), "b"),
        (Pagination.NEXT, _rows("a", "b", has_more=True, next="further"), "further"),
    ],
)
def test_lists_are_paged_in_their_own_style(style: Pagination, first: httpx.Response, after: str) -> None:
    """The next page is requested in the style of the endpoint."""
    api = Api(first, _rows("c", has_more=False, last_id="c", next="ignored"))

    assert ["a", "b", "c"] == _list(api, style)
    assert [[], [after]] == api.asked("after")
    assert [["100"], ["100"]] == api.asked("limit")
    assert [["true"], ["true"]] == api.asked("include_archived")


@pytest.mark.parametrize(
    ("api", "style", "kind"),
    [
        (Api(_rows(has_more=True)), Pagination.LAST_ID, errors.MissingCursor),
        (Api(_rows(5, has_more=True)), Pagination.LAST_ROW, errors.MissingCursor),
        (Api(_rows("a", has_more=True, next=None)), Pagination.NEXT, errors.MissingCursor),
        (Api(_rows("a", has_more=True)), Pagination.LAST_ROW, errors.RepeatedCursor),
        (Api(_rows("a", has_more=True, last_id="a" * 70_000)), Pagination.LAST_ID, errors.InvalidResponse),
        (Api(*(_rows(str(n), has_more=True) for n in range(MAX_PAGES + 9))), Pagination.LAST_ROW, errors.Endless),
        (Api(_rows(*map(str, range(MAX_ROWS + 1)))), Pagination.LAST_ROW, errors.Endless),
        (Api(ok({"object": "page"})), Pagination.LAST_ROW, errors.InvalidResponse),
    ],
)
def test_lists_that_go_wrong_have_their_names(api: Api, style: Pagination, kind: type[errors.InvalidResponse]) -> None:
    """No part of an incomplete list is returned."""
    with pytest.raises(errors.InvalidResponse) as caught:
        _list(api, style)

    assert kind is type(caught.value)


ODD_ROWS: list[object] = [
    5,
    None,
    "key_x",
    [],
    {},
    {"id": 7, "name": "a number for an id"},
    {"id": "key_a", "name": ["odd"], "last_used_at": "1795000000", "expires_at": {}, "owner": 3},
    {"id": "key_b", "name": "b", "last_used_at": float("nan"), "expires_at": 1e300, "owner": {"type": 5}},
    {"id": "key_c", "name": "c", "last_used_at": 1795000000, "owner": {"type": "user", "more": 1}},
]


def test_an_odd_row_of_a_list_does_not_harm_the_others() -> None:
    """Fields of unexpected types are left out, rows without an id are dropped, and both are counted."""
    journal, clock = Journal(), ManualClock()
    asked = client(Api(ok({"data": ODD_ROWS, "has_more": None, "last_id": 5})), clock, observer=journal)
    rows = run(
        asked.listing(
            "keys", (), ApiKey, Pagination.LAST_ID, 100, resource="api_keys", priority=Priority.NAMES, due=0.0
        )
    )

    assert [
        ("key_a", None, 1795000000.0, None, None),
        ("key_b", "b", None, None, None),
        ("key_c", "c", 1795000000.0, None, "user"),
    ] == [(row.id, row.name, row.last_used_at, row.expires_at, row.owner and row.owner.type) for row in rows]
    assert {("api_keys", "invalid_row"): 6, ("api_keys", "invalid_field"): 7} == journal.rejections


def test_long_texts_of_a_list_are_cut_and_stay_distinct() -> None:
    """A name of a megabyte becomes 256 bytes; names that differ only beyond them stay different."""
    names = ["\u00e9" * 500_000, "\u00e9" * 500_000 + "!", "\u00e9" * 128]
    clock = ManualClock()
    api = Api(ok({"data": [{"id": str(number), "name": name} for number, name in enumerate(names)]}))
    rows = run(
        client(api, clock, max_body=2**24).listing(
            "projects", (), Project, Pagination.LAST_ID, 100, resource="projects", priority=Priority.NAMES, due=0.0
        )
    )
    shown = [row.name or "" for row in rows]

    assert names[2] == shown[2]
    assert 3 == len(set(shown))
    assert max(len(name.encode()) for name in shown) <= MAX_LABEL_BYTES
    assert all(name.startswith("\u00e9" * 118 + "...") for name in shown[:2])


def test_single_objects_are_handed_out_as_they_are() -> None:
    """Content without a defined type is decoded JSON."""
    api = Api(ok({"threshold_amount": 5000}))

    assert {"threshold_amount": 5000} == _ask(
        api,
        lambda asked: asked.get_json(
            "organization/spend_limit", resource="spend_limit", priority=Priority.LIMITS, due=0.0
        ),
    )
    assert str(api.requests[0].url) == "https://api.test/v1/organization/spend_limit"


def test_an_object_that_is_not_there_is_not_found() -> None:
    """404 has its own name, for no spend limit is no error."""
    with pytest.raises(errors.NotFound):
        _ask(
            Api(refusal(404)),
            lambda asked: asked.get_json("x", resource="spend_limit", priority=Priority.LIMITS, due=0.0),
        )


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    """One bad byte in a text costs nothing but that character."""
    assert {"name": "\ufffd"} == _ask(
        Api(httpx.Response(200, content=b'{"name": "\xff"}')),
        lambda asked: asked.get_json("x", resource="spend_limit", priority=Priority.LIMITS, due=0.0),
    )
