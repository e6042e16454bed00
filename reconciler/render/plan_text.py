"""A plan for the terminal: what an apply would do, grouped by why."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo

from reconciler.plan import Action, Plan, PlannedRun
from reconciler.render.layout import GAP, Screen, as_text, row, width_for
from reconciler.render.moments import clock_time, processed_date, zone_name
from reconciler.render.words import (
    COMMIT_DIGITS,
    action_counts,
    command,
    counted,
    needs_attention,
)

SHOWN_RUNS = 500  # of one action, and
SHOWN_PROBLEMS = 100  # in all: more is scrolled past, not read
_INDENT = 2

_STYLES: Mapping[Action, str] = {
    Action.TRIGGER: "green",
    Action.RESOLVE: "bold red",
    Action.HOLD: "yellow",
    Action.WAIT: "yellow",
    Action.DONE: "dim",
    Action.CHANGED: "red",
    Action.DUPLICATE: "red",
    Action.ORPHANED: "dim",
}


def plan_text(
    plan: Plan,
    zone: tzinfo,
    width: int | None = None,
    color: bool | None = False,
    *,
    verbose: bool = False,
    max_runs: int | None = None,
) -> str:
    """The plan for people, in lines of at most `width` cells (at least 64).

    `width` and `color` None ask the terminal; without one, 80 and plain. `verbose` adds the runs
    that are done, and cuts no list. `max_runs` is the environment's limit: more than it are warned
    of, as an apply refuses them.
    """
    screen = Screen.of(width, color)
    shown = [run for run in plan.runs if verbose or needs_attention(run)]
    blocks = [
        _heading(plan, screen),
        list(_table(shown, zone, screen, verbose=verbose)),
        list(_problems(plan, screen, verbose=verbose)),
        list(_conclusion(plan, screen, max_runs)),
    ]
    lines = [line for block in blocks if block for line in (*block, "")]
    return as_text(lines[:-1])


def _heading(plan: Plan, screen: Screen) -> list[str]:
    commit = f"at {plan.commit[:COMMIT_DIGITS]}" if plan.commit else "without a commit yet"
    counts = ", ".join(action_counts(plan))
    lines = screen.wrapped(f"Plan for {plan.environment} {commit}: {counts}")
    return [screen.paint(line, "bold") for line in lines]


def _table(
    runs: Sequence[PlannedRun], zone: tzinfo, screen: Screen, *, verbose: bool
) -> Iterator[str]:
    if not runs:
        return
    cells = {run.id: _cells(run, zone) for run in runs}
    headings = ("Action", "Run", "Flow", f"Trigger time ({zone_name(zone)})", "Business date")
    widths = _widths(list(cells.values()), headings, screen)
    table = " " * _INDENT
    for line in row(headings, widths):
        yield table + line
    yield table + "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for action, reason, group, left_out in _groups(runs, verbose=verbose):
        yield from screen.wrapped(reason)
        for run in group:
            first, *more = row(cells[run.id], widths)
            yield table + screen.paint(action, _STYLES[action]) + first[len(action) :]
            yield from (table + line for line in more)
        if left_out:
            yield f"{table}… and {left_out} more to {action}; --verbose shows all"


def _cells(run: PlannedRun, zone: tzinfo) -> tuple[str, ...]:
    return (
        run.action.value,
        run.id,
        "" if run.flow_id is None else str(run.flow_id),
        clock_time(run.trigger_time, zone),
        processed_date(run.trigger_time, zone),
    )


def _widths(rows: Sequence[Sequence[str]], headings: Sequence[str], screen: Screen) -> list[int]:
    """Every column as wide as it needs to be, and the run's name takes what is left."""
    action, name, flow, time, date = zip(*rows, strict=True)
    others = [
        width_for(action, headings[0], 9),
        width_for(flow, headings[2], 10),
        width_for(time, "Trigger time", 23),
        width_for(date, headings[4], 10),
    ]
    room = screen.width - _INDENT - sum(others) - len(GAP) * len(others)
    return [others[0], width_for(name, headings[1], room), *others[1:]]


def _groups(
    runs: Sequence[PlannedRun], *, verbose: bool
) -> Iterator[tuple[Action, str, list[PlannedRun], int]]:
    """The runs by action and reason, each group in its order, and how many more there are.

    Of one action at most SHOWN_RUNS are given, unless `verbose`.
    """
    groups: dict[Action, dict[str, list[PlannedRun]]] = {
        action: defaultdict(list) for action in Action
    }
    for run in runs:
        groups[run.action][run.reason].append(run)
    for action, reasons in groups.items():
        room = len(runs) if verbose else SHOWN_RUNS
        left_out = max(sum(map(len, reasons.values())) - room, 0)
        for reason, group in reasons.items():
            last = len(group) >= room
            yield action, reason, group[:room], left_out if last else 0
            room -= len(group)
            if room <= 0:
                break


def _problems(plan: Plan, screen: Screen, *, verbose: bool) -> Iterator[str]:
    if not plan.problems:
        return
    yield screen.paint(f"{counted(len(plan.problems), 'problem')}:", "bold red")
    shown = plan.problems if verbose else plan.problems[:SHOWN_PROBLEMS]
    for problem in shown:
        yield from screen.wrapped(str(problem), _INDENT)
    if len(shown) < len(plan.problems):
        more = len(plan.problems) - len(shown)
        yield f"{' ' * _INDENT}… and {more} more; reconciler validate shows all"


def _conclusion(plan: Plan, screen: Screen, max_runs: int | None) -> Iterator[str]:
    if plan.problems:
        yield from screen.wrapped(
            f"Nothing is started in {plan.environment} until every problem is fixed."
        )
        return
    if not plan.has_work:
        yield "Nothing to do."
        return
    starts = len(plan.of_action(Action.TRIGGER))
    if max_runs is not None and starts > max_runs:
        warning = (
            f"Warning: {starts} runs to trigger are more than the limit of {max_runs} "
            f"(limits.maxRunsPerApply). An apply refuses them without --max-runs {starts}."
        )
        yield from (screen.paint(line, "yellow") for line in screen.wrapped(warning))
    yield from screen.wrapped(_would_do(plan, starts))


def _would_do(plan: Plan, starts: int) -> str:
    doubts = len(plan.of_action(Action.RESOLVE))
    deeds = []
    if starts:
        deeds.append(f"start {counted(starts, 'run')}")
    if doubts:
        deeds.append(f"look for the {counted(doubts, 'run')} in doubt")
    return f"{command('apply', '--env', plan.environment)} would {' and '.join(deeds)}."
