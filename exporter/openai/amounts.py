"""Exact amounts: decimals of responses as whole numbers of quanta."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from exporter.catalog import QUANTA
from exporter.openai.error_responses import excerpt
from exporter.openai.errors import NotFinite
from exporter.openai.responses import Rejections
from exporter.telemetry import RejectionReason

MAX_AMOUNT: Final = 10**15
"""Amounts of money and billed quantities from here on are rejected."""

_DIGITS: Final = len(str(QUANTA)) - 1
_QUANTUM: Final = Decimal(1).scaleb(-_DIGITS)
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)


def quanta(amount: Decimal | None) -> int | None:
    """Return an exact amount as a whole number of quanta, rounded half to even. Raises NotFinite."""
    if amount is None:
        return None
    try:
        if -MAX_AMOUNT < amount < MAX_AMOUNT:
            return int(_EXACT.scaleb(_EXACT.quantize(amount, _QUANTUM), _DIGITS))
    except InvalidOperation:
        pass
    raise NotFinite(f"an amount is out of range: {excerpt(str(amount))}")


def quanta_column(amounts: list[Decimal | None], rejections: Rejections) -> list[int | None]:
    """Return amounts in quanta; one that is not finite or out of range is None, and counted."""
    try:
        return [quanta(amount) for amount in amounts]
    except NotFinite:
        return [_quanta_or_none(amount, rejections) for amount in amounts]


def _quanta_or_none(amount: Decimal | None, rejections: Rejections) -> int | None:
    try:
        return quanta(amount)
    except NotFinite:
        finite = amount is not None and amount.is_finite()
        rejections[RejectionReason.OUT_OF_RANGE if finite else RejectionReason.INVALID_VALUE] += 1
        return None
