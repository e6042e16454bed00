"""docs/backfills.md tells the truth about dates: each example makes what it lists."""

import re
from textwrap import indent

import pytest

from reconciler.manifest import combine, read_file
from reconciler.model import Source
from reconciler.times import parse_zone, zoned_time
from tests.backfills.guide import DOCUMENT

_SECTION = re.compile(r"^## Dates$(.*?)^## ", re.DOTALL | re.MULTILINE)
_EXAMPLE = re.compile(r"^```yaml\n# (\S+)\n((?:[^#`].*\n)+)((?:# .*\n)+)```$", re.MULTILINE)


def section() -> str:
    """The rules about dates, without the examples of the rest."""
    found = _SECTION.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found
    return found[1]


EXAMPLES = [(found[1], found[2], found[3]) for found in _EXAMPLE.finditer(section())]


def made(zone: str, fields: str) -> str:
    """What the reconciler makes of the fields, as the page writes it."""
    kind = "Trigger" if "businessDate:" in fields.partition("\n")[0] else "Backfill"
    fields += "parameters: {}\n" if kind == "Trigger" else ""
    text = (
        f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n  flowId: 1\n"
    ) + indent(fields, "  ")
    clock = parse_zone(zone)
    declared = combine([read_file(Source(path="a.yaml", content=text.encode()), clock)])
    lines = [
        f"{run.name.removeprefix('a/')}: "
        f"{zoned_time(run.trigger_time, clock).isoformat(timespec='minutes')}"
        for run in declared.runs
    ]
    lines += [f"problem: {problem.code}" for problem in declared.problems]
    lines += [f"note: {note.code}" for note in declared.notes]
    return "".join(f"# {line}\n" for line in lines)


def test_every_block_of_the_section_is_an_example() -> None:
    assert len(EXAMPLES) == section().count("```yaml") > 15


@pytest.mark.parametrize(("zone", "fields", "listed"), EXAMPLES)
def test_an_example_makes_what_the_page_lists(zone: str, fields: str, listed: str) -> None:
    assert made(zone, fields) == listed
