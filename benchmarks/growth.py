"""What 100 applies of 100 runs add to a repository whose ledger has 100,000 runs already."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from benchmarks.applying import git
from benchmarks.table import Row, at_most
from reconciler.git import CommitId, Git
from reconciler.ledger import Event, append_events, events
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, RunId

BASE_RUNS, APPLIES, RUNS = 100_000, 100, 100
FOLDER = "state/bench"


class _History:
    """A repository that only the ledger grows in."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        git("init", "-q", "--initial-branch=main", cwd=root)
        git("config", "user.name", "bench", cwd=root)
        git("config", "user.email", "bench@example.test", cwd=root)
        self.root = root
        self.git = Git.at(root)
        self.files: dict[str, bytes] = {}
        self.tip: CommitId | None = None
        self.numbers = count()

    def append(self, new: Sequence[Event]) -> dict[str, bytes | None]:
        changes = append_events(
            self.files, self.files.get("ledger.jsonl", b""), new, self.files.__getitem__
        )
        for name, content in changes.items():
            if content is None:
                del self.files[name]
            else:
                self.files[name] = content
        return changes

    def commit(self, changes: dict[str, bytes | None]) -> None:
        at = {f"{FOLDER}/{name}": content for name, content in changes.items()}
        self.tip = self.git.commit_files(self.tip, at, "ledger [skip ci]\n")


def an_apply(numbers: Iterator[int]) -> list[list[Event]]:
    """The claim of one apply, and its outcomes; the runs are numbered."""
    at, nonce = "2026-01-01T00:00:00.000Z", Nonce(secrets.token_hex(16))
    runs = {
        RunId(f"wind-cn-01-{next(numbers):07d}"): events.ClaimedRun(
            digest=Digest(secrets.token_hex(32)),
            trigger_time=EpochMs(1_700_000_000_000 + index * 60_000),
            flow_id=3377,
        )
        for index in range(RUNS)
    }
    claim = events.Claim(
        v=1, at=at, claim=nonce, by="pipeline", until=at, commit="0" * 40, runs=runs
    )
    outcomes = [
        events.Triggered(
            v=1,
            at=at,
            run=run,
            claim=nonce,
            digest=claimed.digest,
            flow_id=3377,
            trigger_time=claimed.trigger_time,
            flow_instance_id=InstanceId(f"3377-{claimed.trigger_time}"),
        )
        for run, claimed in runs.items()
    ]
    return [[claim], list(outcomes)]


def measure(folder: Path) -> Iterator[Row]:
    """The loose objects that the applies add."""
    history = _History(folder / "repository")
    for _ in range(BASE_RUNS // RUNS):
        for new in an_apply(history.numbers):
            history.append(new)
    history.commit(dict(history.files))
    before = _loose_bytes(history.root)
    for _ in range(APPLIES):
        for new in an_apply(history.numbers):
            history.commit(history.append(new))
    grown = (_loose_bytes(history.root) - before) / 1e6
    work = "loose objects of 100 applies of 100 runs on a ledger of 100,000 runs"
    yield Row(work=work, values=[grown], unit=" MB", goal=at_most(3))


def _loose_bytes(root: Path) -> int:
    objects = root / ".git" / "objects"
    loose = (path for path in objects.rglob("*") if path.is_file() and path.parent.name != "pack")
    return sum(path.stat().st_size for path in loose)
