"""How a run differs from what it was before, in words that the terminal and Markdown share.

Words are our own text, as `str`, and text from a manifest or a configuration, as `Quoted`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo

import msgspec
from msgspec import Struct

from reconciler.model import EpochMs, Run, Terms
from reconciler.plan.changes import Change, document_name
from reconciler.render.words import clock_time

ARROW = " → "


class Quoted(Struct, frozen=True):
    """Text that somebody else wrote."""

    text: str


Words = list[str | Quoted]


def words_text(words: Words) -> str:
    """The words as text."""
    return "".join(word.text if isinstance(word, Quoted) else word for word in words)


def join_phrases(phrases: Sequence[Words], first: str, others: str) -> Words:
    """The phrases in one; `first` separates the first two phrases, `others` separates the rest."""
    words: Words = []
    for number, phrase in enumerate(phrases):
        words += [*([] if not number else [first if number == 1 else others]), *phrase]
    return words


def differences(change: Change, zone: tzinfo) -> Words:
    """The differences field by field, or one phrase that says why they are not known."""
    if change.before is None or change.after is None:
        return _quote_commits(change.unseen or "not declared before")
    before, after = change.before, change.after
    phrases = [_difference(name, before, after, zone) for name in change.fields]
    if change.is_renamed:
        phrases.insert(0, ["renamed from ", Quoted(before.declared_name)])
    return join_phrases(phrases, ", ", ", ")


def _quote_commits(text: str) -> Words:
    """The text as words, with commit ids quoted: otherwise a forge would make them links."""
    pieces = _COMMIT.split(text)
    return [Quoted(piece) if number % 2 else piece for number, piece in enumerate(pieces)]


_COMMIT = re.compile(r"\b([0-9a-f]{12})\b")


def _difference(name: str, before: Run, after: Run, zone: tzinfo) -> Words:
    match name:
        case "parameters":
            return _parameters(before, after)
        case "suspend":
            return ["suspended" if after.suspend else "no longer suspended"]
        case "cancel":
            return ["called off" if after.cancel else "no longer called off"]
        case _:
            title = _TITLES.get(name, document_name(name))
            return [f"{title} ", _value(name, before, zone), ARROW, _value(name, after, zone)]


_TIMES = frozenset(
    one.name
    for one in (*msgspec.structs.fields(Run), *msgspec.structs.fields(Terms))
    if one.type in {EpochMs, EpochMs | None}
)
_TITLES = {"flow_id": "flow", "trigger_time": "trigger time"}  # else as in the manifest


def _value(name: str, run: Run, zone: tzinfo) -> str | Quoted:
    value = getattr(run, name)
    match name:
        case _ if name in _TIMES:
            return "none" if value is None else clock_time(value, zone)
        case "matching":
            return Quoted(_matches(run))
        case "depends_on":
            return Quoted(", ".join(value) or "nothing")
        case "after" | "duplicate_of":
            return Quoted(value or "nothing")
        case "retry":
            return str(value.max) if value else "none"
        case _:
            return "none" if value is None else str(value)


def _matches(run: Run) -> str:
    """`wind-import by businessDate, SITE`."""
    found = (f"{one.names[0]} by {', '.join(one.keys)}" for one in run.matching)
    return "; ".join(found) or "nothing"


def _arrow_words(sides: Iterable[Quoted]) -> Words:
    first, second = sides
    return [first, ARROW, second]


def _parameters(before: Run, after: Run) -> Words:
    hidden = before.sensitive | after.sensitive
    was, now = (dict(run.shown_parameters(hidden)) for run in (before, after))
    values = [dict(run.parameters) for run in (before, after)]
    phrases: list[Words] = []
    for key in dict.fromkeys((*was, *now)):
        first, second = (side.get(key) for side in values)
        if first != second:
            sides = (Quoted(side[key]) if key in side else Quoted("nothing") for side in (was, now))
            phrases.append([Quoted(key), " ", *_arrow_words(sides)])
    return join_phrases(phrases, ", ", ", ") if phrases else ["parameters in another order"]
