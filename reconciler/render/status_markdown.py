"""What the ledger says of runs, as the summary of a pipeline's job."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.ledger import RunState
from reconciler.model import RunId, manifest_of, run_name
from reconciler.plan.outlook import Outlook
from reconciler.render.backfills import group_items
from reconciler.render.markdown import (
    code,
    finish_text,
    fitting_lines,
    html_code,
    length,
    prose,
    table_head,
    table_row,
)
from reconciler.render.status_row import StatusRow, caution, outlook, ways_to_settle
from reconciler.render.status_table import newest_attempts, notes, state_counts
from reconciler.render.status_text import facts
from reconciler.render.words import clock_time, command, processed_date, zone_name

MOST_BYTES = 60_000  # fits into a comment as well
_MOST_ROWS = 50  # of one fold
_MOST_FOLDS = 100
_ORDER = tuple(reversed(Outlook))  # what needs a person comes first


def status_markdown(
    statuses: Sequence[tuple[str, tzinfo, Sequence[StatusRow]]],
    most: int = MOST_BYTES,
    *,
    detailed: bool = False,
) -> str:
    """Each environment, with its zone: counts by manifest, then the runs not done, and why.

    Runs that need a person are in a line that unfolds. No name can leave its cell or pass for
    markup. The text takes at most `most` bytes, or little more; what is left out is counted.
    `detailed` shows all that is known of each run instead.
    """
    lines: list[str] = []
    for number, (environment, zone, rows) in enumerate(statuses):
        room = (most - length(lines)) // (len(statuses) - number)
        if detailed:
            lines += [line for row in rows for line in _detail(environment, zone, row)]
        else:
            lines += _section(environment, zone, rows, room)
    return finish_text(lines[:-1])


def _detail(environment: str, zone: tzinfo, row: StatusRow) -> Iterator[str]:
    state = row.state.replace("-", " ")
    yield from (f"### {code(row.run)} in {code(environment, 100)}: {state}", "")
    yield from table_head(("What", "Is"))
    yield from (table_row((label, prose(value))) for label, value in facts(row, zone))
    yield ""
    if row.state is RunState.IN_DOUBT:
        yield from ("Say what you found, with one of:", "")
        *named, denied = (
            code(command("resolve", row.run, *one, "--env", environment))
            for one in ways_to_settle(row)
        )
        yield from (f"- {one}" for one in named)
        warning = caution(row)
        yield f"- {warning}: {denied}" if warning else f"- {denied}"
        yield ""


def _section(environment: str, zone: tzinfo, rows: Sequence[StatusRow], room: int) -> Iterator[str]:
    yield from (f"### Status of {code(environment, 100)}", "", f"**{state_counts(rows)}**", "")
    if not rows:
        return
    table = _manifests(rows, room // 3)
    yield from table
    yield from _unfinished_lines(rows, zone, room - length(table))


def _manifests(rows: Sequence[StatusRow], room: int) -> list[str]:
    """A row for each manifest, with its runs by state; those that need a person come first."""
    newest = newest_attempts(rows)
    states = [state for state in RunState if any(row.state is state for row in newest)]
    groups = group_items(rows, lambda row: manifest_of(run_name(RunId(row.declared_as or row.run))))
    groups.sort(key=lambda group: min(map(_urgency, group)))
    head = table_head(("Manifest", *(state.replace("-", " ") for state in states)))
    shown = fitting_lines((_manifest(group, states) for group in groups), room)
    missing = len(groups) - len(shown)
    more = [f"… and {format_count(missing, 'more manifest')}", ""] if missing else []
    return [*head, *shown, "", *more]


def _manifest(rows: Sequence[StatusRow], states: Sequence[RunState]) -> str:
    numbers = Counter(row.state for row in newest_attempts(rows))
    name = manifest_of(rows[0].declared_as or run_name(rows[0].run))
    cells = (f"{numbers[state]:,}" if numbers[state] else "" for state in states)
    return table_row((code(name), *cells))


def _urgency(row: StatusRow) -> int:
    return _ORDER.index(outlook(row))


def _unfinished_lines(rows: Sequence[StatusRow], zone: tzinfo, room: int) -> Iterator[str]:
    """The runs that are not done; runs with the same state and notes share one entry."""
    waiting = [row for row in rows if outlook(row) is not Outlook.WELL]
    groups = group_items(waiting, lambda row: (outlook(row), row.state, _words(row, zone)))
    groups.sort(key=lambda group: _urgency(group[0]))
    left = len(waiting)
    for group in groups[:_MOST_FOLDS]:
        lines = list(_group(group, zone))
        room -= length(lines)
        if room < 0:
            break
        left -= len(group)
        yield from lines
    if left:
        yield from (f"… and {format_count(left, 'more run')}; `reconciler status` shows all.", "")


def _words(row: StatusRow, zone: tzinfo) -> str:
    alike = row.but(evidence=None)  # it names an instance: no two runs would be alike
    told = "; ".join(notes(alike, zone, verbose=False))
    return f"{row.state.replace('-', ' ')}: {told}" if told else row.state.replace("-", " ")


def _group(rows: Sequence[StatusRow], zone: tzinfo) -> Iterator[str]:
    """The state and notes of the runs, and a table of them where they need a person."""
    number, words = format_count(len(rows), "run"), _words(rows[0], zone)
    if outlook(rows[0]) is Outlook.COMING:
        yield from (f"- {number} {prose(words)}", "")
        return
    yield from ("<details>", f"<summary>{number} {prose(words, as_code=html_code)}</summary>", "")
    time = f"Trigger time ({prose(zone_name(zone), 100)})"
    yield from table_head(("Run", time, "Business date", "Instance", "Manifest"))
    yield from (_run(row, zone) for row in rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        state = rows[0].state.value
        more = format_count(len(rows) - _MOST_ROWS, "more run")
        yield from ("", f"… and {more}; `reconciler status --state {state} --verbose` shows all.")
    yield from ("", "</details>", "")


def _run(row: StatusRow, zone: tzinfo) -> str:
    place = "" if row.place is None else f"{row.place.file}:{row.place.line}"
    return table_row(
        (
            code(row.run),
            clock_time(row.trigger_time, zone),
            processed_date(row.trigger_time, zone),
            code(row.instance or ""),
            code(place),
        )
    )
