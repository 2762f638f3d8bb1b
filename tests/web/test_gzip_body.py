"""Response bodies, compressed and plain."""

import gzip
import os
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.exposition.snapshot import Body
from exporter.web.gzip_body import PIECE, Content, GzipMembers, gzip_member, plain
from tests.support.site import compressed


def _bytes(content: Content) -> bytes:
    whole = b"".join(content.pieces)
    assert content.length == len(whole)
    return whole


def test_gzip_member_holds_body_and_tail() -> None:
    """What is gunzipped is the body followed by the tail."""
    assert b"a 1\nb 2\n" == gzip.decompress(_bytes(gzip_member(b"b 2\n", compressed(b"a 1\n"))))


def test_gzip_is_one_member_to_its_last_byte() -> None:
    """A decoder that stops after the first member has read everything, and found the checksum right."""
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    decoded = decoder.decompress(_bytes(gzip_member(b"b 2\n", compressed(b"a 1\n" * 5000))))

    assert (b"a 1\n" * 5000 + b"b 2\n", True, b"") == (decoded, decoder.eof, decoder.unused_data)


def test_gzip_member_ends_in_checksum_and_length() -> None:
    """The trailer is that of RFC 1952 for the plain bytes."""
    member = _bytes(gzip_member(b"b 2\n", compressed(b"a 1\n")))

    expected = zlib.crc32(b"a 1\nb 2\n").to_bytes(4, "little") + (8).to_bytes(4, "little")
    assert (b"\x1f\x8b\x08\x00", expected) == (member[:4], member[-8:])


def test_length_wraps_at_four_gibibytes() -> None:
    """The length field of a member counts modulo 2^32, as RFC 1952 has it."""
    body = Body(pieces=(), length=(1 << 32) + 5, crc=0)

    assert (7).to_bytes(4, "little") == b"".join(gzip_member(b"ab", body).pieces)[-4:]


def test_nothing_published_yet_is_the_tail_alone() -> None:
    """Before the first snapshot both encodings hold the tail."""
    assert b"b 2\n" == gzip.decompress(_bytes(gzip_member(b"b 2\n"))) == _bytes(plain(b"b 2\n"))


@pytest.mark.parametrize("render", [gzip_member, plain])
@pytest.mark.parametrize("noise", [True, False], ids=["incompressible", "repetitive"])
def test_pieces_are_bounded(render: Callable[[bytes, Body], Content], noise: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """No piece is larger than the bound, however well the body compresses and however large its own pieces are."""
    text = os.urandom(3 * PIECE + 7) if noise else b"x" * (40 * PIECE + 7)
    content = render(text, compressed(text, piece=len(text)))

    assert PIECE >= max(len(piece) for piece in content.pieces)


@settings(max_examples=50)
@given(
    st.lists(st.binary(max_size=300), max_size=6).map(lambda parts: b"".join(part * 97 for part in parts)),
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.integers(min_value=1, max_value=200_000),
)
def test_both_encodings_hold_the_same(text: bytes, own: bytes, tail: bytes, piece: int) -> None:
    """For every way of cutting the bodies, gzip and plain bytes are both bodies and the tail."""
    bodies = compressed(text, piece), compressed(own, piece)

    assert text + own + tail == _bytes(plain(tail, *bodies)) == gzip.decompress(_bytes(gzip_member(tail, *bodies)))


@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 1)] * 4), max_size=8))
def test_what_is_kept_of_the_last_member_is_never_wrong(responses: list[tuple[int, int, int, int]]) -> None:
    """Of each kind, whichever parts changed since the last response, the member holds those of this one."""
    members = GzipMembers()
    texts = [b"a 1\n" * 100, b"a 2\n"], [b"b 1\n", b"b 2\n" * 50], [b"c 1\n", b"c 2\n"]
    firsts, seconds = ([compressed(text) for text in part] for part in texts[:2])
    for kind, first, second, tail in responses:
        member = members.member(kind, texts[2][tail], firsts[first], seconds[second])

        assert texts[0][first] + texts[1][second] + texts[2][tail] == gzip.decompress(_bytes(member))
