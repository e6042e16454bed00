"""docs/fault-matrix.md: written from cells, and read back into them."""

from collections.abc import Iterator, Mapping

from tests.faults.catalogue import TABLES, Cell, Row, Table, cells
from tests.repositories import PROJECT

DOCUMENT = PROJECT / "docs" / "fault-matrix.md"
_EMPTY = ""
_INTRODUCTION = """\
# Fault matrix

What `apply` makes of each fault in each operation of the gateway. `python -m tests.faults.update`
writes this page from what it observes, and `tests/faults` fails where page and product disagree:
the real command, a gateway on a socket, a git remote.

Each cell has a repository of its own, with two runs. The fault meets the first of them, and **the
other one is started as if nothing had happened**, unless nothing is started at all. Then the fault
is gone, and `apply` is called once more. **In every cell of every table but the last, this apply
exits with 0, both runs are `triggered`, and the service has exactly one instance of each: the one
in the ledger.**

A cell says what the first command did with the run, its exit code unless that is 0, and behind
`next:` what the second apply did with it.

| word | meaning |
|---|---|
| `triggered` | recorded with its instance; behind `in doubt`, because a search found that |
| `retried` | the request was sent again: it had certainly started nothing |
| `rejected` | refused for certain |
| `in doubt` | what came back says nothing certain |
| `absent` | a search proved that nothing had been started; the run is claimed and started anew |
| `not started` | the claim's time ran out before a start was possible |
| `nothing started` | the command ended before it claimed anything |
| `resolved` | recorded as the person said |
| `found`, `started` | by the next apply: its instance, by a search; the run, under a new claim |

`token` and `refresh` are of the access token. `time` and `timezone` are asked before the first
claim. `trigger` starts the run. `search` looks for a run that was started and whose answer was
lost. `instance` is asked by `resolve RUN --triggered ID` about a run in doubt.

*Carried out* means that the service did what it was asked, and then the fault happened. *Too late*
is later than `timeoutSeconds`. A refresh is needed where a token is refused while it is valid; if
it fails, the token at hand is tried again.
"""
_LASTING = """\
The fault happens to every such request until the first command has ended. Above, it happens
once."""
_NOTES: Mapping[str, str] = {
    "Lasting uncertainty": _LASTING,
    "Lasting refusals": _LASTING,
    "Outside the promise": """\
The promise takes the service at its word. An instance that was started shows up in searches in time
([exactly-once.md](exactly-once.md)), and a refusal means that nothing was started. Where that is
not true, nobody can tell, and the run is started twice. The same would become of a request that
lies with the service until absence seems certain, and is carried out then.""",
}


def render(contents: Mapping[Cell, str]) -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for table in TABLES:
        lines = [f"## {table.title}", ""]
        if table.title in _NOTES:
            lines += [_NOTES[table.title], ""]
        lines += _lines(table, contents)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _lines(table: Table, contents: Mapping[Cell, str]) -> Iterator[str]:
    """The table; rows with the same contents share a line."""
    yield _line("fault", [column.heading for column in table.columns])
    yield "|---" * (1 + len(table.columns)) + "|"
    names: dict[tuple[str, ...], list[str]] = {}
    for row in table.rows:
        names.setdefault(_contents_of(table, row, contents), []).append(row.name)
    for same, together in names.items():
        yield _line(", ".join(together), same)


def _contents_of(table: Table, row: Row, contents: Mapping[Cell, str]) -> tuple[str, ...]:
    return tuple(
        contents[Cell(table=table, row=row, column=column)] if column in row.columns else _EMPTY
        for column in table.columns
    )


def _line(first: str, rest: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join([first, *rest])} |"


def read() -> dict[Cell, str]:
    """The cells of the page as it is. Raises KeyError for one that it does not have."""
    written: dict[tuple[str, str, str], str] = {}
    title, headings = "", []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        names, *contents = line.removeprefix("| ").removesuffix(" |").split(" | ")
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("| fault |"):
            headings = contents
        elif title and line.startswith("| "):
            for name in names.split(", "):
                for heading, content in zip(headings, contents, strict=True):
                    written[title, name, heading] = content
    return {
        cell: written[table.title, cell.row.name, cell.column.heading]
        for table in TABLES
        for cell in cells(table)
    }
