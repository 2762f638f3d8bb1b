"""`make bench-backfill`: what a backfill costs, by remote write into a real Prometheus and through promtool.

Prints a row for each length and size: requests to OpenAI, samples, seconds, bytes, memory. Processor seconds are those
of the backfill and, in brackets, of Prometheus or promtool: on a machine with other work they say more than the clock.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.admin_api import admin_api
from bench.dense import SAMPLES_PER_SET
from exporter.catalog import CATALOG
from tests.support.processes import exporter, free_port
from tests.support.prometheus import running

_DAYS: Final = (90, 365)
_SERIES: Final = (500, 5000)
_RESULT: Final = re.compile(r"wrote ([\d,]+) samples(?:, ([\d,]+) MB)? with ([\d,]+) requests")
_CONFIGURATION: Final = "storage: {tsdb: {out_of_order_time_window: 400d}}\n"


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    processor: float
    """Seconds."""
    memory: float
    """MiB at most."""
    said: str


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=_DAYS)
    parser.add_argument("--series", type=int, nargs="+", default=_SERIES)
    parser.add_argument("--ways", nargs="+", choices=("remote-write", "promtool"), default=("remote-write", "promtool"))
    given = parser.parse_args()
    sys.stdout.write(
        "| days | series | way | requests | samples | MB | backfill | then promtool | processor | memory |\n"
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
    for days in given.days:
        for series in given.series:
            with tempfile.TemporaryDirectory() as folder, _exporter(Path(folder), series) as environment:
                for way in given.ways:
                    measure = _remote_write if way == "remote-write" else _promtool
                    sys.stdout.write(f"| {days} | {series:,} | {way} | {measure(Path(folder), environment, days)} |\n")
                    sys.stdout.flush()


@contextmanager
def _exporter(folder: Path, series: int) -> Iterator[dict[str, str]]:
    """Give the environment of an exporter that has taken its baseline."""
    sets = max(series // SAMPLES_PER_SET, 1)
    with admin_api("bench.backfill_api", sets) as url, free_port() as port:
        disabled = {f"RESOURCES__{row.name.upper()}__ENABLED": "false" for row in CATALOG if row.name != "completions"}
        child = exporter(port, folder, url, "sk-admin-bench", API__REQUESTS_PER_MINUTE="60000", **disabled)
        try:
            child.start()
            child.wait_until_serving()
            while not child.get("/-/ready").is_success:
                time.sleep(0.1)
            time.sleep(2)
            child.stop()
            yield dict(child.environment)
        finally:
            child.stop()


def _remote_write(folder: Path, environment: dict[str, str], days: int) -> str:
    data = folder / "prometheus"
    data.mkdir()
    flags = ("--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=2y")
    with running(data, *flags, configuration=_CONFIGURATION) as server:
        before = _processor_of(server.pid)
        words = [f"--remote-write={server.url}/api/v1/write", f"--remote-write-progress={data / 'progress'}"]
        run = _backfill(environment, days, *words)
        receiver = _processor_of(server.pid) - before
    shutil.rmtree(data)
    return _row(run, None, receiver)


def _promtool(folder: Path, environment: dict[str, str], days: int) -> str:
    output, blocks = folder / "history", folder / "blocks"
    run = _backfill(environment, days, f"--output={output}", "--new-prometheus")
    began, processor = time.monotonic(), os.times()
    for file in sorted(output.glob("*.om")):
        command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=486h", "openmetrics"]
        subprocess.run([*command, str(file), str(blocks)], check=True, stdout=subprocess.DEVNULL)
        file.unlink()
    after = os.times()
    used = after.children_user + after.children_system - processor.children_user - processor.children_system
    shutil.rmtree(output)
    shutil.rmtree(blocks)
    return _row(run, time.monotonic() - began, used)


def _backfill(environment: dict[str, str], days: int, *words: str) -> _Run:
    command = [sys.executable, "-m", "exporter", "backfill", f"--since={days}d", "--label=job=a", "--label=instance=b"]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, *words], env=environment, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read()
    if process.returncode:
        raise SystemExit(said)
    return _Run(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def _processor_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(run: _Run, promtool: float | None, other: float) -> str:
    found = _RESULT.search(run.said)
    if found is None:
        raise SystemExit(run.said)
    samples, megabytes, requests = found.groups()
    then = "" if promtool is None else f"{promtool:.0f} s"
    return (
        f"{requests} | {samples} | {megabytes or 0} | {run.seconds:.0f} s | {then} |"
        f" {run.processor:.0f} s ({other:.0f} s) | {run.memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()
