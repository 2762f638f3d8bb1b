"""An Admin API whose completions have every label set in every bucket. Run as `python -m bench.backfill_api SETS`."""

import json
import sys
import time
from functools import partial
from typing import Final

from bench.admin_api import Query, serve
from exporter.catalog import DAY, HOUR, resource

_ROW: Final = resource("completions")


def _page(sets: int, path: str, query: Query) -> bytes | None:
    if path != "usage/completions":
        return None
    now = time.time()
    width = HOUR if query["bucket_width"][0] == "1h" else DAY
    start = int(query.get("page", query["start_time"])[0]) // width * width
    end = min(int(query.get("end_time", [str(int(now) + 1)])[0]), int(now) + 1)
    starts = list(range(start, end, width))
    chosen = starts[: int(query["limit"][0])]
    data = [
        {
            "object": "bucket",
            "start_time": at,
            "end_time": min(at + width, int(now) + 1),
            "results": [_result(number, at // HOUR, width // HOUR) for number in range(sets)],
        }
        for at in chosen
    ]
    more = len(chosen) < len(starts)
    page = {"object": "page", "data": data, "has_more": more, "next_page": str(chosen[-1] + width) if more else None}
    return json.dumps(page).encode()


def _result(number: int, hour: int, hours: int) -> dict[str, object]:
    requests = hours * (number % 17 + 1) + hour % 24
    return {
        "object": _ROW.object,
        "project_id": f"proj_{number % 20:024}",
        "model": f"model-{number // 20}",
        "batch": False,
        "input_tokens": requests * 731,
        "output_tokens": requests * 211,
        "input_cached_tokens": requests * 97,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": requests,
    }


if __name__ == "__main__":
    serve(partial(_page, int(sys.argv[1])))
