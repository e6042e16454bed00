"""A plan's runs for the terminal, by action and reason; those of a backfill share one line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.model import backfill_of
from reconciler.plan import Action, PlannedRun
from reconciler.render.backfills import carried_text, group_items, reason_in_words, runs_in_words
from reconciler.render.layout import GAP, Screen, row, width_for
from reconciler.render.safe import escape_message, shorten_text
from reconciler.render.words import (
    LONGEST_TIME,
    clock_time,
    has_failed,
    local_times,
    processed_date,
    zone_name,
)

SHOWN_RUNS = 500  # lines of one action: nobody reads more
INDENT = 2
_LONGEST_DESCRIPTION = 300  # characters

_Line = Sequence[PlannedRun]  # one run, or several of one backfill

_ATTENTION = "bold red"
_STYLES: Mapping[Action, str] = {
    Action.START: "green",
    Action.RESOLVE: _ATTENTION,
    Action.CANCEL: "magenta",
    Action.HOLD: "yellow",
    Action.WAIT: "yellow",
    Action.DONE: "dim",
    Action.CHANGED: "red",
    Action.DUPLICATE: "red",
    Action.ORPHANED: "dim",
}


class Group(Struct, frozen=True, kw_only=True):
    """The lines for the runs that have one action and one reason."""

    action: Action
    reason: str
    lines: Sequence[_Line]
    left_out: int  # runs of the action that no group shows; only its last group counts them


def group_runs(runs: Sequence[PlannedRun], *, verbose: bool) -> list[Group]:
    """The runs by action and reason; the runs of a group keep their order.

    An action has at most SHOWN_RUNS lines. With `verbose` every run has its own line.
    """
    by_action: dict[Action, dict[str, list[PlannedRun]]] = {
        action: defaultdict(list) for action in Action
    }
    for run in runs:
        by_action[run.action][run.reason if verbose else run.shared_reason].append(run)
    return [
        group
        for action, by_reason in by_action.items()
        for group in _groups_of_action(action, by_reason, verbose=verbose)
    ]


def _groups_of_action(
    action: Action, by_reason: Mapping[str, Sequence[PlannedRun]], *, verbose: bool
) -> Iterator[Group]:
    hidden = sum(map(len, by_reason.values()))
    room = hidden if verbose else SHOWN_RUNS
    for runs in by_reason.values():
        lines = group_items(runs, lambda run: None if verbose else backfill_of(run.id))[:room]
        hidden -= sum(map(len, lines))
        room -= len(lines)
        reason = reason_in_words(runs)
        yield Group(action=action, reason=reason, lines=lines, left_out=0 if room else hidden)
        if not room:
            return


def stands_for_several(groups: Sequence[Group]) -> bool:
    """Whether some line stands for several runs."""
    return any(len(line) > 1 for group in groups for line in group.lines)


def plan_table(
    groups: Sequence[Group], zone: tzinfo, screen: Screen, *, verbose: bool = False
) -> Iterator[str]:
    """The groups' lines; headings and columns only where a run has a line of its own.

    Below each line follow the parameters of its runs; below the first line of a manifest, its
    description comes before them.
    """
    if not groups:
        return
    alone = [line[0] for group in groups for line in group.lines if len(line) == 1]
    actions = [group.action.value for group in groups]
    headings = ("Action", "Run", "Flow", f"Trigger time ({zone_name(zone)})", "Business date")
    widths = _widths(actions, [_cells(run, zone) for run in alone], headings, screen)
    table = " " * INDENT
    if alone:
        for line in row(headings, widths):
            yield table + line
        yield table + "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    beneath = INDENT + widths[0] + len(GAP)
    described: set[str] = set()
    for group in groups:
        yield from screen.wrap_text(escape_message(local_times(group.reason, zone)))
        for runs in group.lines:
            first, *more = _render_line(runs, zone, widths, screen)
            action = screen.paint(group.action, _style(runs[0]))
            yield table + action + first[len(group.action) :]
            yield from (table + line for line in more)
            narrower = screen.without_margin(beneath)
            lines = [
                *_description(runs[0], described, narrower),
                *carried_text(runs, narrower, verbose=verbose),
            ]
            yield from (" " * beneath + line for line in lines)
        if group.left_out:
            yield f"{table}… and {group.left_out:,} more to {group.action}; --verbose shows all"


def _description(planned: PlannedRun, described: set[str], screen: Screen) -> list[str]:
    run = planned.run
    if run is None or not run.description or run.manifest in described:
        return []
    described.add(run.manifest)
    return screen.wrap_text(shorten_text(run.description, _LONGEST_DESCRIPTION))


def _render_line(runs: _Line, zone: tzinfo, widths: Sequence[int], screen: Screen) -> list[str]:
    first, *_ = runs
    if len(runs) == 1:
        return screen.row(_cells(first, zone), widths)
    words = f"{backfill_of(first.id)}: {runs_in_words(runs, zone)}"
    lines = screen.without_margin(INDENT + widths[0] + len(GAP)).wrap_text(words)
    labels = [first.action.value, *[""] * (len(lines) - 1)]
    return [f"{label:<{widths[0]}}{GAP}{line}" for label, line in zip(labels, lines, strict=True)]


def _style(run: PlannedRun) -> str:
    needs_somebody = run.refused or run.blocked or has_failed(run)
    return _ATTENTION if needs_somebody else _STYLES[run.action]


def _cells(run: PlannedRun, zone: tzinfo) -> tuple[str, ...]:
    return (
        run.action.value,
        run.id,
        "" if run.flow_id is None else str(run.flow_id),
        clock_time(run.trigger_time, zone),
        processed_date(run.trigger_time, zone),
    )


def _widths(
    actions: Sequence[str],
    rows: Sequence[Sequence[str]],
    headings: Sequence[str],
    screen: Screen,
) -> list[int]:
    """Each column is as wide as its content needs; the names of runs get the room that is left."""
    _, name, flow, time, date = zip(*rows, strict=True) if rows else [()] * len(headings)
    others = [
        width_for(actions, headings[0], 9),
        width_for(flow, headings[2], 10),
        width_for(time, "Trigger time", LONGEST_TIME),
        width_for(date, headings[4], 10),
    ]
    room = screen.width - INDENT - sum(others) - len(GAP) * len(others)
    return [others[0], screen.width_for_names(name, headings[1], room), *others[1:]]
