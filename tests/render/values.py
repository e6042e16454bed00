"""Plans, problems and rows to render, and text as nasty as a manifest or a service can send it."""

import re
from typing import Any

from hypothesis import strategies as st
from rich.cells import cell_len

from reconciler.cli.options import CommonOptions
from reconciler.cli.reporting import StatusReport
from reconciler.configuration import Environment, parse_configuration
from reconciler.ledger import Record, RunState
from reconciler.ledger.records import FullRecord, Phase, Start
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, Place, Problem, RunId, Source
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.values import FullPlanned
from reconciler.render.status_row import FullRow, StatusRow
from reconciler.times import parse_instant, parse_zone
from tests.acceptance.scene import configuration

SHANGHAI = parse_zone("GMT+8")
_FILE = Source(path="reconciler.yaml", content=configuration("http://127.0.0.1:9").encode())
TEST: Environment = parse_configuration(_FILE).environments["test"]
COMMIT = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
DAY_MS = 86_400_000
EIGHT = parse_instant("2024-03-02T08:00:00+08:00")
DIGEST = Digest("0" * 64)

PAST = "starts immediately: its time is past"
LONG_NAME = "solar-reprocess-after-the-outage-of-the-scada-system-2024-03-01"

NASTY = (
    "\x1b[2J\x1b]0;title\x07",
    "a\nb\rc\td\x00\x7f\x85",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "line\u2028separator",
    "风电场日报" * 20,
    "👩‍👩‍👧‍👦🇩🇪" * 15,
    "e\u0301" * 90,
    "|`<!--@someone-->*_[link](https://example.test)![image](x)#1",
    "x" * 300,
    "[bold red]markup[/] :tada:",
    "trailing blanks   ",
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(alphabet=st.characters(), max_size=60),
    st.text(alphabet="|`\\ \n<>!-@#&;:[]()*_~$a0", max_size=40),
)

OBEYED = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_PAINT = re.compile("\x1b\\[[0-9;]*m")


def planned(
    run: str, /, action: Action = Action.START, reason: str = PAST, **more: Any
) -> PlannedRun:
    """A planned run of flow 3377 at eight in the gateway's zone."""
    values: dict[str, Any] = {
        "flow_id": 3377,
        "trigger_time": EIGHT,
        "parameters": (("REPLACE", "ddee"),),
        "digest": DIGEST,
        "place": Place(file="triggers/wind.yaml", line=3),
    }
    return FullPlanned(id=RunId(run), action=action, reason=reason, **(values | more))


def of_backfill(
    name: str, count: int, action: Action = Action.START, reason: str = PAST, **more: Any
) -> list[PlannedRun]:
    """Runs of a backfill, one a day from business date 2024-03-01 on."""
    times = [EpochMs(EIGHT + number * DAY_MS) for number in range(count)]
    return [
        planned(f"{name}/run-{number}", action, reason, **({"trigger_time": time} | more))
        for number, time in enumerate(times)
    ]


def a_plan(*runs: PlannedRun, problems: tuple[Problem, ...] = (), **more: Any) -> Plan:
    """A plan of `prod`."""
    values: dict[str, Any] = {"environment": "prod", "commit": COMMIT, "at": EIGHT}
    return Plan(runs=runs, problems=problems, **(values | more))


def a_problem(message: str = "must be a whole number", **more: Any) -> Problem:
    """A problem of code `schema` in triggers/wind.yaml."""
    values: dict[str, Any] = {
        "place": Place(file="triggers/wind.yaml", line=7, column=11),
        "code": "schema",
        "pointer": "/spec/flowId",
    }
    return Problem(message=message, **(values | more))


def a_row(run: str, state: RunState = RunState.TRIGGERED, **more: Any) -> StatusRow:
    """A run's status, as the ledger has it right after a start."""
    values: dict[str, Any] = {"flow_id": 3377, "trigger_time": EIGHT}
    return FullRow(run=RunId(run), state=state, **(values | more))


def a_report(*rows: StatusRow) -> StatusReport:
    """The report of `status` on one environment."""
    options = CommonOptions(no_color=True)
    return StatusReport(rows=[(TEST, list(rows))], narrowed=False, detailed=False, options=options)


def a_record(run: str, **more: Any) -> Record:
    """The record of a started run."""
    values: dict[str, Any] = {
        "phase": Phase.TRIGGERED,
        "digest": DIGEST,
        "trigger_time": EpochMs(0),
    }
    return FullRecord(run=RunId(run), **(values | more))


def a_start(instance: str, claim: str | None = "c1a1") -> Start:
    """One start of a run, as the ledger knows it."""
    return Start(
        claim=None if claim is None else Nonce(claim),
        instance=InstanceId(instance),
        at="2024-03-02T00:00:05.000Z",
    )


def a_failed_record(run: str, status: str = "TIMEOUT") -> Record:
    """The record of a run whose instance ended badly."""
    return a_record(run, phase=Phase.FAILED, status=status)


def assert_safe(text: str) -> None:
    """Nothing that a terminal obeys, no trailing blanks, and a line feed at the end."""
    assert OBEYED.search(text) is None
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert text == "" or text.endswith("\n")


def assert_fits(text: str, width: int = 80) -> None:
    """Safe, and no line is wider than the terminal."""
    assert_safe(_PAINT.sub("", text))
    for line in text.split("\n"):
        assert cell_len(_PAINT.sub("", line)) <= width
