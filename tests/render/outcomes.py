"""Events and results of an apply."""

from typing import Any

from reconciler.apply.result import ApplyResult
from reconciler.ledger import events
from reconciler.model import InstanceId, Nonce, RunId
from tests.render.values import COMMIT, DIGEST, EIGHT

AT = "2024-03-02T00:00:05.000Z"
CLAIM = Nonce("c1a1")


def triggered(run: str, instance: str = "3377-1", **more: Any) -> events.Triggered:
    """A start that was answered by an instance id."""
    return events.Triggered(
        v=1,
        at=AT,
        run=RunId(run),
        claim=CLAIM,
        digest=DIGEST,
        flow_id=3377,
        trigger_time=EIGHT,
        flow_instance_id=InstanceId(instance),
        **more,
    )


def rejected(run: str, message: str = "user has no privilege") -> events.Rejected:
    """A start that the service refused."""
    return events.Rejected(v=1, at=AT, run=RunId(run), claim=CLAIM, code=62103, message=message)


def unknown(run: str, seen: Any = "timeout after sending") -> events.Unknown:
    """A start whose outcome cannot be told."""
    return events.Unknown(v=1, at=AT, run=RunId(run), claim=CLAIM, seen=seen)


def absent(run: str, evidence: Any = None) -> events.Absent:
    """A start that certainly did not come about."""
    seen = {"notStarted": "interrupted"} if evidence is None else evidence
    return events.Absent(v=1, at=AT, run=RunId(run), claim=CLAIM, evidence=seen)


def observed(run: str, status: int | str = 1) -> events.Observed:
    """The end of an instance."""
    return events.Observed(v=1, at=AT, run=RunId(run), status=status)


def cancelled(run: str, code: int = 0, message: str = "") -> events.Cancelled:
    """What the service answered to a cancellation."""
    return events.Cancelled(v=1, at=AT, run=RunId(run), code=code, message=message)


def a_result(**more: Any) -> ApplyResult:
    """The result of an apply that did nothing, unless told otherwise."""
    values: dict[str, Any] = {
        "commit": COMMIT,
        "outcomes": (),
        "unstarted": (),
        "doubts": (),
        "waiting": (),
    }
    return ApplyResult(**(values | more))
