"""Builders of the core's values: each gives a plausible one; a test names what it cares about."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from reconciler.apply.ports import Instance, Snapshot
from reconciler.ledger import Event, Ledger, events
from reconciler.model import (
    Declared,
    Digest,
    EpochMs,
    InstanceId,
    Nonce,
    Parameters,
    Place,
    Problem,
    Run,
    run_digest,
)
from reconciler.plan import Action, PlannedRun
from reconciler.plan.values import FullPlanned
from reconciler.times import format_instant, parse_instant

EIGHT = parse_instant("2024-03-02T08:00:00+08:00")  # the trigger time of every run, unless told
NOW = parse_instant("2024-03-02T12:00:00+08:00")
CLAIM_MS = 120_000
PARAMETERS: Parameters = (("REPLACE", "ddee"),)

_POINTERS = ("/metadata/name", "/spec/flowId", "/spec/triggerTime", "/spec/duplicateOf")


class Unremembering:
    """A store that knows manifests from the branch alone, so nothing must be read again."""

    __slots__ = ()

    async def confirm(self, _: Snapshot, __: Sequence[Run]) -> bool:
        return True


def after(instant: EpochMs, milliseconds: int) -> EpochMs:
    """The instant that many milliseconds later."""
    return EpochMs(instant + milliseconds)


def a_run(name: str = "wind", **more: Any) -> Run:
    """A declared run in a file of its own; its digest follows from what it carries."""
    values: dict[str, Any] = {
        "flow_id": 3377,
        "trigger_time": EIGHT,
        "parameters": PARAMETERS,
        "file": f"triggers/{name}.yaml",
        "marks": {"": (1, 1)} | {one: (line, 3) for line, one in enumerate(_POINTERS, start=2)},
    } | more
    values.setdefault(
        "digest", run_digest(values["flow_id"], values["trigger_time"], values["parameters"])
    )
    own = {field: value for field, value in values.items() if field in Run.__struct_fields__}
    return Run(name=name, **own).but(**values)


def runs_apart(count: int, **more: Any) -> tuple[Run, ...]:
    """That many runs of one flow, `run-0` and on, a minute apart."""
    return tuple(
        a_run(f"run-{number}", trigger_time=after(EIGHT, number * 60_000), **more)
        for number in range(count)
    )


def declared(*runs: Run, problems: tuple[Problem, ...] = ()) -> Declared:
    """What manifests declare, each run in its own file."""
    return Declared(runs=runs, problems=problems, files=tuple(run.place.file for run in runs))


def a_problem(file: str = "triggers/other.yaml", code: str = "schema") -> Problem:
    """A problem that the manifests themselves have."""
    return Problem(place=Place(file=file), code=code, message="is wrong")


def a_claim(*runs: Run, claim: str = "c1", at: EpochMs = NOW, **more: Any) -> events.Claim:
    """A claim of the runs that lasts two minutes."""
    values: dict[str, Any] = {
        "v": events.VERSION,
        "at": format_instant(at),
        "claim": Nonce(claim),
        "by": "ana@ops-1 pid 4711",
        "until": format_instant(after(at, CLAIM_MS)),
        "commit": "8c6cf7a4c1d1f2a05a0e1a4e5c2b8a7c5f1e3d2b",
        "runs": {run.id: events.claimed_run(run) for run in runs},
    }
    return events.Claim(**(values | more))


def a_triggered(
    run: Run, instance: str = "3377-1", claim: str | None = "c1", **more: Any
) -> events.Triggered:
    """The run was started as that instance."""
    values: dict[str, Any] = {
        "v": events.VERSION,
        "at": format_instant(NOW),
        "run": run.id,
        "claim": None if claim is None else Nonce(claim),
        "digest": run.digest,
        "flow_id": run.flow_id,
        "trigger_time": run.trigger_time,
        "flow_instance_id": InstanceId(instance),
    }
    return events.Triggered(**(values | more))


def a_rejected(run: Run, claim: str = "c1") -> events.Rejected:
    """The service refused the run."""
    return events.Rejected(
        v=events.VERSION,
        at=format_instant(NOW),
        run=run.id,
        claim=Nonce(claim),
        code=62103,
        message="user has no privilege",
    )


def an_unknown(run: Run, claim: str = "c1", *, late: bool = False) -> events.Unknown:
    """The start's outcome could not be told. `late`: it left after its claim had ended."""
    return events.Unknown(
        v=events.VERSION,
        at=format_instant(NOW),
        run=run.id,
        claim=Nonce(claim),
        seen="HTTP 502",
        late=late,
    )


def an_absent(run: Run, claim: str = "c1") -> events.Absent:
    """The claim certainly started nothing."""
    return events.Absent(
        v=events.VERSION,
        at=format_instant(NOW),
        run=run.id,
        claim=Nonce(claim),
        evidence={"notStarted": "not reached"},
    )


def an_observed(run: Run, status: int | str = 1) -> events.Observed:
    """The instance was seen in that status."""
    return events.Observed(v=events.VERSION, at=format_instant(NOW), run=run.id, status=status)


def a_resolved(run: Run, instance: str | None = None) -> events.Resolved:
    """A person says that the run was started as that instance, or that it was not."""
    return events.Resolved(
        v=events.VERSION,
        at=format_instant(NOW),
        run=run.id,
        by="Ana Lima <ana@example.com>",
        triggered=None if instance is None else InstanceId(instance),
        reason="seen in the console",
    )


def an_adopted(run: Run, instance: str = "3377-1", claim: str = "a1") -> events.Adopted:
    """A person says that the run was started by hand as that instance."""
    return events.Adopted(
        v=events.ADOPTED_VERSION,
        at=format_instant(NOW),
        run=run.id,
        claim=Nonce(claim),
        by="Ana Lima <ana@example.com>",
        commit="8c6cf7a",
        digest=run.digest,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        stagger=run.delay,
        flow_instance_id=InstanceId(instance),
        service=events.Service(org_id="o1", gateway="http://127.0.0.1:9", user_id="u1"),
        reason="the gateway was down",
    )


def a_planned(run: Run, action: Action, reason: str, **more: Any) -> PlannedRun:
    """The run with what a plan has decided on it."""
    return FullPlanned(
        id=run.id,
        action=action,
        reason=reason,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        parameters=run.parameters,
        digest=run.digest,
        place=run.place,
        run=run,
        **more,
    )


def a_ledger(*recorded: Event) -> Ledger:
    """The ledger that those events make."""
    return Ledger.of(recorded)


def an_instance(run: Run, instance: str = "3377-1", **more: Any) -> Instance:
    """The run's instance as a search lists it: created right after the claim, stamps cut."""
    values: dict[str, Any] = {
        "flow_id": run.flow_id,
        "trigger_time": EpochMs(run.trigger_time // 1000 * 1000),
        "created": EpochMs(NOW // 1000 * 1000),
        "parameters": run.parameters,
        "status": 2,
    } | more
    values.setdefault("created_latest", values["created"])
    return Instance(id=InstanceId(instance), **values)


def a_digest(letter: str) -> Digest:
    """A digest that differs from those of other letters."""
    return Digest(letter * 64)


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python the work calls: what it costs, on whatever machine."""
    made = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def a_history(run: Run, *fates: str) -> list[Event]:
    """What is recorded of a run's attempts, each by what became of it: `absent`, `FAIL`, ..."""
    found: list[Event] = []
    for number, fate in enumerate(fates, start=1):
        one = run.but(attempt=number)
        claim = f"claim of {one.id}"
        found.append(a_claim(one, claim=claim))
        match fate:
            case "claimed":
                pass
            case "absent":
                found.append(an_absent(one, claim))
            case "rejected":
                found.append(a_rejected(one, claim))
            case "unknown":
                found.append(an_unknown(one, claim))
            case _:
                found.append(a_triggered(one, f"i-{one.id}", claim))
                found += [an_observed(one, fate)] if fate != "triggered" else []
    return found
