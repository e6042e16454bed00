"""Runs in a Markdown plan: one row per run; a backfill is a line that unfolds into its runs."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.counting import format_count
from reconciler.model import Parameters, backfill_of
from reconciler.plan import PlannedRun
from reconciler.render.backfills import reason_in_words, runs_in_words
from reconciler.render.markdown import (
    CUT,
    code,
    fitting_lines,
    html_code,
    length,
    prose,
    table_head,
    table_row,
)
from reconciler.render.words import clock_time, local_times, processed_date, zone_name

_MOST_OF_A_CELL = 1_000
_MOST_OF_A_REASON = 200


class Block(Struct, frozen=True):
    """Lines of Markdown, and the number of runs that they show or count."""

    lines: Sequence[str]
    runs: int


def heading_of_times(zone: tzinfo) -> str:
    """The heading of a column of trigger times."""
    return f"Trigger time ({prose(zone_name(zone), 100)})"


def plan_row(run: PlannedRun, zone: tzinfo) -> str:
    """The row of a run that is not part of a fold."""
    return table_row(
        (
            run.action.value,
            code(run.id),
            "" if run.flow_id is None else str(run.flow_id),
            clock_time(run.trigger_time, zone),
            processed_date(run.trigger_time, zone),
            _parameters(run.parameters),
            prose(local_times(run.reason, zone)),
        )
    )


def plan_details(folds: Sequence[Sequence[PlannedRun]], zone: tzinfo, room: int) -> Block:
    """Every fold that there is room for, with as many of its first runs as fit.

    A fold holds the runs of one backfill that share an action and a reason. Room goes to all
    summaries first. The folds then share the rest equally; large ones get what small ones leave.
    """
    head = table_head(("Run", heading_of_times(zone), "Business date", "Parameters"))
    framed: list[tuple[Sequence[PlannedRun], str]] = []
    for runs in folds:
        summary = _summary(runs, zone)
        needed = length(_fold_lines(summary, [*head, ""], len(runs)))
        if needed <= room:
            framed.append((runs, summary))
            room -= needed
    tables = _tables([runs for runs, _ in framed], zone, room)
    lines: list[str] = []
    for (runs, summary), rows in zip(framed, tables, strict=True):
        table = [*head, *rows, ""] if rows else []
        lines += _fold_lines(summary, table, len(runs) - len(rows))
    return Block(lines, sum(len(runs) for runs, _ in framed))


def _tables(
    folds: Sequence[Sequence[PlannedRun]], zone: tzinfo, room: int
) -> Iterable[Sequence[str]]:
    """The rows of each fold; the smallest folds get their share of the room first."""
    rows: list[Sequence[str]] = [()] * len(folds)
    by_size = sorted(range(len(folds)), key=lambda number: len(folds[number]))
    for served, number in enumerate(by_size):
        share = room // (len(folds) - served)
        rows[number] = fitting_lines((_detail(run, zone) for run in folds[number]), share)
        room -= length(rows[number])
    return rows


def _fold_lines(summary: str, table: Sequence[str], hidden: int) -> list[str]:
    """The lines of one fold. In `details`, GitHub reads Markdown only after a blank line."""
    more = count_left_out(hidden, "run", "plan --verbose")
    return ["<details>", summary, "", *table, *more, "</details>", ""]


def _summary(runs: Sequence[PlannedRun], zone: tzinfo) -> str:
    first = runs[0]
    name = html_code(backfill_of(first.id) or "")
    reason = prose(local_times(reason_in_words(runs), zone), _MOST_OF_A_REASON, html_code)
    words = f"{first.action} {name}: {runs_in_words(runs, zone)}; {reason}"
    return f"<summary>{words}</summary>"


def _detail(run: PlannedRun, zone: tzinfo) -> str:
    time, date = clock_time(run.trigger_time, zone), processed_date(run.trigger_time, zone)
    return table_row((code(run.id), time, date, _parameters(run.parameters)))


def _parameters(parameters: Parameters) -> str:
    shown: list[str] = []
    for key, value in parameters:
        pair = code(f"{key}={value}")
        if length(shown) + len(pair) > _MOST_OF_A_CELL:
            return "<br>".join((*shown, f"… and {len(parameters) - len(shown):,} more{CUT}"))
        shown.append(pair)
    return "<br>".join(shown)


def count_left_out(number: int, noun: str, command: str) -> list[str]:
    """A paragraph with the number left out and the command that shows all; empty where none is."""
    if not number:
        return []
    more = format_count(number, f"more {noun}")
    return [f"… and {more} left out; `reconciler {command}` shows all.{CUT}", ""]
