"""A plan for the terminal: what an apply would do, grouped by action and reason."""

from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.plan import Action, Plan
from reconciler.plan.review import NO_REVIEW, Review
from reconciler.render.differences import words_text
from reconciler.render.first_sentence import destination
from reconciler.render.layout import Screen, join_lines
from reconciler.render.plan_table import (
    INDENT,
    SHOWN_RUNS,
    group_runs,
    plan_table,
    stands_for_several,
)
from reconciler.render.review_text import review_text
from reconciler.render.words import (
    COMMIT_DIGITS,
    UNFOLD,
    action_counts,
    command,
    join_words,
    needs_attention,
    observation_sentence,
)

__all__ = ["SHOWN_PROBLEMS", "SHOWN_RUNS", "plan_text"]

SHOWN_PROBLEMS = 100  # of a plan; the same limit holds for warnings


def plan_text(
    plan: Plan,
    zone: tzinfo,
    width: int | None = None,
    color: bool | None = False,
    *,
    verbose: bool = False,
    review: Review = NO_REVIEW,
) -> str:
    """The plan for people, in lines of at most `width` cells (at least 64).

    Where `width` or `color` is None, the terminal decides. Without a terminal, the width is COLUMNS
    or 80, there are no colours, and no name is cut. `verbose` adds the runs that are done, gives
    each run of a backfill its own line, and cuts no list. `review` comes first: why an apply would
    refuse, and what the change does.
    """
    screen = Screen.of(width, color)
    shown = [run for run in plan.runs if verbose or needs_attention(run)]
    groups = group_runs(shown, verbose=verbose)
    blocks = [
        *review_text(plan, review, zone, screen, verbose=verbose),
        _heading(plan, review, screen),
        list(plan_table(groups, zone, screen, verbose=verbose)),
        [UNFOLD] if stands_for_several(groups) else [],
        list(_warnings(plan, screen, verbose=verbose)),
        list(_problems(plan, screen, verbose=verbose)),
        list(_conclusion(plan, screen, review)),
    ]
    lines = [line for block in blocks if block for line in (*block, "")]
    return join_lines(lines[:-1])


def _heading(plan: Plan, review: Review, screen: Screen) -> list[str]:
    if review.is_gone:
        return []
    commit = f", ledger at {plan.commit[:COMMIT_DIGITS]}" if plan.commit else ""
    counts = ", ".join(action_counts(plan))
    lines = screen.wrap_text(f"Plan for {plan.environment}{commit}: {counts}")
    heading = [screen.paint(line, "bold") for line in lines]
    if review.gateway is None or review.compared is not None or not plan.has_work:
        return heading  # the sentence about the change names the gateway
    return [*heading, *screen.wrap_text(words_text(destination(review.gateway)))]


def _warnings(plan: Plan, screen: Screen, *, verbose: bool) -> Iterator[str]:
    """Each warning once, with the number of runs that have it."""
    found = Counter(run.warning for run in plan.runs if run.warning)
    shown = found.most_common(None if verbose else SHOWN_PROBLEMS)
    for warning, number in shown:
        for line in screen.wrap_text(f"Warning: {warning} ({format_count(number, 'run')})"):
            yield screen.paint(line, "yellow")
    if len(shown) < len(found):
        yield f"… and {format_count(len(found) - len(shown), 'more warning')}; --verbose shows all"


def _problems(plan: Plan, screen: Screen, *, verbose: bool) -> Iterator[str]:
    if not plan.problems:
        return
    yield screen.paint(f"{format_count(len(plan.problems), 'problem')}:", "bold red")
    shown = plan.problems if verbose else plan.problems[:SHOWN_PROBLEMS]
    for problem in shown:
        yield from screen.wrap_text(str(problem), INDENT)
    if len(shown) < len(plan.problems):
        more = len(plan.problems) - len(shown)
        yield f"{' ' * INDENT}… and {more:,} more; reconciler validate shows all"


def _conclusion(plan: Plan, screen: Screen, review: Review) -> Iterator[str]:
    if review.is_gone:
        return
    if plan.problems:
        yield from screen.wrap_text(
            f"Nothing is started in {plan.environment} until every problem is fixed."
        )
        return
    if plan.refused:
        would = "would be refused by the service; `apply --preflight` does not claim them."
        yield from screen.wrap_text(f"{format_count(len(plan.refused), 'run')} {would}")
    if not plan.has_work:
        yield from screen.wrap_text(observation_sentence(plan) or "Nothing to do.")
        return
    if review.refused:
        yield from screen.wrap_text(f"Nothing is started in {plan.environment}: see above.")
        return
    starts = len(plan.runs_of_action(Action.START))
    yield from screen.wrap_text(_apply_sentence(plan, starts))


def _apply_sentence(plan: Plan, starts: int) -> str:
    cancellations = len(plan.runs_of_action(Action.CANCEL))
    doubts = len(plan.runs_of_action(Action.RESOLVE))
    deeds = []
    if starts:
        deeds.append(f"start {format_count(starts, 'run')}")
    if cancellations:
        deeds.append(f"cancel {format_count(cancellations, 'run')}")
    if doubts:
        deeds.append(f"look for the {format_count(doubts, 'run')} in doubt")
    options = ("--preflight",) if plan.refused else ()
    return f"{command('apply', *options, '--env', plan.environment)} would {join_words(deeds)}."
