"""Which failures are in the log already: each is logged when it begins and when it ends, not with every poll."""

Failure = tuple[str, ...]


class FailureLog:
    """The failures that an organization's resources are in. All its pollers share it.

    What has one cause for all resources, such as a refused key, is one failure, logged for the first resource that
    meets it.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}

    def failed(self, resource: str, message: str, *, shared: bool) -> bool:
        """Record why a poll failed, and return whether that is new and has to be logged.

        `shared`: whether the cause is the same for every resource that fails with this message.
        """
        failure = (message,) if shared else (message, resource)
        new = failure not in self._failures.values()
        self._failures[resource] = failure
        return new

    def succeeded(self, resource: str) -> bool:
        """Record a poll that succeeded, and return whether that ends a failure, for all resources that were in it."""
        failure = self._failures.pop(resource, None)
        return failure is not None and failure not in self._failures.values()
