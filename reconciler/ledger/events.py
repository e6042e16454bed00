"""The ledger's events, one JSON object a line, and their strict reading.

An event is never changed and never skipped: what cannot be read stops everything, because a line
that is passed over may be the one that says that a run was started.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from reconciler.errors import LedgerError
from reconciler.model import (
    ClaimId,
    Digest,
    EpochMs,
    InstanceId,
    Run,
    RunId,
    run_attempt,
    run_revision,
)
from reconciler.times import parse_instant

VERSION = 1
ADOPTED_VERSION = 2  # of `adopted` alone: who does not know that event must stop, and say why


class _Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="event",
    tag=str.lower,
    rename="camel",
    gc=False,  # it lies in no cycle
):
    v: int
    at: str  # RFC 3339, UTC, by the gateway's clock


class ClaimedRun(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """What a claim holds of one run."""

    digest: Digest
    trigger_time: EpochMs
    flow_id: int | None = None  # with it, a run whose manifest is gone can still be looked for
    stagger: int = 0  # milliseconds by which the trigger time was moved; the digest is without


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Whom a claim's starts are sent to, and on whose behalf: only it can be asked about them."""

    org_id: str
    gateway: str  # URL, in the form that `reconciler.identity.service_of` gives it
    user_id: str
    name: str | None = None  # `gateway.service`, where two services stand under one organisation


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instance that stood in a run's minute before the run was claimed: it is not the run's."""

    id: InstanceId
    created: EpochMs | None = None  # as the service stamped it


class Claim(_Event, frozen=True, kw_only=True):
    """These runs are about to be started by this applier and by nobody else before `until`."""

    claim: ClaimId
    by: str
    until: str  # RFC 3339, by the gateway's clock
    commit: str  # whose manifests the claim was derived from
    runs: Mapping[RunId, ClaimedRun]
    service: Service | None = None  # None: recorded before claims named it
    correlation: str | None = None  # the parameter in which each start carries this claim's nonce
    before: tuple[Seen, ...] = ()  # what stood in the minutes that were looked at before the claim
    looked_at: str | None = None  # no earlier than that look; None: nobody looked
    tzdata: str | None = None  # version of the zones that local times were read by


class Triggered(_Event, frozen=True, kw_only=True):
    """The run was started, and this is its instance."""

    run: RunId
    claim: ClaimId | None = None
    digest: Digest
    flow_id: int
    trigger_time: EpochMs
    flow_instance_id: InstanceId
    evidence: Any = None  # how it is known, where not from the answer to the start itself
    inferred: bool = False  # neither the answer nor a nonce says so: it alone was possible


class Rejected(_Event, frozen=True, kw_only=True):
    """The service refused the run for certain."""

    run: RunId
    claim: ClaimId
    code: int | str
    message: str


class Unknown(_Event, frozen=True, kw_only=True):
    """The start left and its outcome could not be told, nor by a later search, for what it saw."""

    run: RunId
    claim: ClaimId
    seen: Any


class Absent(_Event, frozen=True, kw_only=True):
    """It is certain that the claim started no instance of the run."""

    run: RunId
    claim: ClaimId
    evidence: Any


class Observed(_Event, frozen=True, kw_only=True):
    """The instance's final status, as the service said it."""

    run: RunId
    status: int | str  # EnOS's number; NOT_FOUND: the service no longer knows the instance
    claim: ClaimId | None = None  # the one under which it was started


class Cancelled(_Event, frozen=True, kw_only=True):
    """The service was asked to cancel the run's instance, and this is what it answered."""

    run: RunId
    code: int  # 0: it was done
    message: str = ""
    claim: ClaimId | None = None  # the one under which it was started


class Resolved(_Event, frozen=True, kw_only=True):
    """A person settled a run that was in doubt."""

    run: RunId
    by: str
    triggered: InstanceId | None
    claim: ClaimId | None = None  # the one that was judged; None: whichever is the newest
    reason: str = ""
    evidence: Any = None  # what the service listed though it is said that nothing was started


class Adopted(_Event, frozen=True, kw_only=True):
    """A person has started the run by hand, as this instance: nobody is to start it any more.

    It is a claim and its outcome in one, so that all that is known by a run's claim is known here.
    """

    run: RunId
    claim: ClaimId  # its own nonce; no instance carries it
    by: str
    commit: str  # whose manifest declared the run
    digest: Digest
    flow_id: int
    trigger_time: EpochMs
    stagger: int = 0  # see `ClaimedRun`
    flow_instance_id: InstanceId
    service: Service
    reason: str = ""
    evidence: Any = None  # what the service said of the instance

    def as_claim(self) -> Claim:
        """What it says as a claim: one that is over as soon as it is made."""
        claimed = ClaimedRun(
            digest=self.digest,
            trigger_time=self.trigger_time,
            flow_id=self.flow_id,
            stagger=self.stagger,
        )
        return Claim(
            v=VERSION,
            at=self.at,
            claim=self.claim,
            by=self.by,
            until=self.at,
            commit=self.commit,
            runs={self.run: claimed},
            service=self.service,
        )


Event = Claim | Triggered | Rejected | Unknown | Absent | Observed | Cancelled | Resolved | Adopted


def claimed_run(run: Run) -> ClaimedRun:
    """What a claim holds of the run."""
    return ClaimedRun(
        digest=run.digest, trigger_time=run.trigger_time, flow_id=run.flow_id, stagger=run.delay
    )


def stagger_of(claims: Mapping[ClaimId, Claim], claim: ClaimId | None, run: RunId) -> int:
    """Milliseconds by which that claim moved the run's trigger time; 0 where it is not known."""
    made = claims.get(claim) if claim is not None else None
    claimed = made.runs.get(run) if made is not None else None
    return claimed.stagger if claimed is not None else 0


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
    special = [one for one in whole if one.v != VERSION or type(one) in _WITH_TIMES]
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
        if isinstance(event, _WITH_TIMES):
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


def looks_like_event(line: bytes) -> bool:
    """Whether a line was written as an event, in this format or another one."""
    value = _object(line)
    return isinstance(value.get("v"), int) and isinstance(value.get("event"), str)


# msgspec checks the UTF-8 of a text only where it makes one, and lets Python's own error through.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_WITH_TIMES = (Claim, Adopted)
_HINT = "Restore the file from the branch's history; nothing is started until it can be read."


def _check_told(event: Claim | Adopted, where: str) -> None:
    """Raise LedgerError where a claim names what nobody can tell."""
    try:
        _check_claim(event.as_claim() if isinstance(event, Adopted) else event)
    except ValueError as error:
        raise LedgerError(f"{where}: not a ledger event: {error}", hint=_HINT) from None


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
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")):
        return LedgerError(f"{where}: a merge conflict stands in the ledger", hint=_HINT)
    read = _object(line)
    version, known = read.get("v"), {VERSION}
    if read.get("event") == "adopted":
        known |= {ADOPTED_VERSION}
    if isinstance(version, int) and version not in known:
        return LedgerError(
            f"{where}: written in format {version}, this reconciler reads format {VERSION}",
            hint="Use the version of the reconciler that wrote it, or a newer one.",
        )
    return LedgerError(f"{where}: not a ledger event: {why}", hint=_HINT)


def _object(line: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(line)
    except _UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}
