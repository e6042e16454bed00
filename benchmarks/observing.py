"""What it costs to observe 10,000 started instances of 100 flows: requests, and bytes of ledger."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.applying import git, serve, share
from benchmarks.corpus import CONFIGURATION
from benchmarks.table import Row, at_most

FLOWS, DAYS = 100, 100
_BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: flow-{flow}}}
spec:
  flowId: {flow}
  businessDates: {{from: 2024-01-01, to: 2024-04-09, every: 1d}}
  parameters: {{MODE: full}}
"""


def measure(folder: Path) -> Iterator[Row]:
    """The requests of an apply that has nothing to do but to look, and what it records."""
    journal = folder / "journal.jsonl"
    options = folder / "sandbox.yaml"
    options.write_text("runSeconds: 0\n", encoding="utf-8")
    with serve("--journal", str(journal), "--faults", str(options), latency=0) as (url, exports):
        repository = folder / "repository"
        _write(repository, url)
        share(repository, folder / "origin.git")
        _apply(repository, exports)
        git("fetch", "-q", cwd=repository)
        before, asked = _ledger_bytes(repository), len(journal.read_text().splitlines())
        _apply(repository, exports)
        git("fetch", "-q", cwd=repository)
        lines = journal.read_text().splitlines()[asked:]
    counts = Counter(json.loads(line)["operation"] for line in lines)
    look = sum(counts[name] for name in ("search", "instance"))
    work = "observing 10,000 started instances of 100 flows"
    yield Row(work=f"{work}: requests", values=[look], goal=at_most(300))
    growth = (_ledger_bytes(repository) - before) / FLOWS / DAYS
    yield Row(work=f"{work}: growth of the ledger for each run", values=[growth], unit=" bytes")


def _write(root: Path, url: str) -> None:
    (root / "triggers").mkdir(parents=True)
    configuration = CONFIGURATION.format(url=url, concurrency=16)
    (root / "reconciler.yaml").write_text(configuration, encoding="utf-8")
    for flow in range(1, FLOWS + 1):
        text = _BACKFILL.format(flow=flow)
        (root / "triggers" / f"flow-{flow}.yaml").write_text(text, encoding="utf-8")


def _apply(repository: Path, exports: dict[str, str]) -> None:
    command = [sys.executable, "-m", "reconciler", "apply", "--quiet", "--repo", str(repository)]
    subprocess.run(command, check=True, env=os.environ | exports, stdout=subprocess.DEVNULL)


def _ledger_bytes(repository: Path) -> int:
    listing = git("ls-tree", "-rl", "origin/main", "--", "state", cwd=repository)
    return sum(int(line.split()[3]) for line in listing.splitlines())
