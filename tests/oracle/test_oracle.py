"""An expander of another make, written from the documentation, finds the same runs."""

from collections import Counter

import pytest

from tests.oracle.compare import compare
from tests.oracle.draw import draw

PARTS = 10


@pytest.mark.parametrize(
    "seeds",
    [
        range(300),
        *(pytest.param(range(n, 10_000, PARTS), marks=pytest.mark.long) for n in range(PARTS)),
    ],
)
def test_the_reconciler_declares_the_runs_that_the_documentation_says(seeds: range) -> None:
    found = [compare(seed) for seed in seeds]
    assert sum(found) > 20 * len(seeds)
    assert sum(map(bool, found)) > 0.7 * len(seeds)


def test_what_is_drawn_has_every_kind_of_step_and_both_kinds_of_ranges() -> None:
    drawn = [draw(seed)[0] for seed in range(300)]
    kinds = Counter(
        (field, "every" if "every" in spec[field] else "cron")
        for spec in drawn
        for field in ("businessDates", "triggerTimes")
        if field in spec
    )
    assert len(kinds) == 4
    assert min(kinds.values()) > 20
