"""What comes first in a comment: what the change does, what is refused, the configuration."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.model import manifest_of
from reconciler.plan import Plan, PlannedRun
from reconciler.plan.review import Compared, Review
from reconciler.refused import NOT_PLANNED, TOO_MANY
from reconciler.render.backfills import group_items, reason_in_words, runs_in_words
from reconciler.render.change_table import HEADINGS, change_rows, value_blocks, words_markdown
from reconciler.render.changes_text import (
    EDITED,
    rows,
    setting_words,
    undeclared_words,
    unjudged_words,
    untouched_runs,
    untouched_sentence,
)
from reconciler.render.first_sentence import change_sentence, destination
from reconciler.render.markdown import code, fitting_lines, length, prose, table_head
from reconciler.render.plan_details import count_left_out
from reconciler.render.words import COMMIT_DIGITS, local_times, needs_attention

_PLAN = "plan --verbose"


def review_markdown(plan: Plan, review: Review, zone: tzinfo, room: int) -> list[str]:
    """The review in about `room` bytes: what a reviewer needs, the most important first."""
    lines = [*_head_lines(plan, review), *_refusal_lines(plan, review)]
    edited = [
        f"- {code(row.manifest)}: {words_markdown(row.words)}" for row in rows(review.edited, zone)
    ]
    lines += _list_lines(EDITED, edited, "manifest", room // 3)
    compared = review.compared
    if compared is None:
        return lines
    settings = [f"- {words_markdown(setting_words(one))}" for one in compared.settings]
    lines += _list_lines("Configuration that changes", settings, "setting", room // 3)
    lost = [f"- {words_markdown(words)}" for words in unjudged_words(compared)]
    lines += _list_lines("Not judged", lost, "file", room // 3)
    room -= length(lines)
    left = undeclared_words(plan, compared)
    lists = [*_value_block_lines(compared, zone, room // 3), *([left, ""] if left else [])]
    return [*lines, *_table(plan, compared, zone, room - length(lists)), *lists]


def waiting_markdown(plan: Plan, compared: Compared, zone: tzinfo, room: int) -> list[str]:
    """What the change does not touch, in a line that unfolds if some of it needs attention."""
    rest = untouched_runs(plan, compared)
    groups = group_items([run for run in rest if needs_attention(run)], _group)
    if not rest:
        return []
    words = untouched_sentence(plan, compared)
    if not groups:
        return [words, ""]
    room -= length(["<details>", words, "</details>"]) + 200
    shown = fitting_lines((_waiting_line(runs, zone) for runs in groups), room)
    more = count_left_out(len(groups) - len(shown), "line", _PLAN)
    return ["<details>", f"<summary>{words}</summary>", "", *shown, "", *more, "</details>", ""]


def _group(run: PlannedRun) -> tuple[str, str, str]:
    return manifest_of(run.id), run.action, run.shared_reason


def _waiting_line(runs: Sequence[PlannedRun], zone: tzinfo) -> str:
    first = runs[0]
    name = code(first.id if len(runs) == 1 else manifest_of(first.id))
    reason = prose(local_times(reason_in_words(runs), zone))
    return f"- {first.action} {name}: {runs_in_words(runs, zone)}; {reason}"


def _head_lines(plan: Plan, review: Review) -> list[str]:
    if review.compared is None:
        return [words_markdown(destination(review.gateway)), ""] if review.gateway else []
    commit = code(review.compared.base[:COMMIT_DIGITS])
    said = words_markdown(change_sentence(plan, review.compared, review.gateway))
    notes = [text for note in review.compared.notes for text in (f"Note: {prose(note)}", "")]
    return [f"**{said}** Compared with {commit}.", "", *notes]


def _refusal_lines(plan: Plan, review: Review) -> list[str]:
    said = [prose(str(one)) for one in review.refused if one.code in {TOO_MANY, NOT_PLANNED}]
    problems = len(review.refused) - len(said)
    if problems:
        said.append(f"{format_count(problems, 'problem')}, listed below.")
    if plan.refused:
        said.append(f"{format_count(len(plan.refused), 'run')}, by the service.")
    lines = [text for words in said for text in (f"**Refused:** {words}", "")]
    if review.refused_with_wait is not None:
        lines += [f"**Warning:** {prose(str(review.refused_with_wait))}", ""]
    return lines


def _list_lines(heading: str, lines: Sequence[str], noun: str, room: int) -> list[str]:
    if not lines:
        return []
    shown = fitting_lines(lines, room)
    return [f"**{heading}**", "", *shown, "", *count_left_out(len(lines) - len(shown), noun, _PLAN)]


def _table(plan: Plan, compared: Compared, zone: tzinfo, room: int) -> list[str]:
    if not compared.manifests:
        return []
    head = table_head(HEADINGS)
    shown = fitting_lines(change_rows(plan, compared, zone), room - length(head))
    more = count_left_out(len(compared.manifests) - len(shown), "manifest", _PLAN)
    return [*([*head, *shown, ""] if shown else []), *more]


def _value_block_lines(compared: Compared, zone: tzinfo, room: int) -> Iterator[str]:
    missing = 0
    for block in value_blocks(compared, zone):
        if length(block) > room:
            missing += 1
            continue
        room -= length(block)
        yield from block
    yield from count_left_out(missing, "folded list", _PLAN)
