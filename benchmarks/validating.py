"""`validate` against two validators with the same schema on the same files.

ajv-cli is Node's, and the fastest that pipelines use; check-jsonschema is Python's. Neither knows
more than the schema, and ajv-cli does not say where in a file a problem stands.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run, seconds, spread

FILES = 10_000
_MANY = 100_000
_BAD = 100  # one of so many has a problem
_SCHEMA = Path("schemas/trigger.schema.json")
_PEERS = ("ajv-cli@5", "ajv-formats@3")  # of npm
_TRIGGER_TIME = re.compile(r"  triggerTime: .*\n")


def measure(folder: Path) -> None:
    """Print times, peak memory and the ratios."""
    write_repository(folder / "clean", FILES)
    write_repository(folder / "bad", FILES)
    _spoil(folder / "bad")
    ajv = _installed_ajv(folder)
    if ajv is not None:
        _against("ajv-cli", folder / "clean", ajv(folder / "clean"), pairs=5)
    found = compare(_ours(folder / "bad"), _ours(folder / "clean"), pairs=5)
    print(f"1 % bad files to none: {spread(found.ratios)}, of processor {spread(found.cpu_ratios)}")
    _against("check-jsonschema", folder / "clean", check_jsonschema(folder / "clean"), pairs=3)


def measure_many(folder: Path) -> None:
    """Print the same of ten times as many manifests, and the memory that a run takes."""
    write_repository(folder / "one", 1)
    write_repository(folder / "clean", _MANY)
    ajv = _installed_ajv(folder)
    if ajv is not None:
        _against("ajv-cli", folder / "clean", ajv(folder / "clean"), pairs=3)
    more = _ours(folder / "clean")().peak_mib - _ours(folder / "one")().peak_mib
    print(f"memory beyond that of one manifest: {more * 1024 / _MANY:.2f} KiB a run")


def _against(name: str, folder: Path, theirs: Callable[[], Sample], *, pairs: int) -> None:
    found = compare(_ours(folder), theirs, pairs=pairs)
    print(f"reconciler validate  {seconds(found.ours)}")
    print(f"{name:20} {seconds(found.theirs)}")
    print(f"ours to theirs       {spread(found.ratios)}, of processor {spread(found.cpu_ratios)}")
    ours, peer = (median(s.peak_mib for s in side) for side in (found.ours, found.theirs))
    print(f"peak memory          {ours:.0f} MiB against {peer:.0f} MiB")


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
