"""What comes first in a plan for the terminal: refusals, configuration, and the change."""

from collections.abc import Sequence
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.plan import Plan
from reconciler.plan.review import Compared, Review
from reconciler.refused import TOO_MANY
from reconciler.render.changes_text import (
    EDITED,
    rows,
    setting_words,
    undeclared_words,
    unjudged_words,
    untouched_runs,
    untouched_sentence,
)
from reconciler.render.differences import words_text
from reconciler.render.first_sentence import change_sentence
from reconciler.render.layout import Screen
from reconciler.render.words import COMMIT_DIGITS

_INDENT = 2
_SHOWN_ROWS = 100


def review_text(
    plan: Plan, review: Review, zone: tzinfo, screen: Screen, *, verbose: bool
) -> list[list[str]]:
    """The review as blocks of lines; no blocks where there is nothing to say."""
    blocks = [
        _refusal_lines(review, screen),
        _wait_warning_lines(review, screen),
        _edited_lines(review, zone, screen, verbose=verbose),
    ]
    compared = review.compared
    if compared is not None:
        blocks += [
            _configuration(compared, screen),
            _change(plan, review, compared, zone, screen, verbose=verbose),
        ]
    return [block for block in blocks if block]


def _refusal_lines(review: Review, screen: Screen) -> list[str]:
    """The refusal by the limit in full, and the number of problems, which the plan lists."""
    lines = [f"Refused: {one}" for one in review.refused if one.code == TOO_MANY]
    problems = len(review.refused) - len(lines)
    if problems:
        lines.append(f"Refused: {format_count(problems, 'problem')}, listed below")
    return [screen.paint(line, "bold red") for text in lines for line in screen.wrap_text(text)]


def _wait_warning_lines(review: Review, screen: Screen) -> list[str]:
    if review.refused_with_wait is None:
        return []
    lines = screen.wrap_text(f"Warning: {review.refused_with_wait}")
    return [screen.paint(line, "yellow") for line in lines]


def _edited_lines(review: Review, zone: tzinfo, screen: Screen, *, verbose: bool) -> list[str]:
    found = [f"{row.manifest}: {words_text(row.words)}" for row in rows(review.edited, zone)]
    if not found:
        return []
    return [screen.paint(f"{EDITED}:", "bold red"), *_cut(found, screen, verbose=verbose)]


def _configuration(compared: Compared, screen: Screen) -> list[str]:
    settings = [words_text(setting_words(one)) for one in compared.settings]
    if not settings:
        return []
    head = screen.paint("This change of reconciler.yaml:", "bold")
    return [head, *(line for text in settings for line in screen.wrap_text(text, _INDENT))]


def _change(
    plan: Plan, review: Review, compared: Compared, zone: tzinfo, screen: Screen, *, verbose: bool
) -> list[str]:
    first = words_text(change_sentence(plan, compared, review.gateway))
    said = f"{first} (Compared with {compared.base[:COMMIT_DIGITS]}.)"
    lines = [screen.paint(line, "bold") for line in screen.wrap_text(said)]
    found = [f"{row.manifest}: {words_text(row.words)}" for row in rows(compared.manifests, zone)]
    lines += _cut(found, screen, verbose=verbose)
    rest = untouched_sentence(plan, compared) if untouched_runs(plan, compared) else ""
    lost = [f"{words_text(words)}." for words in unjudged_words(compared)]
    lines += _cut(lost, screen, verbose=verbose)
    more = [words for words in (undeclared_words(plan, compared), rest) if words]
    return [*lines, *(line for words in more for line in screen.wrap_text(words))]


def _cut(texts: Sequence[str], screen: Screen, *, verbose: bool) -> list[str]:
    shown = texts if verbose else texts[:_SHOWN_ROWS]
    lines = [line for text in shown for line in screen.wrap_text(text, _INDENT)]
    if len(shown) < len(texts):
        more = format_count(len(texts) - len(shown), "more manifest")
        lines.append(f"{' ' * _INDENT}… and {more}; --verbose shows all")
    return lines
