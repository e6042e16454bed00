"""`reconciler --help` against a bare click command."""

import sys
from pathlib import Path

from benchmarks.measure import compare, run, seconds, spread

BARE = "import click\n@click.command()\ndef main():\n    'Nothing.'\nmain(['--help'])\n"


def measure(folder: Path) -> None:
    """Print both times and their ratio."""
    bare = folder / "bare.py"
    bare.write_text(BARE, encoding="utf-8")
    found = compare(
        lambda: run([sys.executable, "-m", "reconciler", "--help"], Path.cwd()),
        lambda: run([sys.executable, str(bare)], Path.cwd()),
        pairs=15,
    )
    print(f"reconciler --help  {seconds(found.ours)}")
    print(f"bare click --help  {seconds(found.theirs)}")
    print(f"ratio              {spread(found.ratios)}")
