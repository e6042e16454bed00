"""Write docs/fault-matrix.md from what is observed: `python -m tests.faults.update`.

Read the difference before committing it: people operate this by what the page says.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.catalogue import TABLES, cells
from tests.faults.matrix_page import DOCUMENT, render
from tests.faults.observation import isolated, observe_all
from tests.faults.words import words


def main() -> None:
    """Carry out every cell and write the page."""
    wanted = [cell for table in TABLES for cell in cells(table)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        with isolated(folder):
            observed = observe_all(wanted, folder)
    contents = {cell: words(cell, observation) for cell, observation in observed.items()}
    DOCUMENT.write_text(render(contents), encoding="utf-8")


if __name__ == "__main__":
    main()
