"""`plan` of a backfill of 10,000 runs, half of them recorded, against 5,000 single manifests."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import CONFIGURATION, write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most
from reconciler.ledger import ACTIVE, Event, events
from reconciler.ledger.fold import Ledger
from reconciler.ledger.lines import encode_events
from reconciler.manifest import combine, read_file
from reconciler.model import Declared, InstanceId, Nonce, Run, Source
from reconciler.schedule import schedule_runs
from reconciler.times import parse_zone

RUNS, RECORDED, SINGLES = 10_000, 5_000, 5_000
_BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: wind}}
spec:
  flowId: 3377
  businessDates: {{from: 2023-01-01, to: 2023-09-07, every: 1d}}
  at: "08:00"
  matrix:
    SITE: [{sites}]
  stagger: 1m
  parameters: {{MODE: full}}
"""
_AT = "2024-03-02T00:00:03.120Z"


def measure(folder: Path) -> Iterator[Row]:
    """Time and memory."""
    backfill, singles = folder / "backfill", folder / "singles"
    write_backfill(backfill)
    write_repository(singles, SINGLES)
    found = compare(lambda: _plan(backfill), lambda: _plan(singles), pairs=5)
    work = "`plan` of a backfill of 10,000 runs, half recorded"
    yield Row(
        work=f"{work}, to 5,000 single manifests",
        values=found.ratios,
        goal=at_most(3),
        took=found.took,
    )
    yield Row(
        work=f"memory of {work}",
        values=[one.peak_mb for one in found.ours],
        unit=" MB",
        goal=at_most(150),
    )


def _plan(repository: Path) -> Sample:
    command = [sys.executable, "-m", "reconciler", "plan", "--offline", "--format", "json"]
    return run([*command, "--repo", str(repository)], Path.cwd())


def write_backfill(root: Path) -> None:
    """Write a repository whose one manifest declares the runs, and a ledger of half of them."""
    sites = ", ".join(f"cn-{number:02d}" for number in range(40))
    manifest = _BACKFILL.format(sites=sites)
    (root / "triggers").mkdir(parents=True)
    (root / "state" / "bench").mkdir(parents=True)
    configuration = CONFIGURATION.format(url="http://127.0.0.1:9", concurrency=8)
    (root / "reconciler.yaml").write_text(configuration, encoding="utf-8")
    (root / "triggers" / "wind.yaml").write_text(manifest, encoding="utf-8")
    source = Source(path="triggers/wind.yaml", content=manifest.encode())
    declared = combine([read_file(source, parse_zone("GMT+8"))])
    if len(declared.runs) != RUNS:
        raise RuntimeError(f"{len(declared.runs)} runs, not {RUNS}: {declared.problems}")
    ledger = root / "state" / "bench" / ACTIVE
    ledger.write_bytes(encode_events(recorded(declared, RECORDED)))


def recorded(declared: Declared, number: int) -> list[Event]:
    """One claim of the first runs, and a `triggered` of each."""
    runs = sorted(schedule_runs(declared, Ledger.of([])).runs, key=lambda run: run.turn)[:number]
    claim = events.Claim(
        v=events.VERSION,
        at=_AT,
        claim=Nonce("bench"),
        by="bench",
        until="2024-03-02T00:02:03.120Z",
        commit="8c6cf7a4c1d1f2a05a0e1a4e5c2b8a7c5f1e3d2b",
        runs={run.id: events.claimed_run(run) for run in runs},
    )
    return [claim, *(_triggered(run, index) for index, run in enumerate(runs))]


def _triggered(run: Run, index: int) -> events.Triggered:
    return events.Triggered(
        v=events.VERSION,
        at=_AT,
        run=run.id,
        claim=Nonce("bench"),
        digest=run.digest,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        flow_instance_id=InstanceId(f"{run.flow_id}-{index}"),
    )
