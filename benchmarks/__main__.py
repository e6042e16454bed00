"""`python -m benchmarks [NAME…]`: measure, and print what benchmarks/README.md quotes."""

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    applying,
    backfilling,
    changing,
    committing,
    curves,
    gridding,
    growth,
    listing,
    observing,
    ordering,
    racing,
    recording,
    reporting,
    starting,
    validating,
    warm,
)

ALL = {
    "validate": validating.measure,
    "validate-many": validating.measure_many,
    "apply": applying.measure,
    "backfill": backfilling.measure,
    "order": ordering.measure,
    "change": changing.measure,
    "grid": gridding.measure,
    "report": reporting.measure,
    "observe": observing.measure,
    "commit": committing.measure,
    "list": listing.measure,
    "race": racing.measure,
    "recorded": recording.measure,
    "growth": growth.measure,
    "start": starting.measure,
    "first": starting.measure_first,
    "warm": warm.measure,
    "curves": curves.measure,
}


def main() -> None:
    # What is installed was compiled by pip. Here the first process of each module compiles it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in sys.argv[1:] or ALL:
        with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
            print(f"== {name}", flush=True)
            ALL[name](Path(folder))


main()
