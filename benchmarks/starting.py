"""What a command costs before it does anything, and how soon an apply starts its first run."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from benchmarks.applying import git, serve, share
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run, seconds, spread
from benchmarks.recording import write_ledger
from benchmarks.validating import check_jsonschema
from reconciler.manifest import combine, read_file
from reconciler.model import Source
from reconciler.times import parse_zone

BARE = "import click\n@click.command()\ndef main():\n    'Nothing.'\nmain(['--help'])\n"
_MANIFESTS, _PAIRS = 100_000, 5
_NEW = """\
apiVersion: reconciler/v1
kind: Trigger
metadata: {{name: new-{number}}}
spec: {{flowId: {flow}, triggerTime: "2024-03-02T08:00:00+08:00", parameters: {{}}}}
"""


def measure(folder: Path) -> None:
    """Print what `--help`, `validate` of one file, and `apply` with nothing to do take."""
    bare = folder / "bare.py"
    bare.write_text(BARE, encoding="utf-8")
    click = _command(str(bare))
    _print("--help", "bare click", _ours("--help"), click, pairs=15)
    one = folder / "one"
    write_repository(one, 1)
    validate = _ours("validate", "--repo", str(one))
    _print("validate of one file", "check-jsonschema", validate, check_jsonschema(one), pairs=5)
    with serve(latency=0) as (url, exports):
        write_repository(folder / "applied", 1, url=url)
        share(folder / "applied", folder / "origin.git")
        apply = _ours("apply", "--repo", str(folder / "applied"), env=exports)
        apply()
        _print("apply, nothing to do", "bare click", apply, click, pairs=15)


def measure_first(folder: Path) -> None:
    """Print how soon an apply of one new run reaches the gateway, to one commit and push.

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
        print(f"start to the first POST  {seconds(found.ours)}")
        print(f"a commit and its push    {seconds(found.theirs)}")
        print(f"ratio                    {spread(found.ratios)}")


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


def _print(
    name: str, peer: str, ours: Callable[[], Sample], theirs: Callable[[], Sample], *, pairs: int
) -> None:
    found = compare(ours, theirs, pairs=pairs)
    print(f"{name:21} {seconds(found.ours)}")
    print(f"{peer:21} {seconds(found.theirs)}")
    print(f"{'ratio':21} {spread(found.ratios)}, of processor {spread(found.cpu_ratios)}")


def _ours(*arguments: str, env: dict[str, str] | None = None) -> Callable[[], Sample]:
    return _command("-m", "reconciler", *arguments, env=env)


def _command(*arguments: str, env: dict[str, str] | None = None) -> Callable[[], Sample]:
    command = [sys.executable, *arguments]
    return lambda: run(command, Path.cwd(), env)
