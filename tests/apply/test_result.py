"""What an apply did, and the exit code that follows from it."""

from itertools import product
from typing import Any

import pytest

from reconciler.apply.doubt import Doubt
from reconciler.apply.result import ApplyResult
from reconciler.errors import ExitCode
from reconciler.plan import Action, PlannedRun
from tests.building import (
    a_claim,
    a_ledger,
    a_planned,
    a_run,
    a_triggered,
)

RUN = a_run()
PLANNED = a_planned(RUN, Action.START, "its time is past")
DOUBT = Doubt(planned=PLANNED, reason="nothing found yet", decided_at=None)
TWICE = a_ledger(
    a_claim(RUN), a_triggered(RUN, "3377-1"), a_triggered(RUN, "3377-2", "c2")
).records[RUN.id]


def a_result(**more: Any) -> ApplyResult:
    values: dict[str, Any] = {
        "commit": "c" * 40,
        "outcomes": (),
        "unstarted": (),
        "doubts": (),
        "waiting": (),
    }
    return ApplyResult(**(values | more))


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (a_result(), ExitCode.OK),
        (a_result(outcomes=[a_triggered(RUN)]), ExitCode.OK),
        (a_result(waiting=[PLANNED]), ExitCode.OK),
        (a_result(unstarted=[PLANNED]), ExitCode.PROBLEM),
        (a_result(doubts=[DOUBT]), ExitCode.IN_DOUBT),
        (a_result(twice=[TWICE]), ExitCode.IN_DOUBT),
        (a_result(unstarted=[PLANNED], twice=[TWICE]), ExitCode.IN_DOUBT),
        (a_result(interrupted=True), ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_follows_from_what_is_left(result: ApplyResult, code: ExitCode) -> None:
    assert result.exit_code is code


@pytest.mark.parametrize(
    ("unstarted", "doubts", "interrupted"),
    list(product([[], [PLANNED]], [[], [DOUBT]], [False, True])),
)
def test_what_a_pipeline_must_react_to_first_decides(
    unstarted: list[PlannedRun], doubts: list[Doubt], interrupted: bool
) -> None:
    result = a_result(unstarted=unstarted, doubts=doubts, interrupted=interrupted)
    expected = (
        ExitCode.INTERRUPTED
        if interrupted
        else ExitCode.IN_DOUBT
        if doubts
        else ExitCode.PROBLEM
        if unstarted
        else ExitCode.OK
    )
    assert result.exit_code is expected


def test_only_a_run_that_is_still_in_doubt_counts_as_such() -> None:
    # Its outcome was unknown for a while, and then it was found.
    settled = a_result(outcomes=[a_triggered(RUN)])
    assert settled.exit_code is ExitCode.OK
