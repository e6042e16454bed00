"""One cell carried out: the real command against the real sandbox and a real remote."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from reconciler.cli.choosing import Filter
from reconciler.cli.main import run
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.reporting import report_status
from reconciler.sandbox import (
    ALWAYS,
    Drop,
    Fault,
    Operation,
    Reply,
    Sandbox,
    environment,
    run_sandbox,
)
from reconciler.sandbox.faults import FaultScript
from tests.environments import LASTING, Setting, configuration, make_setting, runs_of_one_flow_each
from tests.faults.catalogue import CLAIM, SETTLE, TIMEOUT, Cell
from tests.repositories import git, isolate

RUNS = ("run-0", "run-1")  # of flow 1 and of flow 2
_AT_ONCE = 12  # cells mostly wait, for claims to expire and for git
_LEDGER = "state/test/ledger.jsonl"
_EVERYTHING = Filter.of(runs=(), states=(), labels=())
_UNRECOGNISABLE = '{"code":0,"data":{"flowInsts":[{"instanceId":"somebody-s"}],"count":1}}'

LedgerEvent = Mapping[str, Any]


class Seen(Struct, frozen=True, kw_only=True):
    """What one command did to one run, as seen from outside."""

    state: str
    instance: str | None  # in the ledger
    events: Sequence[LedgerEvent]  # that the command added to the ledger
    posts: int  # that the command sent to start it
    instances: Sequence[str]  # at the service, whichever command started them

    @property
    def claims(self) -> int:
        """How often the command claimed the run."""
        return sum(event["event"] == "claim" for event in self.events)


class Step(Struct, frozen=True, kw_only=True):
    """What one command did."""

    exit_code: int
    asked: Counter[Operation]  # requests
    runs: Mapping[str, Seen]


class Observation(Struct, frozen=True, kw_only=True):
    """What the first command made of the fault, and the next apply of what that left."""

    first: Step
    following: Step


@contextmanager
def isolated(folder: Path) -> Iterator[None]:
    """Let commands run in threads, cut off from the user's git, with the keys of every sandbox."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        for name, value in environment(Sandbox()).items():
            patch.setenv(name, value)
        # Only the main thread can have handlers, and nothing here sends signals.
        patch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", lambda *_: None)
        patch.setattr("signal.signal", lambda *_: None)
        yield


def observe_all(wanted: Sequence[Cell], folder: Path) -> dict[Cell, Observation]:
    """Carry out cells side by side, each in a repository of its own. Only where `isolated`."""
    folder.mkdir(exist_ok=True)
    folders = [folder / str(number) for number in range(len(wanted))]
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        ThreadPoolExecutor(_AT_ONCE) as threads,
    ):
        return dict(zip(wanted, threads.map(_observe, wanted, folders), strict=True))


def _observe(cell: Cell, folder: Path) -> Observation:
    """The command under the fault, then an apply without it."""
    sandbox = Sandbox(LASTING, faults=_arrangement(cell.column.operation))
    with run_sandbox(sandbox) as url:
        settings = configuration(url, claim=CLAIM, timeout=TIMEOUT, settle=SETTLE)
        files = {"reconciler.yaml": settings, **runs_of_one_flow_each(len(RUNS))}
        setting = _Watched(sandbox, make_setting(folder, url, sandbox, files))
        command = ["apply"]
        if cell.column.operation == "instance":
            arranged = setting.run("apply")
            assert arranged.exit_code == 4
            command = ["resolve", RUNS[0], "--triggered", *arranged.runs[RUNS[0]].instances]
        sandbox.add_fault(cell.fault)
        first = setting.run(*command)
        sandbox._script = FaultScript([])
        return Observation(first=first, following=setting.run("apply"))


def _arrangement(operation: Operation) -> list[Fault]:
    """What must have gone wrong before for the operation to be needed at all."""
    lost = Fault(on="trigger", flow_id=1, ending=Drop(effect=True))
    match operation:
        case "refresh":
            # A token that is turned away while it is valid is given out again, so only a refresh
            # replaces it.
            return [Fault(on="time", ending=Reply(status=401))]
        case "search":
            return [lost]
        case "instance":
            return [lost, Fault(on="search", times=ALWAYS, ending=Reply(body=_UNRECOGNISABLE))]
        case _:
            return []


class _Watched:
    """A setting in which it is noted what each command did."""

    def __init__(self, sandbox: Sandbox, setting: Setting) -> None:
        self._sandbox = sandbox
        self._setting = setting
        self._requests_seen = 0
        self._events_seen = 0

    def run(self, *arguments: str) -> Step:
        """Run a command to its end."""
        exit_code = run([*arguments, "--quiet", "--repo", str(self._setting.clone)])
        requests = self._sandbox.requests[self._requests_seen :]
        self._requests_seen += len(requests)
        posts = Counter(one.flow_id for one in requests if one.operation == "trigger")
        rows, events = self._rows(), self._new_events()
        return Step(
            exit_code=exit_code,
            asked=Counter(one.operation for one in requests),
            runs={
                name: Seen(
                    state=rows[name]["state"],
                    instance=rows[name]["flowInstanceId"],
                    events=[event for event in events if _is_about(event, name)],
                    posts=posts[flow],
                    instances=[one.id for one in self._sandbox.instances if one.flow_id == flow],
                )
                for flow, name in enumerate(RUNS, start=1)
            },
        )

    def _rows(self) -> dict[str, Any]:
        """What `status --format json` prints, by run."""
        options = CommonOptions(repo=self._setting.clone, quiet=True)
        shown = report_status(options, _EVERYTHING, offline=False).render(Format.JSON)
        return {row["run"]: row for row in json.loads(shown)["runs"]}

    def _new_events(self) -> list[LedgerEvent]:
        origin = self._setting.origin
        lines: list[str] = []
        if git(origin, "ls-tree", "--name-only", "main", "--", _LEDGER):
            lines = git(origin, "show", f"main:{_LEDGER}").splitlines()
        new = lines[self._events_seen :]
        self._events_seen = len(lines)
        return [json.loads(line) for line in new]


def _is_about(event: LedgerEvent, name: str) -> bool:
    return name in event["runs"] if event["event"] == "claim" else event["run"] == name
