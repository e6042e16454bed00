"""docs/operating.md tells the truth: the walk-through of a month does what the page says."""

from collections import Counter
from pathlib import Path

import pytest

from reconciler.apply import wait
from reconciler.enos import questions
from tests.documented import Typed
from tests.repositories import isolate
from tests.walk.page import walk
from tests.walk.walking import Month, Walk

STEPS = walk()
CALLS = [step for step in STEPS if isinstance(step, Typed)]
TWO_DAYS = Month(first=16, last=17)  # those on which something happens


def go(month: Month, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    isolate(monkeypatch, folder)
    monkeypatch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)
    # No waiting brings this gateway back.
    monkeypatch.setattr(questions, "_FIRST_PAUSE_SECONDS", 0.01)
    walked = Walk(month=month, folder=folder / "team")
    walked.go(STEPS)
    return walked


def check_starts(walked: Walk) -> None:
    """Each run was started once, by whomever, and what failed once more."""
    month = walked.month
    starts = Counter(one.trigger_time for one in walked.instances)
    again = {month.trigger_time(day, site) for day, site in month.failing}
    assert len(starts) == month.runs
    assert {time for time, number in starts.items() if number > 1} == again
    assert len(walked.instances) == month.runs + len(again)


@pytest.mark.long
def test_the_month_prints_what_the_page_says_and_starts_each_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = go(Month(), tmp_path, monkeypatch)
    assert walked.printed == [call.printed for call in CALLS], "python -m tests.walk.update"
    check_starts(walked)


def test_two_days_of_the_month_end_as_the_whole_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked = go(TWO_DAYS, tmp_path, monkeypatch)
    check_starts(walked)
    for call, printed in zip(CALLS, walked.printed, strict=True):
        last, told = call.printed.splitlines()[-1], printed.splitlines()[-1]
        assert told.startswith("(exit code ") is last.startswith("(exit code "), printed
        if last.startswith("(exit code ") or call.arguments[0] == "resolve":
            assert told == last
    failed = next(text for text in walked.printed if text.startswith("prod: 1 in doubt, 3 failed"))
    assert failed in {call.printed for call in CALLS}
