"""What comes first in a plan on a pull request: refusals, configuration, and the change itself."""

from datetime import tzinfo

from reconciler.plan import Plan
from reconciler.plan.refusals import TOO_MANY
from reconciler.plan.review import Review
from reconciler.render.changes import Quoted, Row, Words, besides, rows, sentence, setting_words
from reconciler.render.markdown import code, fitting, length, prose
from reconciler.render.plan_details import left_out
from reconciler.render.words import COMMIT_DIGITS, counted

_LONGEST = 100  # characters of one quoted piece


def review_markdown(plan: Plan, review: Review, zone: tzinfo, room: int) -> list[str]:
    """Its lines, in about so many characters; none where there is nothing to say."""
    lines = _refused(review)
    compared = review.compared
    if compared is None:
        return lines
    lines += _listed(
        "Configuration that changes",
        [f"- {_marked(setting_words(one))}" for one in compared.configuration],
        "setting",
        room // 3,
    )
    commit = code(compared.base[:COMMIT_DIGITS])
    lines += [f"**{sentence(compared)}** Compared with {commit}.", ""]
    found = [_row(row) for row in rows(compared, zone)]
    shown = fitting(found, room - length(lines))
    if found:
        lines += [*shown, *left_out(len(found) - len(shown), "manifest", "plan --verbose"), ""]
    return [*lines, besides(plan, compared), ""]


def _refused(review: Review) -> list[str]:
    lines = [f"**Refused:** {prose(str(one))}" for one in review.refused if one.code == TOO_MANY]
    problems = len(review.refused) - len(lines)
    if problems:
        lines.append(f"**Refused:** {counted(problems, 'problem')}, listed below.")
    return [text for line in lines for text in (line, "")]


def _listed(heading: str, lines: list[str], noun: str, room: int) -> list[str]:
    if not lines:
        return []
    shown = fitting(lines, room)
    more = left_out(len(lines) - len(shown), noun, "plan --verbose")
    return [f"**{heading}**", "", *shown, "", *more]


def _row(row: Row) -> str:
    place = f" ({code(f'{row.place.file}:{row.place.line}')})" if row.place is not None else ""
    return f"- {code(row.manifest)}{place}: {_marked(row.words)}"


def _marked(words: Words) -> str:
    return "".join(
        code(word.text, _LONGEST) if isinstance(word, Quoted) else word for word in words
    )
