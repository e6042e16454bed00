"""What recorded runs cost: 100,000 of 50 backfills, all ended, and the load of a ledger."""

import gc
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.applying import git, share
from benchmarks.corpus import CONFIGURATION
from benchmarks.measure import Sample, compare, run, spread
from benchmarks.table import Row, at_most
from reconciler.ledger import Event, append_events, events, read_events
from reconciler.ledger.fold import Ledger
from reconciler.manifest import combine, read_file
from reconciler.model import InstanceId, Nonce, Run, Source
from reconciler.schedule import schedule_runs
from reconciler.times import parse_zone

BACKFILLS, TIMES_LOADED, PAIRS = 50, 10, 5
_BATCH = 200  # runs of one claim
_BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: wind-{number:02d}}}
spec:
  flowId: {flow}
  businessDates: {{from: 2023-01-01, to: 2023-02-19, every: 1d}}
  at: "08:00"
  matrix:
    SITE: [{sites}]
  stagger: 1m
  parameters: {{MODE: full}}
"""
_CLAIMED, _UNTIL = "2024-03-02T00:00:03.120Z", "2024-03-02T00:02:03.120Z"
_COMMANDS = {
    "plan": ["plan", "--offline"],
    "plan --format json": ["plan", "--offline", "--format", "json"],
    "status": ["status", "--offline"],
    "status --format json": ["status", "--offline", "--format", "json"],
    "plan, fetched": ["plan"],  # the working tree's ledger is compared with the branch's
    "apply": ["apply"],  # with nothing to do, so no gateway is asked
}


def measure(folder: Path) -> Iterator[Row]:
    """Each command's processor time to that of `validate`, its memory, and what a load costs."""
    recorded = folder / "recorded"
    files = write_recorded(recorded)
    git("init", "-q", "--initial-branch=main", cwd=recorded)
    git("add", "--all", cwd=recorded)
    for name, words in _COMMANDS.items():
        if name == "plan, fetched":
            share(recorded, folder / "origin.git")
        found = compare(
            lambda words=words: _run(recorded, words),  # type: ignore[misc] # bound early
            lambda: _run(recorded, ["validate"]),
            pairs=PAIRS,
        )
        work = f"`{name}` of 100,000 recorded, ended runs of 50 backfills"
        yield Row(
            work=f"{work}, to `validate`, of processor time",
            values=found.cpu_ratios,
            goal=at_most(1.5),
            took=found.took,
        )
        memory = [one.peak_mb for one in found.ours]
        yield Row(work=f"memory of {work}", values=memory, unit=" MB", goal=at_most(200))
    yield _measure_load(files)


def _run(repository: Path, words: Sequence[str]) -> Sample:
    command = [sys.executable, "-m", "reconciler", *words, "--repo", str(repository)]
    return run(command, Path.cwd())


def _measure_load(files: Mapping[str, bytes]) -> Row:
    """The load of so many ledgers one after another, against msgspec's decoding of their lines."""
    lines = [content.splitlines() for content in files.values()]
    decoder = msgspec.json.Decoder(Event)
    gc.set_threshold(100_000, 20, 20)  # as `reconciler/__main__.py` has it

    def decoded() -> object:
        return [decoder.decode(line) for content in lines for line in content]

    def loaded() -> object:
        return Ledger.of(read_events(files, "state/bench"))

    pairs = [(_cpu(loaded), _cpu(decoded)) for _ in range(TIMES_LOADED)]
    return Row(
        work="load of their ledger, to msgspec's decoding of its lines",
        values=[ours / theirs for ours, theirs in pairs],
        goal=at_most(1.5),
        took=spread([ours for ours, _ in pairs], " s"),
    )


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def write_recorded(root: Path) -> dict[str, bytes]:
    """Write a repository of backfills whose runs have all succeeded; gives its ledger's files."""
    return write_ledger(root, _write_manifests(root))


def write_ledger(root: Path, runs: Sequence[Run]) -> dict[str, bytes]:
    """Write a ledger in which all those runs have succeeded; gives its files."""
    files: dict[str, bytes] = {}
    for first in range(0, len(runs), _BATCH):
        for batch in _events(runs[first : first + _BATCH], first):
            active = files.get("ledger.jsonl", b"")
            for name, content in append_events(files, active, batch, files.__getitem__).items():
                if content is None:
                    del files[name]
                else:
                    files[name] = content
    (root / "state" / "bench").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / "state" / "bench" / name).write_bytes(content)
    return files


def _write_manifests(root: Path) -> list[Run]:
    (root / "triggers").mkdir(parents=True)
    (root / "state" / "bench").mkdir(parents=True)
    configuration = CONFIGURATION.format(url="http://127.0.0.1:9", concurrency=8)
    (root / "reconciler.yaml").write_text(configuration, encoding="utf-8")
    sites = ", ".join(f"cn-{number:02d}" for number in range(40))
    results = []
    for number in range(BACKFILLS):
        text = _BACKFILL.format(number=number, flow=3000 + number, sites=sites)
        path = f"triggers/wind-{number:02d}.yaml"
        (root / path).write_text(text, encoding="utf-8")
        source = Source(path=path, content=text.encode())
        results.append(read_file(source, parse_zone("GMT+8")))
    declared = schedule_runs(combine(results), Ledger.of([]))
    return sorted(declared.runs, key=lambda one: one.turn)


def _events(runs: Sequence[Run], first: int) -> Iterator[list[Event]]:
    """What the applies record of these runs: their claim, their starts, their ends."""
    nonce = Nonce(hashlib.sha256(str(first).encode()).hexdigest()[:32])
    claimed = {one.id: events.claimed_run(one) for one in runs}
    yield [
        events.Claim(
            v=1, at=_CLAIMED, claim=nonce, by="bench", until=_UNTIL, commit="0" * 40, runs=claimed
        )
    ]
    yield [_triggered(one, nonce, first + index) for index, one in enumerate(runs)]
    yield [
        events.Observed(v=1, at=_at(3, first + index), run=one.id, status=1, claim=nonce)
        for index, one in enumerate(runs)
    ]


def _triggered(one: Run, nonce: Nonce, index: int) -> events.Triggered:
    return events.Triggered(
        v=1,
        at=_at(0, index),
        run=one.id,
        claim=nonce,
        digest=one.digest,
        flow_id=one.flow_id,
        trigger_time=one.trigger_time,
        flow_instance_id=InstanceId(f"{one.flow_id}-{index}"),
    )


def _at(hour: int, index: int) -> str:
    """A time in that hour, another one for each run."""
    minutes, milliseconds = divmod(index, 60_000)
    return f"2024-03-02T{hour:02d}:{minutes:02d}:{milliseconds / 1_000:06.3f}Z"
