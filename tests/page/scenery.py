"""What a team of forty sites may have in its ledger one evening, and runs with hostile names."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.git import CommitId
from reconciler.git.origins import Origin
from reconciler.ledger import RunState
from reconciler.model import EpochMs, InstanceId, Nonce, Place, Problem, RunId
from reconciler.plan import Reason
from reconciler.render.page import Reported
from reconciler.render.status_row import FullRow, StatusRow, instance_url
from reconciler.times import format_instant, parse_instant
from tests.render.values import COMMIT, SHANGHAI, a_start

MADE = parse_instant("2024-04-02T18:20:00+08:00")
TEMPLATE = "https://enos.example.test/flows/{flowId}/instances/{flowInstanceId}"
_FIRST = dt.date(2024, 3, 1)
_MINUTE, _DAY = 60_000, 86_400_000
_FILE = "triggers/wind/march.yaml"


def a_month(sites: int = 40, days: int = 31) -> Reported:
    """A backfill of a month, one that has not begun, and some runs that stand alone."""
    rows = _followed([*_backfill(sites, days), *_waiting(), *_alone()])
    return Reported(
        environment="prod",
        zone=SHANGHAI,
        rows=rows,
        problems=[
            Problem(
                place=Place(file="triggers/reports/audit.yaml", line=9, column=15),
                code="format",
                pointer="/spec/triggerTime",
                message="spec.triggerTime: is not a date and time with an offset",
            )
        ],
        origins={
            _FILE: Origin(
                commit=CommitId("8c6cf7a4c1d1f2a05a0e1a4e5c2b8a7c5f1e3d2b"),
                subject="Merge pull request #214 from wind/reprocess-march",
                pull_request="#214",
            )
        },
        commit=COMMIT,
        instance_template=TEMPLATE,
    )


def _followed(rows: Sequence[StatusRow]) -> list[StatusRow]:
    """The rows, each with the attempt that came after it."""
    ids = {row.run for row in rows}
    second = {row.run: RunId(f"{row.run}#2") for row in rows}
    return [row.but(followed_by=second[row.run]) if second[row.run] in ids else row for row in rows]


def _backfill(sites: int, days: int) -> Iterator[StatusRow]:
    """Forty sites a day; a gateway that was down, failures, and the last days still to come."""
    for day in range(days):
        for site in range(sites):
            yield _of_march(day, site, days)


def _of_march(day: int, site: int, days: int) -> StatusRow:
    date = _FIRST + dt.timedelta(days=day)
    time = EpochMs(parse_instant(f"{_FIRST}T08:00:00+08:00") + (day + 1) * _DAY + site * _MINUTE)
    name = f"cn-{site + 1:02d}"
    odd = (day * 31 + site * 7) % 97
    more: dict[str, Any] = {}
    state = RunState.SUCCEEDED
    if days > 3 and day >= days - 2:
        state = RunState.PENDING
        more = {"reason": Reason.READY, "why": "its time is past: starts immediately"}
    elif odd == 3:
        state = RunState.FAILED
        more = {"reason": Reason.FAILED, "why": "it ended with TIMEOUT"}
    elif odd == 11 and day % 2:
        state = RunState.IN_DOUBT
        why = "its claim expired and no outcome is known"
        more = {"reason": Reason.IN_DOUBT, "why": why, "evidence": _SEEN}
    elif day == days - 3:
        state = RunState.TRIGGERED
        more = {"reason": Reason.RUNNING, "why": "started, and not known to have ended"}
    return a_run(
        f"wind-march/{date}/SITE={name}",
        state,
        time,
        parameters=(("SITE", name), ("MODE", "full"), ("DB_PASSWORD", "•••• 1a2b3c")),
        labels={"team": "wind", "quarter": "q1"},
        place=Place(file=_FILE, line=4),
        **more,
    )


_SEEN = {
    "reason": "the answer was lost: read timeout after 30 s",
    "searched": {"from": "2024-03-02T07:59:00Z", "instances": 2, "ours": 0, "possible": 1},
}


def _waiting() -> Iterator[StatusRow]:
    """A backfill that waits for one that failed."""
    for day in range(6):
        time = EpochMs(parse_instant("2024-03-02T12:00:00+08:00") + day * _DAY)
        yield a_run(
            f"yield-march/{_FIRST + dt.timedelta(days=day)}",
            RunState.PENDING,
            time,
            flow=4410,
            parameters=(("REPORT", "yield"),),
            labels={"team": "reports"},
            place=Place(file="triggers/reports/yield.yaml", line=1),
            reason=Reason.BLOCKED,
            why=f"blocked: wind-march/{_FIRST + dt.timedelta(days=day)} has failed",
        )


def _alone() -> Iterator[StatusRow]:
    time = parse_instant("2024-03-20T08:00:00+08:00")
    solar = Place(file="triggers/solar/migration.yaml", line=1)
    told: dict[str, Any] = {"flow": 5120, "place": solar, "labels": {"team": "solar"}}
    refused = "62104: the flow is offline and cannot be triggered"
    again: dict[str, Any] = {"reason": Reason.REJECTED, "why": f"refused before ({refused})"}
    yield a_run("solar-migration", RunState.REJECTED, time, error=refused, **told, **again)
    yield a_run("solar-model", RunState.FAILED, time, **told, reason=Reason.FAILED, status="FAIL")
    yield a_run("solar-model#2", RunState.SUCCEEDED, EpochMs(time + _MINUTE), **told)
    suspended: dict[str, Any] = {"reason": Reason.SUSPENDED, "why": "suspended by its manifest"}
    yield a_run("solar-archive", RunState.PENDING, time, **told, **suspended)
    starts = (a_start("5120-20240320-a", "c1a1"), a_start("5120-20240320-b", "c2b2"))
    twice = (
        "started twice: as 5120-20240320-a under claim c1a1 and as 5120-20240320-b under claim c2b2"
    )
    yield a_run(
        *("solar-audit", RunState.TRIGGERED, time),
        **told,
        error=twice,
        starts=starts,
        started_twice=True,
    )


def a_run(name: str, state: RunState, time: EpochMs, *, flow: int = 3377, **more: Any) -> StatusRow:
    """A run in that state, with all that such a run has."""
    values: dict[str, Any] = {"run": RunId(name), "state": state, "flow_id": flow}
    values |= {"trigger_time": time, "parameters": (("SITE", "cn-01"),)}
    if state is not RunState.PENDING:
        values |= _claimed(time)
    if state in {RunState.TRIGGERED, RunState.SUCCEEDED, RunState.FAILED}:
        values |= _started(state, time, flow)
    return FullRow(**(values | more))


def _claimed(time: EpochMs) -> dict[str, Any]:
    return {
        "claim": Nonce(f"{time // 1_800_000:032x}"),
        "by": "ci@runner-7 (https://ci.example.test/jobs/4711)",
        "commit": COMMIT,
        "claimed_at": format_instant(EpochMs(time // 1_800_000 * 1_800_000)),
        "until": EpochMs(time // 1_800_000 * 1_800_000 + 120_000),
    }


def _started(state: RunState, time: EpochMs, flow: int) -> dict[str, Any]:
    instance = InstanceId(f"{flow}_{time // 1000}")
    minutes = 12 + time // _MINUTE % 41
    known: dict[str, Any] = {
        "instance": instance,
        "instance_url": instance_url(TEMPLATE, instance, flow),
        "triggered_at": format_instant(EpochMs(time + 4_120)),
    }
    if state is not RunState.TRIGGERED:
        known["status"] = "SUCCESS" if state is RunState.SUCCEEDED else "TIMEOUT"
        known["ended_at"] = format_instant(EpochMs(time + minutes * _MINUTE))
    return known


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\"' onmouseover=alert(1) x='",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "${alert(1)}`",
    "\u202egnp.exe\u2066\u200b\x1b[2J\x00",
    "line\u2028separator\r\nmore",
    "https://elsewhere.example.test/x.png",
    "\ud800 half",
    "__proto__",
    "a" * 3_000,
)


def hostile() -> Reported:
    """Every field that may hold text holds something nasty, in any state."""
    rows = [
        _hostile(text, number, state) for number, text in enumerate(HOSTILE) for state in RunState
    ]
    return Reported(
        environment="prod",
        zone=SHANGHAI,
        rows=rows,
        problems=[Problem(place=Place(file=text), code="schema", message=text) for text in HOSTILE],
        origins={
            text: Origin(commit=CommitId(text), subject=text, pull_request=text) for text in HOSTILE
        },
        commit=COMMIT,
        instance_template=TEMPLATE,
    )


def _hostile(text: str, number: int, state: RunState) -> StatusRow:
    return a_run(
        f"{state}-{number}/{text}/{text}={text}",
        state,
        EpochMs(parse_instant("2024-03-02T08:00:00+08:00") + number * _DAY),
        parameters=((text, text),),
        labels={text: text},
        place=Place(file=text),
        instance=InstanceId(text),
        instance_url=instance_url(TEMPLATE, InstanceId(text), 3377),
        claim=Nonce(text),
        by=text,
        commit=text,
        claimed_at=text,
        status=text,
        error=text,
        why=text,
        reason=Reason.BLOCKED if state is RunState.PENDING else Reason.FAILED,
        declared_as=text,
        cancelled=text,
        evidence={"reason": text, text: [text]},
    )
