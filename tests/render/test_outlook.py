"""What is to be expected of a run, and the exit code that tells it."""

from itertools import product
from typing import Any

import pytest

from reconciler.errors import ExitCode
from reconciler.ledger import RunState
from reconciler.model import Place, RunId
from reconciler.plan import Reason
from reconciler.plan.outlook import Outlook
from reconciler.render.status_row import outlook
from tests.render.values import a_report, a_row

HERE = Place(file="triggers/wind.yaml")
ENDED = {"place": HERE, "reason": Reason.FAILED}


@pytest.mark.parametrize(
    ("state", "more", "expected"),
    [
        (RunState.SUCCEEDED, {}, Outlook.WELL),
        (RunState.TRIGGERED, {}, Outlook.COMING),
        (RunState.CLAIMED, {}, Outlook.COMING),
        (RunState.IN_DOUBT, {}, Outlook.IN_DOUBT),
        (RunState.SUCCEEDED, {"started_twice": True}, Outlook.IN_DOUBT),
        (RunState.SUCCEEDED, {"reason": Reason.CHANGED}, Outlook.AMISS),
        (RunState.FAILED, ENDED, Outlook.AMISS),
        (RunState.FAILED, ENDED | {"followed_by": RunId("a#2")}, Outlook.WELL),
        (RunState.FAILED, ENDED | {"is_unwanted": True}, Outlook.WELL),
        (RunState.FAILED, ENDED | {"place": None}, Outlook.WELL),
        (RunState.REJECTED, {"reason": Reason.REJECTED}, Outlook.AMISS),
        (RunState.REJECTED, {"reason": Reason.SUSPENDED}, Outlook.AMISS),
        (RunState.REJECTED, {"reason": Reason.CANCELLED}, Outlook.WELL),
        (RunState.PENDING, {}, Outlook.WELL),
        (RunState.PENDING, {"reason": Reason.READY}, Outlook.COMING),
        (RunState.PENDING, {"reason": Reason.SUSPENDED}, Outlook.COMING),
        (RunState.PENDING, {"reason": Reason.WAITS_FOR}, Outlook.COMING),
        (RunState.PENDING, {"reason": Reason.CANCELLED}, Outlook.WELL),
        (RunState.PENDING, {"reason": Reason.MISSED}, Outlook.AMISS),
        (RunState.PENDING, {"reason": Reason.BLOCKED}, Outlook.AMISS),
        (RunState.PENDING, {"reason": Reason.NO_ROOM}, Outlook.COMING),
        (RunState.PENDING, {"reason": Reason.STOPPED}, Outlook.AMISS),
        (RunState.PENDING, {"reason": Reason.OVER_LIMIT}, Outlook.AMISS),
        (RunState.PENDING, {"reason": Reason.PROBLEM}, Outlook.AMISS),
    ],
)
def test_what_is_expected_follows_from_state_and_reason(
    state: RunState, more: dict[str, Any], expected: Outlook
) -> None:
    assert outlook(a_row("a", state, **more)) is expected


def test_every_state_with_every_reason_has_an_outlook() -> None:
    for state, reason in product(RunState, [None, *Reason]):
        assert outlook(a_row("a", state, reason=reason)) in Outlook, (state, reason)


DOUBTFUL = a_row("d", RunState.IN_DOUBT)
BAD = a_row("f", RunState.FAILED, **ENDED)
COMING = a_row("t", RunState.TRIGGERED)
WELL = a_row("s", RunState.SUCCEEDED)


def test_in_doubt_wins_over_failed_and_that_over_what_is_still_to_come() -> None:
    assert a_report().detailed_exit_code is ExitCode.OK
    assert a_report(WELL).detailed_exit_code is ExitCode.OK
    assert a_report(WELL, COMING).detailed_exit_code is ExitCode.CHANGES
    assert a_report(COMING, BAD, WELL).detailed_exit_code is ExitCode.PROBLEM
    assert a_report(COMING, BAD, DOUBTFUL).detailed_exit_code is ExitCode.IN_DOUBT
