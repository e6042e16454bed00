"""A ledger's lines, each of them one event as a JSON object. They are read strictly.

No line is ever skipped: an unreadable one stops everything, because it may be the line that says
that a run was started.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import msgspec

from reconciler.errors import LedgerError
from reconciler.ledger.events import ADOPTED_VERSION, VERSION, Adopted, Claim, Event
from reconciler.model import run_attempt, run_revision
from reconciler.times import parse_instant

_encoder = msgspec.json.Encoder()


@cache
def _decoder() -> msgspec.json.Decoder[Event]:
    """Made for the first line: making it takes as long as to read a hundred."""
    return msgspec.json.Decoder(Event)


def encode_events(events: Iterable[Event]) -> bytes:
    """The events as ledger lines, each ended by a line feed."""
    return b"".join(_encoder.encode(event) + b"\n" for event in events)


def decode_events(content: bytes, file: str) -> Iterable[Event]:
    """The events of one ledger file, in its order.

    Raises LedgerError with file and line for a line of another version, a conflict marker, a claim
    with malformed times or run ids, or anything else that is not one whole event. The error may
    come only after the events before that line have been yielded.
    """
    whole = _decode_at_once(content)
    if whole is None:
        return _check_events(content, file, _decode_lines(content, file))
    special = [one for one in whole if one.v != VERSION or type(one) in _CLAIMS]
    return whole if all(map(_is_sound, special)) else _check_events(content, file, whole)


def _is_sound(event: Event) -> bool:
    """Whether the event is a sound claim of the usual version."""
    if not isinstance(event, Claim) or event.v != VERSION:
        return False
    try:
        _check_claim(event)
    except ValueError:
        return False
    return True


def _check_events(content: bytes, file: str, found: Iterable[Event]) -> Iterator[Event]:
    """The events as they are. Raises LedgerError when it reaches one that is wrong."""
    for number, event in enumerate(found, start=1):
        if event.v != (ADOPTED_VERSION if isinstance(event, Adopted) else VERSION):
            line = content.split(b"\n")[number - 1]
            raise _unreadable_error(line, file, number, f"its `v` is not {ADOPTED_VERSION}")
        if isinstance(event, _CLAIMS):
            _check_claim_line(event, file, number)
        yield event


def _decode_at_once(content: bytes) -> Sequence[Event] | None:
    """All events, decoded at once, which is faster; None where some line is not exactly one event.

    Inside a JSON object, `}`, a line feed and `{` never follow each other. So if every line feed
    stands between `}` and `{`, and there are as many events as lines, each line is one event.
    """
    text = content.removesuffix(b"\n")
    feeds = text.count(b"\n")
    if not text.startswith(b"{") or text.count(b"}\n{") != feeds:
        return None
    try:
        events: list[Event] = _decoder().decode_lines(content)
    except _UNREADABLE:
        return None
    return events if len(events) == feeds + 1 else None


def _decode_lines(content: bytes, file: str) -> Iterator[Event]:
    """The events, line by line. Raises LedgerError for the first line that is none."""
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            yield _decoder().decode(line)
        except _UNREADABLE as error:
            raise _unreadable_error(line, file, number, str(error)) from None


def marks_conflict(line: bytes) -> bool:
    """Whether git wrote the line between the two sides of a merge."""
    return line.startswith(_MARKS)


def looks_like_event(line: bytes) -> bool:
    """Whether a line was written as an event, in this format or another."""
    value = _object(line)
    return isinstance(value.get("v"), int) and isinstance(value.get("event"), str)


# msgspec checks a string's UTF-8 only when it decodes that string, and lets Python's error through.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CLAIMS = (Claim, Adopted)
# The cure of every line that cannot be read; who knows the branch can say the command.
RESTORE = "Restore the file from the branch's history; nothing is started until it can be read."
_MARKS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")


def _check_claim_line(event: Claim | Adopted, file: str, number: int) -> None:
    """Raise LedgerError for a claim with a malformed time or run id."""
    try:
        _check_claim(event.implied_claim() if isinstance(event, Adopted) else event)
    except ValueError as error:
        what = f"not a ledger event: {error}"
        raise LedgerError(what, hint=RESTORE, file=file, line=number) from None


def _check_claim(claim: Claim) -> None:
    """Raise ValueError for a malformed time or run id.

    A claim's times are not only for people: they decide whether its runs may be searched for.
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


def _unreadable_error(line: bytes, file: str, number: int, why: str) -> LedgerError:
    what, hint = f"not a ledger event: {why}", RESTORE
    read = _object(line)
    version, known = read.get("v"), {VERSION}
    if read.get("event") == "adopted":
        known |= {ADOPTED_VERSION}
    if marks_conflict(line):
        what = "a merge conflict stands in the ledger"
    elif isinstance(version, int) and version not in known:
        what = f"written in format {version}, this reconciler reads format {VERSION}"
        hint = "Use the version of the reconciler that wrote it, or a newer one."
    return LedgerError(what, hint=hint, file=file, line=number)


def _object(line: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(line)
    except _UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}
