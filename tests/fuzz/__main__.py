"""`python -m tests.fuzz TARGET [--seconds N] [--corpus FOLDER]`: searches until the time is up or an input fails.

An input that fails is written to the corpus folder's parent as `crash-...`; put it into tests/fuzz/found/TARGET,
compressed with gzip if it is large.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["exporter"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.seeds import seeds

_MIN_LENGTH = 65536
"""Bytes up to which inputs grow; further where a seed is longer."""
_SLOWEST_SECONDS = 20
_MAX_DATA_BYTES = 2 << 30


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="what is found interesting is kept here for the next run")
    given = parser.parse_args()
    corpus = given.corpus or Path(tempfile.mkdtemp(prefix=f"corpus-{given.target}-"))
    corpus.mkdir(parents=True, exist_ok=True)
    known = list(seeds(given.target))
    for number, seed in enumerate(known):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_DATA_BYTES, _MAX_DATA_BYTES))
    options = [
        f"-max_total_time={given.seconds}",
        f"-max_len={max(_MIN_LENGTH, *map(len, known))}",
        f"-timeout={_SLOWEST_SECONDS}",
        # libFuzzer reads the peak that the parent process had before it started this one.
        "-rss_limit_mb=0",
        f"-artifact_prefix={corpus.parent}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[given.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
