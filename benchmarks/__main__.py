"""`python -m benchmarks [NAME…]`: measure, print, and put the figures into benchmarks/README.md."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
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
from benchmarks.table import Row, draw, read_rated, replace_rows

ALL: Mapping[str, Callable[[Path], Iterable[Row]]] = {
    "validate": validating.measure,
    "validate-many": validating.measure_many,
    "warm": warm.measure,
    "cold": changing.measure_cold,
    "apply": applying.measure,
    "first": starting.measure_first,
    "race": racing.measure,
    "recorded": recording.measure,
    "growth": growth.measure,
    "start": starting.measure,
    "backfill": backfilling.measure,
    "order": ordering.measure,
    "change": changing.measure,
    "grid": gridding.measure,
    "report": reporting.measure,
    "observe": observing.measure,
    "commit": committing.measure,
    "list": listing.measure,
    "curves": curves.measure,
}
DOCUMENT = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("goals.svg")


def main() -> None:
    # What is installed was compiled by pip. Here the first process of each module compiles it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in sys.argv[1:] or ALL:
        rows = []
        with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
            for row in ALL[name](Path(folder)):
                print(row.line(name), end="", flush=True)
                rows.append(row)
        text = replace_rows(DOCUMENT.read_text(encoding="utf-8"), name, rows, list(ALL))
        DOCUMENT.write_text(text, encoding="utf-8")
    draw(read_rated(DOCUMENT.read_text(encoding="utf-8")), PICTURE)


main()
