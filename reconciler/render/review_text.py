"""What comes first in a plan for the terminal: refusals, configuration, and the change."""

from collections.abc import Sequence
from datetime import tzinfo

from reconciler.counting import counted
from reconciler.plan import Plan
from reconciler.plan.review import Compared, Review
from reconciler.refused import TOO_MANY
from reconciler.render.changes_text import (
    EDITED,
    besides,
    rows,
    setting_words,
    undeclared_words,
    unjudged_words,
    untouched,
)
from reconciler.render.differences import plain
from reconciler.render.first_sentence import opening
from reconciler.render.layout import Screen
from reconciler.render.words import COMMIT_DIGITS

_INDENT = 2
_SHOWN_ROWS = 100


def review_text(
    plan: Plan, review: Review, zone: tzinfo, screen: Screen, *, verbose: bool
) -> list[list[str]]:
    """The review as blocks of lines; no blocks where there is nothing to say."""
    blocks = [
        _refused(review, screen),
        _with_wait(review, screen),
        _edited(review, zone, screen, verbose=verbose),
    ]
    compared = review.compared
    if compared is not None:
        blocks += [
            _configuration(compared, screen),
            _change(plan, review, compared, zone, screen, verbose=verbose),
        ]
    return [block for block in blocks if block]


def _refused(review: Review, screen: Screen) -> list[str]:
    """The refusal by the limit in full, and the number of problems, which the plan lists."""
    lines = [f"Refused: {one}" for one in review.refused if one.code == TOO_MANY]
    problems = len(review.refused) - len(lines)
    if problems:
        lines.append(f"Refused: {counted(problems, 'problem')}, listed below")
    return [screen.paint(line, "bold red") for text in lines for line in screen.wrapped(text)]


def _with_wait(review: Review, screen: Screen) -> list[str]:
    if review.refused_with_wait is None:
        return []
    lines = screen.wrapped(f"Warning: {review.refused_with_wait}")
    return [screen.paint(line, "yellow") for line in lines]


def _edited(review: Review, zone: tzinfo, screen: Screen, *, verbose: bool) -> list[str]:
    found = [f"{row.manifest}: {plain(row.words)}" for row in rows(review.edited, zone)]
    if not found:
        return []
    return [screen.paint(f"{EDITED}:", "bold red"), *_cut(found, screen, verbose=verbose)]


def _configuration(compared: Compared, screen: Screen) -> list[str]:
    settings = [plain(setting_words(one)) for one in compared.settings]
    if not settings:
        return []
    head = screen.paint("This change of reconciler.yaml:", "bold")
    return [head, *(line for text in settings for line in screen.wrapped(text, _INDENT))]


def _change(
    plan: Plan, review: Review, compared: Compared, zone: tzinfo, screen: Screen, *, verbose: bool
) -> list[str]:
    first = plain(opening(plan, compared, review.gateway))
    said = f"{first} (Compared with {compared.base[:COMMIT_DIGITS]}.)"
    lines = [screen.paint(line, "bold") for line in screen.wrapped(said)]
    found = [f"{row.manifest}: {plain(row.words)}" for row in rows(compared.manifests, zone)]
    lines += _cut(found, screen, verbose=verbose)
    rest = besides(plan, compared) if untouched(plan, compared) else ""
    lost = [f"{plain(words)}." for words in unjudged_words(compared)]
    lines += _cut(lost, screen, verbose=verbose)
    more = [words for words in (undeclared_words(plan, compared), rest) if words]
    return [*lines, *(line for words in more for line in screen.wrapped(words))]


def _cut(texts: Sequence[str], screen: Screen, *, verbose: bool) -> list[str]:
    shown = texts if verbose else texts[:_SHOWN_ROWS]
    lines = [line for text in shown for line in screen.wrapped(text, _INDENT)]
    if len(shown) < len(texts):
        more = counted(len(texts) - len(shown), "more manifest")
        lines.append(f"{' ' * _INDENT}… and {more}; --verbose shows all")
    return lines
