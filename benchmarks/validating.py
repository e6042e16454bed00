"""`validate` of 10,000 manifests against check-jsonschema on the same files and schema."""

import sys
from pathlib import Path
from statistics import median

from benchmarks.corpus import write_repository
from benchmarks.measure import compare, run, seconds, spread

FILES = 10_000


def measure(folder: Path) -> None:
    """Print times, peak memory and the ratio."""
    write_repository(folder, FILES)
    files = sorted(str(path) for path in (folder / "triggers").rglob("*.yaml"))
    schema = str(Path("schemas/trigger.schema.json").resolve())
    found = compare(
        lambda: run(
            [sys.executable, "-m", "reconciler", "validate", "--repo", str(folder)], Path.cwd()
        ),
        lambda: run(
            [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, *files], folder
        ),
        pairs=3,
        warm=False,
    )
    print(f"reconciler validate  {seconds(found.ours)}")
    print(f"check-jsonschema     {seconds(found.theirs)}")
    print(f"times faster         {spread([1 / ratio for ratio in found.ratios])}")
    ours, theirs = (median(s.peak_mib for s in side) for side in (found.ours, found.theirs))
    print(f"peak memory          {ours:.0f} MiB against {theirs:.0f} MiB")
