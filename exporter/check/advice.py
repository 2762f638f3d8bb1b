"""From an error to what is so and what to do, in the words of somebody who sets the exporter up."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from exporter.check.network import unreachable
from exporter.check.target import KEY_DESCRIPTIONS, REFUSED_KEYS, CheckTarget
from exporter.openai import (
    BillingLimit,
    Forbidden,
    MissingScopes,
    NetworkError,
    NotFound,
    RateLimited,
    Timeout,
    Unauthorized,
    UpstreamError,
)
from exporter.redaction import KeyKind

_WHERE: Final = "as an owner of the organization, under Settings, Organization, Admin keys"
_CREATE: Final = f"Create an admin key (it starts with {KeyKind.ADMIN.value}) {_WHERE}, and give that one."


def explain(error: UpstreamError, subject: CheckTarget) -> tuple[str, str]:
    """Return what is so and what to do."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words(error, subject)
    return f"{error}", error.advice


def _scopes(error: MissingScopes, subject: CheckTarget) -> tuple[str, str]:
    kind, lacking = subject.key_kind, " and ".join(error.scopes)
    if kind in REFUSED_KEYS:
        return (
            f"the key from {subject.key_origin} is {KEY_DESCRIPTIONS[kind]}: it can never have the scope {lacking}",
            f"{_CREATE} With this one, `run` has nothing but what the legacy billing endpoints still give.",
        )
    return (
        f"the key from {subject.key_origin} lacks the scope {lacking}",
        f"Create an admin key {_WHERE}, with permissions All or Read only, or Restricted with {lacking}.",
    )


def _refused(error: Unauthorized, subject: CheckTarget) -> tuple[str, str]:
    words = f"the key from {subject.key_origin} is not accepted: {error}"
    if subject.key_kind is not KeyKind.ADMIN:
        return f"{words}; by its prefix it is {KEY_DESCRIPTIONS[subject.key_kind]}", _CREATE
    advice = "Check that it was copied whole and has been neither deleted nor expired; otherwise create another one."
    return words, f"{_header(subject)} {advice}" if subject.organization_id else advice


def _header(subject: CheckTarget) -> str:
    return (
        f"The header OpenAI-Organization names {subject.organization_id}: unset OPENAI_ORG_ID (organization_id) "
        "unless the key belongs there."
    )


def _unauthorized(error: Unauthorized, subject: CheckTarget) -> tuple[str, str]:
    if error.status is None:
        return f"the key from {subject.key_origin} cannot be used: {error}", error.advice
    return _refused(error, subject)


def _forbidden(error: Forbidden, subject: CheckTarget) -> tuple[str, str]:
    advice = f"{_header(subject)} {error.advice}" if subject.organization_id else error.advice
    return f"the API forbids it: {error}", advice


def _broke(error: BillingLimit, _: CheckTarget) -> tuple[str, str]:
    return f"the account is out of credit or at a limit: {error}", error.advice


def _too_often(error: RateLimited, _: CheckTarget) -> tuple[str, str]:
    pause = f"; it wants silence for {error.retry_after:.0f} s" if error.retry_after else ""
    return (
        f"the organization is asked too often{pause}: {error}",
        "Wait, and find out what else asks with this organization's admin keys.",
    )


def _late(error: Timeout, subject: CheckTarget) -> tuple[str, str]:
    return f"{subject.base_url} does not answer in time: {error}", error.advice


def _nowhere(error: NotFound, subject: CheckTarget) -> tuple[str, str]:
    return f"{subject.base_url} has no such endpoint: {error}", error.advice


_WORDS: Final[Sequence[tuple[type[UpstreamError], Callable[[Any, CheckTarget], tuple[str, str]]]]] = (
    (MissingScopes, _scopes),
    (Unauthorized, _unauthorized),
    (Forbidden, _forbidden),
    (BillingLimit, _broke),
    (RateLimited, _too_often),
    (Timeout, _late),
    (NetworkError, unreachable),
    (NotFound, _nowhere),
)
