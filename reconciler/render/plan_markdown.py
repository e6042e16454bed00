"""Plans as a comment on a pull request."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from reconciler.model import Parameters, Problem
from reconciler.plan import Plan, PlannedRun
from reconciler.render.layout import as_text
from reconciler.render.markdown import cell, code, prose
from reconciler.render.moments import clock_time, processed_date, zone_name
from reconciler.render.words import COMMIT_DIGITS, action_counts, counted, needs_attention

MOST_CHARACTERS = 60_000  # GitHub refuses a comment of more than 65,536
_LEAST_OF_A_PLAN = 2_000  # room for a plan's heading, counts and some rows
_MOST_OF_A_CELL = 1_000
_SHORTEST_LINE = 20


def plan_markdown(plans: Sequence[tuple[Plan, tzinfo]], most: int = MOST_CHARACTERS) -> str:
    """Each plan, with its gateway's zone, in at most `most` characters together.

    Counts first, one table row a run that needs attention, then problems. Nothing in a manifest
    leaves its cell or is taken for markup. Lines say how much was left out.
    """
    shown = plans[: max(most // _LEAST_OF_A_PLAN - 1, 1)]
    left = most - 100  # for the last line
    lines: list[str] = []
    for number, (plan, zone) in enumerate(shown):
        section = _section(plan, zone, left // (len(shown) - number))
        left -= _length(section)
        lines += section
    if len(shown) < len(plans):
        lines.append(f"… and {counted(len(plans) - len(shown), 'more environment')} left out.")
    return as_text(lines).strip("\n") + "\n"


def _section(plan: Plan, zone: tzinfo, room: int) -> list[str]:
    commit = f"at {code(plan.commit[:COMMIT_DIGITS])}" if plan.commit else "without a commit yet"
    first, *others = action_counts(plan)
    heading = [f"### Plan for {code(plan.environment, 100)} {commit}", ""]
    heading += [", ".join((f"**{first}**", *others)), ""]
    table_head = _table_head(zone)
    room -= _length(heading) + _length(table_head) + 500  # for the lines that count and conclude
    problems = _fitting((_problem(problem) for problem in plan.problems), room // 2)
    runs = [run for run in plan.runs if needs_attention(run)]
    rows = _fitting((_row(run, zone) for run in runs), room - _length(problems))
    lines = heading
    if runs:
        lines += [*table_head, *rows, "", *_left_out(len(runs) - len(rows), "run", "plan")]
    if plan.problems:
        lines += [f"**{counted(len(plan.problems), 'problem')}**", "", *problems, ""]
        lines += _left_out(len(plan.problems) - len(problems), "problem", "validate")
        lines += ["Nothing is started until every problem is fixed.", ""]
    elif not plan.has_work:
        lines += ["Nothing to do.", ""]
    return lines


def _table_head(zone: tzinfo) -> list[str]:
    time = cell(f"Trigger time ({prose(zone_name(zone), 100)})")
    return [
        f"| Action | Run | Flow | {time} | Business date | Parameters | Reason |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]


def _row(run: PlannedRun, zone: tzinfo) -> str:
    cells = (
        run.action.value,
        code(run.id),
        "" if run.flow_id is None else str(run.flow_id),
        clock_time(run.trigger_time, zone),
        processed_date(run.trigger_time, zone),
        _parameters(run.parameters),
        prose(run.reason),
    )
    return f"| {' | '.join(map(cell, cells))} |"


def _parameters(parameters: Parameters) -> str:
    shown: list[str] = []
    for key, value in parameters:
        pair = code(f"{key}={value}")
        if _length(shown) + len(pair) > _MOST_OF_A_CELL:
            return "<br>".join((*shown, f"… and {len(parameters) - len(shown)} more"))
        shown.append(pair)
    return "<br>".join(shown)


def _problem(problem: Problem) -> str:
    return f"- {code(str(problem.place))} {code(problem.code)} {prose(problem.message)}"


def _left_out(number: int, noun: str, name: str) -> list[str]:
    if not number:
        return []
    return [f"… and {counted(number, f'more {noun}')} left out; `reconciler {name}` shows all.", ""]


def _fitting(lines: Iterable[str], room: int) -> list[str]:
    """Those lines, in their order, that there is room for."""
    fitting = []
    for line in lines:
        if room < _SHORTEST_LINE:
            break
        if len(line) < room:
            fitting.append(line)
            room -= len(line) + 1
    return fitting


def _length(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)
