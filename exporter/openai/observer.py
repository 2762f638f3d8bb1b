"""What the client tells of itself, so that somebody can count it."""

from collections.abc import Mapping
from typing import Protocol

from exporter.openai.errors import UpstreamError
from exporter.telemetry import RejectionReason


class Observer(Protocol):
    """Is told of every attempt, the ones that are made again included."""

    def request(self, resource: str) -> None:
        """Take note of a request that is being sent."""
        ...

    def error(self, resource: str, error: UpstreamError) -> None:
        """Take note of an attempt that failed."""
        ...

    def duration(self, seconds: float) -> None:
        """Take note of how long an attempt took, from sending to the end of the body or to the failure."""
        ...

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Take note of rows, or values of rows, of a complete response that were not used."""
        ...

    def waited(self, resource: str, seconds: float) -> None:
        """Take note of how long a request stood in the queue of the throttle."""
        ...


class Silent:
    """An observer that forgets."""

    def request(self, resource: str) -> None:
        """Forget a request."""

    def error(self, resource: str, error: UpstreamError) -> None:
        """Forget an error."""

    def duration(self, seconds: float) -> None:
        """Forget a duration."""

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Forget rejections."""

    def waited(self, resource: str, seconds: float) -> None:
        """Forget a wait."""
