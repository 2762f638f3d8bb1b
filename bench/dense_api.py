"""A dense organization's Admin API. Started as `python -m bench.dense_api SAMPLES`; prints its base URL."""

import sys
import time
from typing import Final

from bench.admin_api import Query, serve
from bench.dense import Organization
from exporter.catalog import DAY

_PAGE_BYTES: Final = 24 * 2**20
_ROW_BYTES: Final = 420


class Api:
    """Responds to `usage/completions` with the rows, to `spend_limit` with a limit, otherwise with nothing."""

    def __init__(self, samples: int) -> None:
        self._organization = Organization(samples)
        self._buckets = max(_PAGE_BYTES // (self._organization.sets * _ROW_BYTES), 1)
        self._minute = 0

    def page(self, path: str, query: Query) -> bytes | None:
        """Return a body. Pages are limited to a size that the exporter accepts, as api.openai.com may do."""
        if path != "usage/completions":
            return None
        now = time.time()
        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self._organization.grow()
        start = int(query.get("page", query["start_time"])[0])
        starts = list(range(start, int(now), DAY))[: min(self._buckets, int(query["limit"][0]))]
        return self._organization.page(starts, now=now, more=starts[-1] + DAY < now)


if __name__ == "__main__":
    serve(Api(int(sys.argv[1])).page)
