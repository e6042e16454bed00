"""docs/backfills.md tells the truth about edits: each starts what the page lists, or is refused."""

import re
from textwrap import indent

import pytest

from reconciler.manifest import combine, read_file
from reconciler.model import Source
from reconciler.rules import check
from reconciler.schedule import schedule_runs
from reconciler.times import parse_zone, zoned_time
from tests.backfills.guide import DOCUMENT
from tests.building import a_claim, a_ledger, a_triggered

_EXAMPLE = re.compile(r"^```yaml\n# (\S+)\n((?:[^`].*\n)+?# then\n(?:[^`].*\n)+)```$", re.MULTILINE)
EXAMPLES = [(found[1], found[2]) for found in _EXAMPLE.finditer(DOCUMENT.read_text("utf-8"))]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(("zone", "example"), EXAMPLES)
def test_an_edit_starts_what_the_page_lists(zone: str, example: str) -> None:
    clock, ledger = parse_zone(zone), a_ledger()
    for number, stage in enumerate(example.split("# then\n")):
        fields = "".join(
            line for line in stage.splitlines(keepends=True) if not line.startswith("#")
        )
        text = (
            "apiVersion: reconciler/v1\nkind: Backfill\nmetadata: {name: a}\nspec:\n  flowId: 1\n"
        ) + indent(fields, "  ")
        read = read_file(Source(path="a.yaml", content=text.encode()), clock)
        declared = schedule_runs(combine([read], (), clock), ledger)
        found = check(declared, ledger, same_minute_allowed=False).problems
        new = [] if found else [run for run in declared.runs if run.id not in ledger.records]
        lines = [
            f"{run.name.removeprefix('a/')}: "
            f"{zoned_time(run.trigger_time, clock).isoformat(timespec='minutes')}"
            for run in new
        ]
        lines += [f"problem: {problem.code}" for problem in found]
        assert number == 0 or stage == fields + "".join(f"# {line}\n" for line in lines)
        ledger = ledger.with_events(
            [
                a_claim(*new, claim=f"c{number}"),
                *(a_triggered(run, claim=f"c{number}") for run in new),
            ]
        )
