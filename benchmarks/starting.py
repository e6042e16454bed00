"""What a command costs before it does anything, and how soon an apply starts its first run."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from benchmarks.applying import git, serve, share
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.recording import write_ledger
from benchmarks.table import Goal, Row, at_most
from benchmarks.validating import check_jsonschema
from reconciler.manifest import combine, read_file
from reconciler.model import Source
from reconciler.times import parse_zone

BARE = "import click\n@click.command()\ndef main():\n    'Nothing.'\nmain(['--help'])\n"
# What any such program in Python does, whose user has named these libraries.
LIBRARIES = """
import subprocess
import click, jsonschema_rs, msgspec, yaml
subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True)
"""
_MANIFESTS, _PAIRS = 100_000, 5
_NEW = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {{name: new-{number}}}
spec: {{flowId: {flow}, triggerTime: "2024-03-02T08:00:00+08:00", parameters: {{}}}}
"""


def measure(folder: Path) -> Iterator[Row]:
    """What `--help`, `validate` of one file, and `apply` with nothing to do take."""
    click = _command("-c", BARE)
    yield _row("`--help`, to bare click", _ours("--help"), click, at_most(1.3))
    one = folder / "one"
    write_repository(one, 1)
    validate = _ours("validate", "--repo", str(one))
    work = "`validate` of one manifest, to check-jsonschema"
    yield _row(work, validate, check_jsonschema(one), at_most(0.4))
    bare = _command("-c", LIBRARIES)
    work = "bare imports of its libraries and one call of git, to check-jsonschema"
    yield _row(work, bare, check_jsonschema(one))
    with serve(latency=0) as (url, exports):
        write_repository(folder / "applied", 1, url=url)
        share(folder / "applied", folder / "origin.git")
        apply = _ours("apply", "--repo", str(folder / "applied"), env=exports)
        apply()
        yield _row("`apply` with nothing to do, to bare click", apply, click)


def measure_first(folder: Path) -> Iterator[Row]:
    """How soon an apply of one new run reaches the gateway, to one commit and push.

    With 100,000 manifests whose runs are all recorded; the commit is made with git in that clone.
    """
    repository, journal = folder / "repository", folder / "journal"
    with serve("--journal", str(journal), latency=0) as (url, exports):
        write_repository(repository, _MANIFESTS, url=url)
        _record(repository)
        share(repository, folder / "origin.git")
        numbers = count()
        found = compare(
            lambda: _to_first_start(repository, journal, exports, next(numbers)),
            lambda: _commit(repository, next(numbers)),
            pairs=_PAIRS,
        )
        work = "first POST of an `apply` of one new run, 100,000 recorded, to a commit and its push"
        yield Row(work=work, values=found.ratios, goal=at_most(6), took=found.took)


def _record(repository: Path) -> None:
    """Have every declared run recorded as ended."""
    results = []
    for path in sorted(repository.glob("triggers/*/*.yaml")):
        source = Source(path=str(path.relative_to(repository)), content=path.read_bytes())
        results.append(read_file(source, parse_zone("GMT+8")))
    write_ledger(repository, combine(results).runs)


def _to_first_start(
    repository: Path, journal: Path, exports: dict[str, str], number: int
) -> Sample:
    """Declare one more run, and apply; the seconds are those until the gateway has its start."""
    git("pull", "--quiet", cwd=repository)
    path = repository / "triggers" / f"new-{number}.yaml"
    path.write_text(_NEW.format(number=number, flow=900_000 + number), encoding="utf-8")
    git("add", str(path), cwd=repository)
    git("commit", "--quiet", "--message", "Declare one more", cwd=repository)
    git("push", "--quiet", cwd=repository)
    before = len(list(_starts(journal)))
    began = time.time()
    whole = _ours("apply", "--repo", str(repository), env=exports)()
    first = list(_starts(journal))[before]
    return Sample(seconds=first / 1000 - began, peak_mib=whole.peak_mib, cpu=whole.cpu)


def _starts(journal: Path) -> Iterator[int]:
    """When the sandbox made each instance; Unix epoch, milliseconds."""
    for line in journal.read_text(encoding="utf-8").splitlines():
        served = json.loads(line)
        if served["operation"] == "trigger" and served["effect"]:
            yield served["at"]


def _commit(repository: Path, number: int) -> Sample:
    """Commit one small file and push it, as anybody would."""
    git("pull", "--quiet", cwd=repository)
    (repository / "note").write_text(f"{number}\n", encoding="utf-8")
    script = "git add note && git commit --quiet --message note && git push --quiet"
    return run(["sh", "-c", script], repository)


def _row(
    work: str,
    ours: Callable[[], Sample],
    theirs: Callable[[], Sample],
    goal: Goal | None = None,
) -> Row:
    found = compare(ours, theirs, pairs=15)
    return Row(work=work, values=found.ratios, goal=goal, took=found.took)


def _ours(*arguments: str, env: dict[str, str] | None = None) -> Callable[[], Sample]:
    return _command("-m", "reconciler", *arguments, env=env)


def _command(*arguments: str, env: dict[str, str] | None = None) -> Callable[[], Sample]:
    command = [sys.executable, *arguments]
    return lambda: run(command, Path.cwd(), env)
