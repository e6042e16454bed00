"""`python -m benchmarks.guard`: no command has become much slower than the bare work within it.

Each command, in this process, is compared with a bare loop over the same bytes: processor time, the
least of several turns of each. A machine that is busy or slow changes both sides. The limits are
half as high again as what was measured, so they hold what a change surely made worse.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import msgspec
import yaml
from click.testing import CliRunner
from msgspec import Struct

from benchmarks.applying import share
from benchmarks.corpus import write_repository
from benchmarks.growth import an_apply
from reconciler.cli.main import reconciler
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.lines import encode_events

FILES, APPLIES, TURNS = 400, 100, 7


class Guard(Struct, frozen=True, kw_only=True):
    """One comparison."""

    name: str
    ours: Callable[[], object]
    bare: Callable[[], object]
    limit: float  # ours to bare, at most

    def ratio(self) -> float:
        """Of the processor times, the least of several turns of each side."""
        self.ours()
        self.bare()
        taken = [(_processor(self.ours), _processor(self.bare)) for _ in range(TURNS)]
        return min(ours for ours, _ in taken) / min(bare for _, bare in taken)


def _processor(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _command(*arguments: str) -> Callable[[], object]:
    def called() -> None:
        result = CliRunner().invoke(reconciler, arguments)
        if result.exit_code != 0:
            raise RuntimeError(f"{' '.join(arguments)} ended with {result.exit_code}")

    return called


def guards(folder: Path) -> Sequence[Guard]:
    """All of them, on a repository that is made in the folder."""
    repository = folder / "repository"
    write_repository(repository, FILES)
    share(repository, folder / "origin.git")
    texts = [path.read_text("utf-8") for path in sorted((repository / "triggers").rglob("*.yaml"))]
    numbers = count()
    recorded = encode_events(
        one for _ in range(APPLIES) for part in an_apply(numbers) for one in part
    )
    lines = recorded.splitlines()
    decode = msgspec.json.Decoder().decode

    def parsed() -> None:
        for text in texts:
            yaml.load(text, Loader=yaml.CSafeLoader)

    return [
        Guard(
            name=f"validate of {FILES} manifests, to libyaml's reading of them",
            ours=_command("validate", "--repo", str(repository)),
            bare=parsed,
            limit=1.6,
        ),
        Guard(
            name=f"plan --offline of {FILES} manifests, to the same",
            ours=_command("plan", "--offline", "--repo", str(repository)),
            bare=parsed,
            limit=2.8,
        ),
        Guard(
            name=f"what a ledger of {len(lines)} lines says, to decoding them",
            ours=lambda: Ledger.of(read_events({"ledger.jsonl": recorded}, "state")),
            bare=lambda: [decode(line) for line in lines],
            limit=4,
        ),
    ]


def main() -> int:
    """Print each ratio and its limit; 1 if one is over it."""
    with tempfile.TemporaryDirectory(prefix="reconciler-guard-") as folder:
        over = 0
        for guard in guards(Path(folder)):
            ratio = guard.ratio()
            over += ratio > guard.limit
            print(f"{guard.name}: {ratio:.2f}, at most {guard.limit:g}", flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
