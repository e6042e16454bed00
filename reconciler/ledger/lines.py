"""A ledger's lines: each is one event as a JSON object, and they are read strictly.

An event is never skipped: what cannot be read stops everything, because a line that is passed over
may be the one that says that a run was started.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from reconciler.errors import LedgerError
from reconciler.ledger.events import ADOPTED_VERSION, VERSION, Adopted, Claim, Event
from reconciler.model import run_attempt, run_revision
from reconciler.times import parse_instant

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(events: Iterable[Event]) -> bytes:
    """The events as ledger lines, each ended by a line feed."""
    return b"".join(_encoder.encode(event) + b"\n" for event in events)


def decode(content: bytes, file: str) -> Iterable[Event]:
    """The events of one ledger file, in its order.

    Raises LedgerError with file and line for a line of another version, a conflict marker, a claim
    whose times or runs cannot be told, or anything else that is not one whole event; by then it has
    given the events before it.
    """
    whole = _whole(content)
    if whole is None:
        return _checked(content, file, _one_by_one(content, file))
    special = [one for one in whole if one.v != VERSION or type(one) in _CLAIMS]
    return whole if all(map(_is_sound, special)) else _checked(content, file, whole)


def _is_sound(event: Event) -> bool:
    """Whether it is a claim in which nothing is wrong."""
    if not isinstance(event, Claim) or event.v != VERSION:
        return False
    try:
        _check_claim(event)
    except ValueError:
        return False
    return True


def _checked(content: bytes, file: str, found: Iterable[Event]) -> Iterator[Event]:
    """The events as they are; what is wrong is told when the turn comes to it."""
    for number, event in enumerate(found, start=1):
        if event.v != (ADOPTED_VERSION if isinstance(event, Adopted) else VERSION):
            line = content.split(b"\n")[number - 1]
            raise _unreadable(line, f"{file}:{number}", f"its `v` is not {ADOPTED_VERSION}")
        if isinstance(event, _CLAIMS):
            _check_told(event, f"{file}:{number}")
        yield event


def _whole(content: bytes) -> Sequence[Event] | None:
    """All events at once, which is quicker; None where some line is not just one event.

    Within an object no line feed can stand between `}` and `{`. So where all of them do, and there
    is an event for each line, each line is one event.
    """
    text = content.removesuffix(b"\n")
    feeds = text.count(b"\n")
    if not text.startswith(b"{") or text.count(b"}\n{") != feeds:
        return None
    try:
        events: list[Event] = _decoder.decode_lines(content)
    except _UNREADABLE:
        return None
    return events if len(events) == feeds + 1 else None


def _one_by_one(content: bytes, file: str) -> Iterator[Event]:
    """The events, line by line. Raises LedgerError for the first that is none."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            yield _decoder.decode(line)
        except _UNREADABLE as error:
            raise _unreadable(line, f"{file}:{number}", str(error)) from None


def marks_conflict(line: bytes) -> bool:
    """Whether git wrote the line between the two sides of a merge."""
    return line.startswith(_MARKS)


def looks_like_event(line: bytes) -> bool:
    """Whether a line was written as an event, in this format or another one."""
    value = _object(line)
    return isinstance(value.get("v"), int) and isinstance(value.get("event"), str)


# msgspec checks the UTF-8 of a text only where it makes one, and lets Python's own error through.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CLAIMS = (Claim, Adopted)
# The cure of every line that cannot be read; who knows the branch can say the command.
RESTORE = "Restore the file from the branch's history; nothing is started until it can be read."
_MARKS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")


def _check_told(event: Claim | Adopted, where: str) -> None:
    """Raise LedgerError where a claim names what nobody can tell."""
    try:
        _check_claim(event.as_claim() if isinstance(event, Adopted) else event)
    except ValueError as error:
        raise LedgerError(f"{where}: not a ledger event: {error}", hint=RESTORE) from None


def _check_claim(claim: Claim) -> None:
    """Raise ValueError for a time, or for a run, of which nobody can tell what it is.

    A claim's times decide whether its runs may be looked for: they are not only for people.
    """
    for time in _times(claim):
        try:
            parse_instant(time)
        except ValueError as error:
            raise ValueError(f"the time {time!r} {error}") from None
    for run in claim.runs:
        if "#" in run or "@" in run:
            try:
                run_attempt(run), run_revision(run)
            except ValueError:
                raise ValueError(f"the run {run!r} has no number behind `@` or `#`") from None


def _times(claim: Claim) -> tuple[str, ...]:
    return claim.at, claim.until, claim.looked_at or claim.at


def _unreadable(line: bytes, where: str, why: str) -> LedgerError:
    if marks_conflict(line):
        return LedgerError(f"{where}: a merge conflict stands in the ledger", hint=RESTORE)
    read = _object(line)
    version, known = read.get("v"), {VERSION}
    if read.get("event") == "adopted":
        known |= {ADOPTED_VERSION}
    if isinstance(version, int) and version not in known:
        return LedgerError(
            f"{where}: written in format {version}, this reconciler reads format {VERSION}",
            hint="Use the version of the reconciler that wrote it, or a newer one.",
        )
    return LedgerError(f"{where}: not a ledger event: {why}", hint=RESTORE)


def _object(line: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(line)
    except _UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}
