"""`validate` against two validators with the same schema on the same files.

ajv-cli is Node's, and the fastest that pipelines use; check-jsonschema is Python's. Neither knows
more than the schema, and ajv-cli does not say where in a file a problem stands.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Goal, Row, at_least, at_most

FILES = 10_000
_MANY = 100_000
_BAD = 100  # one of so many has a problem
_SCHEMA = Path("schemas/trigger.schema.json")
_PEERS = ("ajv-cli@5", "ajv-formats@3")  # of npm
_TRIGGER_TIME = re.compile(r"  triggerTime: .*\n")


def measure(folder: Path) -> Iterator[Row]:
    """To either validator, and with bad files to none."""
    write_repository(folder / "clean", FILES)
    write_repository(folder / "bad", FILES)
    _spoil(folder / "bad")
    ajv = _installed_ajv(folder)
    if ajv is not None:
        clean = folder / "clean"
        yield _row("10,000 manifests", clean, ajv(clean), pairs=7, goal=at_most(0.7))
    found = compare(_ours(folder / "bad"), _ours(folder / "clean"), pairs=7)
    work = "`validate` of 10,000 manifests, 1 % bad, to none bad"
    yield Row(work=work, values=found.ratios, goal=at_most(1.2), took=found.took)
    found = compare(_ours(folder / "clean"), check_jsonschema(folder / "clean"), pairs=5)
    yield Row(
        work="`validate` of 10,000 manifests: how often it runs while check-jsonschema runs once",
        values=[1 / one for one in found.ratios],
        goal=at_least(18),
        took=found.took,
    )


def measure_many(folder: Path) -> Iterator[Row]:
    """Ten times as many manifests, and the memory that a run takes."""
    write_repository(folder / "one", 1)
    write_repository(folder / "clean", _MANY)
    ajv = _installed_ajv(folder)
    if ajv is not None:
        clean = folder / "clean"
        yield _row("100,000 manifests", clean, ajv(clean), pairs=5, goal=at_most(0.9))
    found = compare(_ours(folder / "clean"), _ours(folder / "one"), pairs=3)
    sides = zip(found.ours, found.theirs, strict=True)
    yield Row(
        work="memory of `validate` for each of 100,000 manifests, beyond that for one",
        values=[(many.peak_mb - one.peak_mb) * 1000 / _MANY for many, one in sides],
        unit=" KB",
        goal=at_most(1.2),
        took=found.took,
    )


def _row(what: str, folder: Path, theirs: Callable[[], Sample], *, pairs: int, goal: Goal) -> Row:
    found = compare(_ours(folder), theirs, pairs=pairs)
    work = f"`validate` of {what}, nothing cached, to ajv-cli"
    return Row(work=work, values=found.ratios, goal=goal, took=found.took)


def _ours(folder: Path) -> Callable[[], Sample]:
    command = [sys.executable, "-m", "reconciler", "validate", "--repo", str(folder)]
    return lambda: run(command, Path.cwd())


def check_jsonschema(folder: Path) -> Callable[[], Sample]:
    """Give what has check-jsonschema validate the manifests of that repository."""
    files = sorted(str(path) for path in (folder / "triggers").rglob("*.yaml"))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(_SCHEMA.resolve())]
    return lambda: run([*command, *files], folder)


def _installed_ajv(folder: Path) -> Callable[[Path], Callable[[], Sample]] | None:
    """Install ajv-cli into the folder, and give what validates another one with it."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: ajv-cli is not measured")
        return None
    install = [npm, "install", "--silent", "--no-audit", "--prefix", str(folder), *_PEERS]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    binary = str(folder / "node_modules" / ".bin" / "ajv")
    options = ("--spec=draft2020", "-c", "ajv-formats", "--strict=false")

    def command(repository: Path) -> Sequence[str]:
        files = str(repository / "triggers/**/*.yaml")
        return [binary, "validate", *options, "-s", str(_SCHEMA.resolve()), "-d", files]

    return lambda repository: lambda: run(command(repository), folder)


def _spoil(folder: Path) -> None:
    for index, path in enumerate(sorted((folder / "triggers").rglob("*.yaml"))):
        if index % _BAD == 0:
            text = path.read_text(encoding="utf-8")
            path.write_text(_TRIGGER_TIME.sub("", text), encoding="utf-8")
