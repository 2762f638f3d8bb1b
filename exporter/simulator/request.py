"""A request as the endpoints see it."""

from dataclasses import dataclass

from exporter.simulator.query import Query


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    client: str = ""
    """The address that it came from."""

    @property
    def query(self) -> Query:
        """The parameters."""
        return Query(self.query_string)

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def key(self) -> str:
        """The bearer key, empty when there is none."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    @property
    def parts(self) -> list[str]:
        """The segments of the path."""
        return self.path.strip("/").split("/")
