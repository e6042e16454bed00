"""Whose is a listed instance? What a search of the service says of a run, and what it does not say.

Pure. A service may stamp, round, cut, merge, retype, hide or share everything that it lists, so an
instance that *differs* from what was sent may still be the run's. Each listed instance is one of:

- **ours**: it carries this claim's nonce, however the service shows it;
- **not ours**: there is a contradiction that no formatting explains. It names another flow; it
  carries the whole nonce of another claim that the ledger knows; it was created before the claim by
  more than any two clocks differ (`gateway.stampSlackSeconds`); it stood there before the claim; or
  it is recorded as another run's, fits that run's start, and the two are known not to share an id;
- **possible**: everything else.

Without a nonce an instance is also ours if it alone is possible, agrees in everything, was created
after the claim, and is nobody else's. A run is absent only if the search was whole and nothing is
possible. docs/exactly-once.md has the table with its reasons.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from reconciler.apply.ids import IdScheme
from reconciler.apply.known import Known, rows_seen
from reconciler.apply.nonces import claim_named_in, nonce_standing
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import (
    Standing,
    Suspect,
    agrees,
    contradicts,
    has_stood_before,
    is_of_another_flow,
    is_of_another_minute,
    is_older,
    search_window,
    was_seen_before,
)
from reconciler.ledger import Record
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Start, ledger_instant
from reconciler.model import EpochMs, InstanceId, RunId, run_digest
from reconciler.times import format_instant

BY_NONCE = "it carries the claim's nonce"
BY_AGREEMENT = "it alone is possible, and agrees in everything"


class Found(Struct, frozen=True, kw_only=True):
    """Exactly one instance is the run's."""

    instance: InstanceId
    by: str  # how it was recognised


class NoneFound(Struct, frozen=True, kw_only=True):
    """The search was whole, and nothing in it can be the run's."""


class Ambiguous(Struct, frozen=True, kw_only=True):
    """Nobody can tell whether what was found, or what may be hidden, is the run's."""

    reason: str
    awaits: Record | None = None  # a run in doubt: what a later look shows of it may settle this


Judgement = Found | NoneFound | Ambiguous
# Said of another's instance where the run's own is not listed.
HIDES = "and may hide its own: the service may list one of an id"


def judge(
    suspect: Suspect,
    listed: Sequence[Instance],
    known: Known,
    making: IdScheme,
    rivals: Sequence[Suspect] = (),
    unlisted: Collection[RunId] = (),
) -> Judgement:
    """What a whole search says of a run in doubt.

    `making`: how the service makes ids. `rivals`: the other runs in doubt of the same minute.
    `unlisted`: runs in doubt for which a search shows nothing at all.
    """
    standings = [(one, standing(suspect, one, known)) for one in listed]
    ours = [one for one, stands in standings if stands is Standing.OURS]
    if ours:
        if len({one.id for one in ours}) > 1:
            return Ambiguous(reason=f"several instances carry this claim's nonce: {ids_of(ours)}")
        return Found(instance=ours[0].id, by=BY_NONCE)
    possible = [one for one, stands in standings if stands is Standing.POSSIBLE]
    others = [one for one, stands in standings if stands is Standing.ANOTHERS]
    if len(possible) == 1 and agrees(suspect, possible[0]) and not known.owners(possible[0].id):
        rival = next((one for one in rivals if fits_run(one, possible[0], known)), None)
        if rival is not None:
            return Ambiguous(
                reason=f"instance {possible[0].id} agrees with it, and may be {rival.run}'s, "
                "which is in doubt as well"
            )
        return Found(instance=possible[0].id, by=BY_AGREEMENT)
    if not possible and not others:
        return _judge_hiding(suspect, listed, known, making, unlisted) or NoneFound()
    return Ambiguous(reason=_explain_ambiguity(suspect, possible, others))


def standing(suspect: Suspect, one: Instance, known: Known) -> Standing:
    """What an instance can be to the suspect, if the search for the suspect's minute lists it.

    A nonce counts before everything else. The shown time says nothing, because the service has
    listed the instance for this minute: either the instance is of the minute, or the service shows
    another time than it searches by.
    """
    by_nonce = nonce_standing(suspect, one, known)
    if by_nonce is not None:
        return by_nonce
    if is_another(suspect, one):
        return Standing.NOT_OURS
    owners = [
        (record, start)
        for record, start in known.owners(one.id)
        if (record.run, start.claim) != (suspect.run, suspect.claim)
        and not is_disowned(record, one)
    ]
    if not any(fits_start(owner, one, suspect.slack, known) for owner in owners):
        return Standing.POSSIBLE
    may_share = any(
        not _carries_what_was_recorded(suspect, one, record, known)
        and not known.tells_apart(one.id, record, suspect.trigger_time)
        for record, _ in owners
    )
    return Standing.ANOTHERS if may_share else Standing.NOT_OURS


def is_another(suspect: Suspect, one: Instance) -> bool:
    """Whether it is of another flow or from before the claim: neither ours nor newer than ours."""
    return (
        is_of_another_flow(suspect.flow_id, one)
        or is_older(suspect, one)
        or has_stood_before(suspect, one)
    )


def fits_run(suspect: Suspect, one: Instance, known: Known) -> bool:
    """Whether nothing that the service shows tells the instance from the run's own."""
    stands = standing(suspect, one, known)
    return stands is Standing.OURS or (
        stands is Standing.POSSIBLE and not contradicts(suspect, one)
    )


def _judge_hiding(
    suspect: Suspect,
    listed: Sequence[Instance],
    known: Known,
    making: IdScheme,
    unlisted: Collection[RunId],
) -> Ambiguous | None:
    """Why the run's own instance may exist though it is not listed; None if it cannot.

    Of several instances with one id, a service may list only the newest.
    """
    if making.of_each:
        return None
    newer = [one for one in listed if _may_hide(suspect, one, known)]
    if newer:
        return Ambiguous(reason=f"instance {ids_of(newer)} is another's, {HIDES}")
    since = EpochMs(0) if suspect.claimed_at is None else suspect.claimed_at
    other = known.may_hide(
        suspect.flow_id,
        suspect.trigger_time,
        since,
        suspect.zone,
        making,
        unlisted,
        claim=suspect.claim,
    )
    if other is None:
        return None
    record, start = other
    reason = f"{record.run} may have been started since it was claimed, {HIDES}"
    return Ambiguous(reason=reason, awaits=record if start is None else None)


def _may_hide(suspect: Suspect, one: Instance, known: Known) -> bool:
    """Whether another's instance of the minute may be newer than the run's and have the same id."""
    if is_another(suspect, one):
        return False
    named = claim_named_in(suspect, one, known)
    owners = [
        (record, start)
        for record, start in known.owners(one.id)
        if named in {None, start.claim} and not is_disowned(record, one)
    ]
    since = suspect.claimed_at
    return not owners or any(
        (since is None or start.instant >= since or known.is_later(start.claim, suspect.claim))
        and not known.tells_apart(one.id, record, suspect.trigger_time)
        for record, start in owners
    )


def _carries_what_was_recorded(
    suspect: Suspect, one: Instance, record: Record, known: Known
) -> bool:
    """Whether it shows exactly what the other run was recorded with, and contradicts the suspect.

    No formatting turns one run's parameters into those of another.
    """
    if record.flow_id is None or one.parameters is None or not contradicts(suspect, one):
        return False
    delay = stagger_of(known.claims, record.claim, record.run)
    declared = EpochMs(record.trigger_time - delay)
    return run_digest(record.flow_id, declared, one.parameters) == record.digest


def may_be_its(suspect: Suspect, one: Instance, known: Known) -> bool:
    """Whether nothing rules the instance out as the suspect's, even if others may have its id."""
    return standing(suspect, one, known) is not Standing.NOT_OURS


def is_disowned(record: Record, one: Instance) -> bool:
    """Whether the instance shows another flow or minute than the run that is recorded with its id.

    All flows, or a whole day, may share one id.
    """
    other_flow = is_of_another_flow(record.flow_id, one)
    return other_flow or is_of_another_minute(record.trigger_time, one)


def evidence_of(
    suspect: Suspect,
    found: Sequence[Instance],
    at: EpochMs,
) -> dict[str, Any]:
    """What was asked and what was found, for the ledger."""
    start, end = search_window(suspect.trigger_time)
    created_from = suspect.claimed_at and format_instant(
        EpochMs(suspect.claimed_at - suspect.slack)
    )
    return {
        "searchedAt": format_instant(at),
        "flowId": suspect.flow_id,
        "fromTriggerTime": start,
        "toTriggerTime": end,
        "createdFrom": created_from,
        "found": rows_of(found),
    }


def rows_of(found: Iterable[Instance]) -> list[dict[str, Any]]:
    """The instances as evidence has them, for the ledger."""
    return [{"id": one.id, "created": one.created and format_instant(one.created)} for one in found]


def vanished_rows(evidence: Any, now: Collection[str]) -> list[dict[str, Any]]:
    """The rows that earlier searches for the run found, and whose ids are not listed now."""
    return [row for row in rows_seen(evidence) if row["id"] not in now]


def judge_vanished(
    suspect: Suspect, evidence: Any, listed: Sequence[Instance], known: Known
) -> NoneFound | Ambiguous:
    """NoneFound, unless something that may have been the run's was seen, and is listed no more.

    `evidence`: what the ledger holds of earlier searches under the same claim. A service may forget
    an instance, or hide it behind a newer one with its id; what was seen was there all the same.
    Raises LedgerError if a time in the ledger cannot be read.
    """
    oldest = None if suspect.claimed_at is None else suspect.claimed_at - suspect.slack
    gone = []
    for row in vanished_rows(evidence, {one.id for one in listed}):
        created = ledger_instant(row["created"]) if row.get("created") else None
        is_old = oldest is not None and created is not None and created < oldest
        if not is_old and not was_seen_before(suspect, row["id"], created):
            gone += [] if known.owners(row["id"]) else [row["id"]]
    if not gone:
        return NoneFound()
    return Ambiguous(reason=f"what may have been its instance is listed no more: {', '.join(gone)}")


def fits_start(owner: tuple[Record, Start], one: Instance, slack: int, known: Known) -> bool:
    """Whether the instance's creation fits the start that is recorded with its id."""
    _, start = owner
    claimed_at = known.claimed_at(start.claim)
    if one.created is None or one.created_latest is None or claimed_at is None:
        return False
    return one.created_latest >= claimed_at - slack and one.created <= start.instant + slack


def _explain_ambiguity(
    suspect: Suspect, possible: Sequence[Instance], others: Sequence[Instance]
) -> str:
    if not possible:
        return (
            f"instance {ids_of(others)} is recorded as another run's, and the service may give "
            "several runs the same id"
        )
    agreeing = [one for one in possible if agrees(suspect, one)]
    if len(agreeing) > 1:
        return f"several instances agree with it: {ids_of(agreeing)}"
    if agreeing and len(possible) > 1:
        return f"one instance agrees with it and others may be its own as well: {ids_of(possible)}"
    return f"what may be its instance cannot be recognised for certain: {ids_of(possible)}"


def ids_of(instances: Iterable[Instance]) -> str:
    """Their ids in words, each once."""
    return ", ".join(dict.fromkeys(one.id for one in instances))
