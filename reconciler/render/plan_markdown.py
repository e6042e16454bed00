"""Plans as a comment on a pull request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.counting import format_count
from reconciler.model import Problem, backfill_of
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.review import NO_REVIEW, Review
from reconciler.render.backfills import group_items
from reconciler.render.markdown import (
    CUT,
    code,
    finish_text,
    fitting_lines,
    is_cut,
    length,
    marker,
    prose,
    table_head,
)
from reconciler.render.plan_details import count_left_out, heading_of_times, plan_details, plan_row
from reconciler.render.review_markdown import review_markdown, waiting_markdown
from reconciler.render.words import (
    COMMIT_DIGITS,
    action_counts,
    needs_attention,
    observation_sentence,
)

MOST_BYTES = 60_000  # GitHub refuses a comment of more than 65,536 characters
_LEAST_BYTES = 2_000  # enough for a plan's heading, counts and some rows
_KEPT = 250  # bytes for the line that says that the comment was cut, and for the last line


class Comment(Struct, frozen=True, kw_only=True):
    """Plans as a comment, and whether the comment holds them completely."""

    text: str
    is_complete: bool


def plan_markdown(
    plans: Sequence[tuple[Plan, tzinfo]],
    most: int = MOST_BYTES,
    reviews: Sequence[Review] = (),
) -> Comment:
    """The plans, each with its gateway's zone, in at most `most` bytes together (4,000 or more).

    `reviews` has one review for each plan. Where it compares the plan with a base, what the change
    does comes first: a sentence, what is refused, the configuration, and a table with one row for
    each manifest. Then comes, folded, what else an apply would do. Without a comparison there are
    counts, and one row for each run that needs attention; runs of one backfill with the same action
    and reason share a line that unfolds. Warnings and problems come last. No text of a manifest can
    leave its cell or pass for markup. A comment that leaves something out says so at its top, and
    says at each place how much.
    """
    shown = plans[: max(most // _LEAST_BYTES - 1, 1)]
    left = most - _KEPT
    sections: list[list[str]] = []
    given = [*reviews, *[NO_REVIEW] * len(shown)]
    for number, ((plan, zone), review) in enumerate(zip(shown, given, strict=False)):
        section = _section(plan, zone, review, left // (len(shown) - number))
        left -= length(section)
        if sections and left < 0:
            break
        sections.append(section)
    if len(sections) < len(plans):
        more = format_count(len(plans) - len(sections), "more environment")
        sections.append([f"… and {more} left out.{CUT}"])
    lines = [line for section in sections for line in section]
    was_cut = is_cut(lines)
    if was_cut:
        lines[2:2] = [_CUT_SHORT, ""]  # after the marker, which must be the first line
    return Comment(text=finish_text(lines).strip("\n") + "\n", is_complete=not was_cut)


_CUT_SHORT = "**This comment was cut:** `reconciler plan --verbose` shows all."


def _section(plan: Plan, zone: tzinfo, review: Review, room: int) -> list[str]:
    heading = _heading(plan, review)
    end = _conclusion(plan, review)
    room -= length(heading) + length(end) + 300  # bytes for the lines that count
    problems = _problems(plan, room // 3)
    warnings = _warnings(plan, room // 6)
    room -= length(problems) + length(warnings)
    if review.compared is not None:
        rest = waiting_markdown(plan, review.compared, zone, room // 4)
        first = review_markdown(plan, review, zone, room - length(rest))
    else:
        counts = [] if review.is_stopped else [", ".join(_counts(plan)), ""]
        first = [*review_markdown(plan, review, zone, room), *counts]
        attention = [run for run in plan.runs if needs_attention(run)]
        rest = _runs(attention, zone, room - length(first))
    return [*heading, *first, *rest, *warnings, *problems, *end]


def _heading(plan: Plan, review: Review) -> list[str]:
    name = code(plan.environment, 100)
    if review.is_stopped:
        heading = f"### {name} cannot be planned" if name else "### Nothing can be planned"
        return [marker("plan", plan.environment), "", heading, ""]
    commit = f", ledger at {code(plan.commit[:COMMIT_DIGITS])}" if plan.commit else ""
    heading = f"### {name} is taken away" if review.is_gone else f"### Plan for {name}{commit}"
    return [marker("plan", plan.environment), "", heading, ""]


def _counts(plan: Plan) -> list[str]:
    first, *others = action_counts(plan)
    return [f"**{first}**", *others]


def _runs(runs: Sequence[PlannedRun], zone: tzinfo, room: int) -> list[str]:
    """Single runs come first; they leave half of the room to the folds if the folds need it."""
    found = group_items(runs, _fold_of)
    alone = [group[0] for group in found if len(group) == 1]
    folds = [group for group in found if len(group) > 1]
    head = table_head(
        ("Action", "Run", "Flow", heading_of_times(zone), "Business date", "Parameters", "Reason")
    )
    room -= length(head)
    kept = length(plan_details(folds, zone, room // 2).lines)
    rows = fitting_lines((plan_row(run, zone) for run in alone), room - kept)
    details = plan_details(folds, zone, room - length(rows))
    missing = len(runs) - len(rows) - details.runs
    table = [*head, *rows, ""] if alone else []
    return [*table, *details.lines, *count_left_out(missing, "run", "plan --verbose")]


def _fold_of(run: PlannedRun) -> tuple[str, Action, str] | None:
    backfill = backfill_of(run.id)
    return None if backfill is None else (backfill, run.action, run.shared_reason)


def _warnings(plan: Plan, room: int) -> list[str]:
    found = Counter(run.warning for run in plan.runs if run.warning)
    lines = (
        f"- {prose(text)} ({format_count(count, 'run')})" for text, count in found.most_common()
    )
    return _list_lines("warning", lines, len(found), room, "plan --verbose")


def _problems(plan: Plan, room: int) -> list[str]:
    lines = (_problem(problem) for problem in plan.problems)
    return _list_lines("problem", lines, len(plan.problems), room, "validate")


def _problem(problem: Problem) -> str:
    return f"- {code(str(problem.place))} {code(problem.code)} {prose(problem.message)}"


def _list_lines(noun: str, lines: Iterator[str], number: int, room: int, command: str) -> list[str]:
    if not number:
        return []
    shown = fitting_lines(lines, room)
    more = count_left_out(number - len(shown), noun, command)
    return [f"**{format_count(number, noun)}**", "", *shown, "", *more]


def _conclusion(plan: Plan, review: Review) -> list[str]:
    if plan.problems:
        return ["Nothing is started until every problem is fixed.", ""]
    if review.refused:
        return ["Nothing is started: see above.", ""]
    if plan.has_work or review.is_gone:
        return []
    return [observation_sentence(plan) or "Nothing to do.", ""]
