"""Which of the listed instances is the one that a run is recorded with, and how it fares.

The id alone does not tell: the service may give one id to all instances of a flow and minute, and
list all of them, or only the newest. Pure.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.known import Known, minute_of
from reconciler.apply.nonces import nonce_standing
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import (
    Standing,
    Suspect,
    fitting_instances,
    has_stood_before,
    is_of_another_flow,
    may_carry_another,
    may_have_stood_before,
    shows_another_time,
)
from reconciler.enos.statuses import FINAL, status_name
from reconciler.ledger import Record
from reconciler.ledger.records import Start
from reconciler.model import EpochMs, InstanceId, Nonce
from reconciler.times import MINUTE_MS, SECOND_MS, format_instant

LEAD_MS = 6_000  # by which the stamps of instances may be ahead of the gateway's clock

_BY_A_PERSON = frozenset({"resolvedBy", "adoptedBy"})  # the keys by which evidence names a person
_AT_ANY_TIME = "9999-12-31T00:00:00Z"
_OTHER_PARAMETERS = "it shows other parameters than the run was declared with"

SuspectOf = Callable[[Record, Nonce | None], Suspect | None]


class Fate(Struct, frozen=True, kw_only=True):
    """What the list tells of one run's instance."""

    status: int | None = None  # EnOS FlowInstance status; None: it cannot be told
    mine: Instance | None = None  # the run's instance, if only one can be that
    reason: str = ""  # why the status cannot be told, or whose the running instance is
    for_good: bool = False  # it cannot be told later either: all that could be the run's has ended


def judge_listed(
    record: Record, start: Start, listed: Sequence[Instance], known: Known, suspect_of: SuspectOf
) -> Fate:
    """How the run's instance fares; `listed` is everything that was seen under its id."""
    suspect = suspect_of(record, start.claim)
    if suspect is None:
        return Fate(reason="the ledger does not say its flow")
    mine = _possible_instances(record, start, suspect, listed, known)
    certain = [one for one in mine if nonce_standing(suspect, one, known) is Standing.OURS]
    if certain:
        return _fate_of(certain)
    mine, contested = _drop_others_instances(suspect, start, mine, listed, known, suspect_of)
    if contested:
        return _unclear_fate(
            mine, "its id is also that of another run, and the two cannot be told apart"
        )
    if not mine:
        foreign = all(shows_another_time(suspect.trigger_time, one) for one in listed)
        what = "has another trigger time" if foreign else "was not created when the run was started"
        return _unclear_fate(listed, f"what is listed under its id {what}")
    # That all have ended alike does not help: the run's own may be one that is not listed yet.
    # If a person has named the instance, only its id counts: it may carry what the run does not.
    is_named = _is_named(record)
    fits = mine if is_named else fitting_instances(suspect, mine)
    if len(fits) != 1:
        return _unclear_fate(mine, "several instances have its id, or another one than the run's")
    doubt = _may_be_anothers(suspect, start, fits[0], listed, is_named=is_named)
    if doubt is None and not is_named:
        doubt = _unsent_reason(suspect, fits[0])
        if doubt is not None and not has_ended(fits[0]):  # it runs: nothing is recorded of that
            return replace(_fate_of(fits), mine=None, reason=doubt)
    return _unclear_fate(mine, doubt) if doubt else _fate_of(fits)


def runs_alone(mine: Instance, listed: Sequence[Instance]) -> bool:
    """Whether nothing else under that id can be under way, so that a cancellation cannot hit it."""
    return all(one == mine or has_ended(one) for one in listed)


def has_ended(one: Instance) -> bool:
    """Whether the instance shows a final status."""
    return one.status is not None and status_name(one.status) in FINAL


def _unsent_reason(suspect: Suspect, one: Instance) -> str | None:
    """Why the parameters that it shows may be another's; None if they may well be the run's.

    For example, a person starts the flow in the same seconds, and only the newest of an id is
    listed. No stamp tells the two apart. If no manifest says any more what was sent, the service
    may just write it in its own way; but so might the other instance show what it carries.
    """
    if _shows_nothing_sent(suspect, one):
        return "nothing that was sent is among the parameters of what has its id"
    if one.parameters is not None and may_carry_another(suspect, one):
        return f"{_OTHER_PARAMETERS}, and no manifest says any more what that was"
    return None


def _shows_nothing_sent(suspect: Suspect, one: Instance) -> bool:
    """Whether it shows parameters, but none that was sent.

    If the correlation parameter is all that was sent, an empty list proves nothing: the service may
    not show that parameter.
    """
    if one.parameters is None or suspect.parameters is None:
        return False
    sent = [key for key, _ in suspect.parameters]
    if not sent and suspect.correlation is not None and one.parameters:
        sent = [suspect.correlation]
    listed = {key.casefold() for key, _ in one.parameters}
    return bool(sent) and listed.isdisjoint(key.casefold() for key in sent)


def _is_named(record: Record) -> bool:
    """Whether a person has said that the run was started as that instance."""
    return isinstance(record.evidence, dict) and not record.evidence.keys().isdisjoint(_BY_A_PERSON)


def _is_another_than_adopted(record: Record, one: Instance) -> bool:
    """Whether it was created at another time than the instance that a person adopted for the run.

    A later instance may have been given the same id, and be the only one that is listed under it.
    """
    seen = record.evidence.get("seen") if isinstance(record.evidence, dict) else None
    created = seen.get("created") if isinstance(seen, dict) else None
    if created is None or one.created is None:
        return False
    return bool(created != format_instant(one.created))


def _fate_of(mine: Sequence[Instance]) -> Fate:
    statuses = {one.status for one in mine}
    if len(statuses) > 1:
        return _unclear_fate(mine, "several instances carry its nonce")
    if mine[0].status is None:
        return Fate(reason=f"the status of {mine[0].id} cannot be read")
    return Fate(status=mine[0].status, mine=mine[0] if len(mine) == 1 else None)


def _unclear_fate(candidates: Sequence[Instance], reason: str) -> Fate:
    ids = ", ".join(dict.fromkeys(one.id for one in candidates))
    return Fate(reason=f"{reason}: {ids}", for_good=all(map(has_ended, candidates)))


def _possible_instances(
    record: Record, start: Start, suspect: Suspect, listed: Sequence[Instance], known: Known
) -> list[Instance]:
    """The instances under the start's id that nothing rules out as made by this start."""
    found = []
    for one in listed:
        if one.id != start.instance or is_of_another_flow(suspect.flow_id, one):
            continue
        if start.by_hand and _is_another_than_adopted(record, one):
            continue
        by_nonce = nonce_standing(suspect, one, known)
        if by_nonce is Standing.NOT_OURS:
            continue
        elsewhen = (
            shows_another_time(suspect.trigger_time, one)
            or has_stood_before(suspect, one)
            or _is_off(suspect, start, one, suspect.slack, LEAD_MS)
        )
        if by_nonce is Standing.OURS or _is_named(record) or not elsewhen:
            found.append(one)
    return found


def _may_be_anothers(
    suspect: Suspect, start: Start, one: Instance, listed: Sequence[Instance], *, is_named: bool
) -> str | None:
    """Why the only instance that fits may still not be the run's; None if it must be."""
    if may_have_stood_before(suspect, one):
        return "what has its id may be what stood there before its claim"
    weak = _weakness(suspect, one, is_named=is_named)
    if weak and (one.created is None or one.created != one.created_latest):
        return f"{weak}, nor when exactly it was created"
    shared = "others have its id too" if len(listed) > 1 else None
    if (shared or weak) and _is_off(suspect, start, one, LEAD_MS, SECOND_MS):
        return f"{shared or weak}, and it was not created just when the run was started"
    return None


def _weakness(suspect: Suspect, one: Instance, *, is_named: bool) -> str | None:
    """What it does not show that would tell it from what others start under the same id."""
    if suspect.correlation is not None:
        return f"it shows no {suspect.correlation}"
    if not is_named and may_carry_another(suspect, one):
        return _OTHER_PARAMETERS
    return None


def _is_off(suspect: Suspect, start: Start, one: Instance, before: int, after: int) -> bool:
    """Whether it was created over `before` ms before the claim, or over `after` ms after the start.

    That must be so by every reading of its stamp. If a service stamps in UTC, a stamp means a time
    of today by one reading and one of eight hours ago by the other, and nothing between. If stamps
    are cut, a reading means all times that may have been cut to it. Otherwise no end would be
    recorded on a service that cuts its stamps, or whose clock is behind. What this hides is among
    the assumptions in docs/exactly-once.md.
    """
    spans = one.created_spans
    since = None if suspect.claimed_at is None else suspect.claimed_at - before
    return bool(spans) and not any(
        (since is None or last >= since) and first <= start.instant + after for first, last in spans
    )


def _drop_others_instances(
    suspect: Suspect,
    start: Start,
    mine: list[Instance],
    listed: Sequence[Instance],
    known: Known,
    suspect_of: SuspectOf,
) -> tuple[list[Instance], bool]:
    """`mine` without the instances of other starts; and whether the two cannot be told apart."""
    contested = False
    for record, its_start in (
        *known.owners(start.instance),
        *_starts_in_doubt(suspect, start, mine, known),
    ):
        other = suspect_of(record, its_start.claim)
        if other is None or (other.run, other.claim) == (suspect.run, suspect.claim):
            continue
        if known.is_later(other.claim, suspect.claim):
            mine = _keep_seen_before(mine, start.instance, other)
        theirs = _possible_instances(record, its_start, other, listed, known)
        proven = [one for one in theirs if nonce_standing(other, one, known) is Standing.OURS]
        if proven:
            mine = [one for one in mine if one not in proven]
            continue
        ours_fit = fitting_instances(suspect, mine)
        theirs_fit = fitting_instances(other, theirs)
        theirs = theirs_fit or theirs
        if ours_fit and not any(one in theirs_fit for one in ours_fit):
            mine = ours_fit
        elif its_start.at == _AT_ANY_TIME:  # it may have made any of them, or none
            contested = contested or any(one in mine for one in theirs)
        elif len(theirs) == 1 and theirs[0] in mine and len(mine) > 1:
            mine = [one for one in mine if one != theirs[0]]
        elif theirs and all(one in mine for one in theirs):
            contested = True
    return mine, contested


def _starts_in_doubt(
    suspect: Suspect, start: Start, mine: Sequence[Instance], known: Known
) -> Iterator[tuple[Record, Start]]:
    """The starts in the run's minute that may have been made, under an id that nobody knows.

    If an instance shows only an hour or a day, or another minute than the run's, also the starts
    in every span of time (up to a day) that may share the id.
    """
    time = suspect.trigger_time
    spans: Sequence[tuple[EpochMs, EpochMs]] = ()
    if any(one.trigger_unit > MINUTE_MS or _shows_another_minute(time, one) for one in mine):
        spans = known.spans_of_id(start.instance, suspect.flow_id, time, suspect.zone)
    for record in known.runs_in_doubt(suspect.flow_id, None if spans else time):
        near = minute_of(0, record.trigger_time) == minute_of(0, time)
        near = near or any(first <= record.trigger_time < end for first, end in spans)
        if near and (record.run, record.claim) != (suspect.run, suspect.claim):
            yield record, Start(claim=record.claim, instance=start.instance, at=_AT_ANY_TIME)


def _shows_another_minute(time: EpochMs, one: Instance) -> bool:
    return one.trigger_time is not None and minute_of(0, one.trigger_time) != minute_of(0, time)


def _keep_seen_before(mine: list[Instance], id_: InstanceId, later: Suspect) -> list[Instance]:
    """Leave out what the look before a later claim did not see yet, if that look saw this id."""
    seen = {one.created for one in later.before if one.id == id_}
    return [one for one in mine if one.created in seen] if seen else mine
