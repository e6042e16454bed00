"""Plans as a comment on a pull request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.model import Problem, backfill_of
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.review import NO_REVIEW, Review
from reconciler.render.backfills import together
from reconciler.render.layout import as_text
from reconciler.render.markdown import code, fitting, length, prose, table_head
from reconciler.render.plan_details import heading_of_times, left_out, plan_details, plan_row
from reconciler.render.review_markdown import review_markdown
from reconciler.render.words import COMMIT_DIGITS, action_counts, counted, needs_attention

MOST_CHARACTERS = 60_000  # GitHub refuses a comment of more than 65,536
_LEAST_OF_A_PLAN = 2_000  # room for a plan's heading, counts and some rows


def plan_markdown(
    plans: Sequence[tuple[Plan, tzinfo]],
    most: int = MOST_CHARACTERS,
    reviews: Sequence[Review] = (),
) -> str:
    """Each plan, with its gateway's zone, in at most `most` characters together.

    First why an apply would refuse it and what the change does, if `reviews` say so, one a plan.
    Then counts, one table row a run that needs attention (runs of one backfill with the same
    action and reason in one line that unfolds), then warnings and problems. Nothing in a manifest
    leaves its cell or is taken for markup. Lines say how much was left out.
    """
    shown = plans[: max(most // _LEAST_OF_A_PLAN - 1, 1)]
    left = most - 100  # for the last line
    lines: list[str] = []
    given = [*reviews, *[NO_REVIEW] * len(shown)]
    for number, ((plan, zone), review) in enumerate(zip(shown, given, strict=False)):
        section = _section(plan, zone, review, left // (len(shown) - number))
        left -= length(section)
        lines += section
    if len(shown) < len(plans):
        lines.append(f"… and {counted(len(plans) - len(shown), 'more environment')} left out.")
    return as_text(lines).strip("\n") + "\n"


def _section(plan: Plan, zone: tzinfo, review: Review, room: int) -> list[str]:
    heading = _heading(plan)
    heading[2:2] = review_markdown(plan, review, zone, room // 2)
    room -= length(heading) + 500  # for the lines that count and conclude
    problems = _problems(plan, room // 2)
    room -= length(problems)
    warnings = _warnings(plan, room // 4)
    room -= length(warnings)
    runs = _runs([run for run in plan.runs if needs_attention(run)], zone, room)
    return [*heading, *runs, *warnings, *problems, *_conclusion(plan, review)]


def _heading(plan: Plan) -> list[str]:
    commit = f"at {code(plan.commit[:COMMIT_DIGITS])}" if plan.commit else "without a commit yet"
    first, *others = action_counts(plan)
    counts = ", ".join((f"**{first}**", *others))
    return [f"### Plan for {code(plan.environment, 100)} {commit}", "", counts, ""]


def _runs(runs: Sequence[PlannedRun], zone: tzinfo, room: int) -> list[str]:
    """Runs that stand alone come first, and leave half of the room if the folds need it."""
    found = together(runs, _fold_of)
    alone = [group[0] for group in found if len(group) == 1]
    folds = [group for group in found if len(group) > 1]
    head = table_head(
        ("Action", "Run", "Flow", heading_of_times(zone), "Business date", "Parameters", "Reason")
    )
    room -= length(head)
    kept = length(plan_details(folds, zone, room // 2).lines)
    rows = fitting((plan_row(run, zone) for run in alone), room - kept)
    details = plan_details(folds, zone, room - length(rows))
    missing = len(runs) - len(rows) - details.runs
    table = [*head, *rows, ""] if alone else []
    return [*table, *details.lines, *left_out(missing, "run", "plan --verbose")]


def _fold_of(run: PlannedRun) -> tuple[str, Action, str] | None:
    backfill = backfill_of(run.id)
    return None if backfill is None else (backfill, run.action, run.reason)


def _warnings(plan: Plan, room: int) -> list[str]:
    found = Counter(run.warning for run in plan.runs if run.warning)
    lines = (f"- {prose(text)} ({counted(count, 'run')})" for text, count in found.most_common())
    return _listed("warning", lines, len(found), room, "plan --verbose")


def _problems(plan: Plan, room: int) -> list[str]:
    lines = (_problem(problem) for problem in plan.problems)
    return _listed("problem", lines, len(plan.problems), room, "validate")


def _problem(problem: Problem) -> str:
    return f"- {code(str(problem.place))} {code(problem.code)} {prose(problem.message)}"


def _listed(noun: str, lines: Iterator[str], number: int, room: int, command: str) -> list[str]:
    if not number:
        return []
    shown = fitting(lines, room)
    more = left_out(number - len(shown), noun, command)
    return [f"**{counted(number, noun)}**", "", *shown, "", *more]


def _conclusion(plan: Plan, review: Review) -> list[str]:
    if plan.problems:
        return ["Nothing is started until every problem is fixed.", ""]
    if review.refused:
        return ["Nothing is started: see above.", ""]
    return [] if plan.has_work else ["Nothing to do.", ""]
