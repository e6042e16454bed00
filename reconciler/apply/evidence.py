"""Whose is a listed instance? What a search of the service says of a run, and what it does not.

Pure. A service may stamp, round, cut, merge, retype, hide or share everything that it lists, so an
instance that *differs* from what was sent may still be the run's. Each listed instance is one of:

- **ours**: it carries this claim's nonce, however the service shows it;
- **not ours**: a contradiction that no formatting explains. That is another flow; a trigger time
  that no rounding to the minute makes of the run's; the whole nonce of another claim that the
  ledger knows; a creation before the claim by more than any two clocks differ
  (`gateway.stampSlackSeconds`); that it stood there before the claim; or that it is recorded as
  another run's, whose start it fits, where the two are known not to share an id;
- **possible**: everything else.

Without a nonce an instance is also ours if it alone is possible, agrees in everything, was created
after the claim, and is nobody else's. A run is absent only where the search was whole and nothing
is possible. docs/exactly-once.md has the table with its reasons.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from reconciler.apply.known import MINUTE_MS, Known
from reconciler.apply.ports import Instance
from reconciler.ledger import Record, events
from reconciler.ledger.records import Start
from reconciler.model import (
    ClaimId,
    Digest,
    EpochMs,
    InstanceId,
    Parameters,
    RunId,
    run_digest,
)
from reconciler.times import format_instant

SECOND_MS = 1_000

BY_NONCE = "it carries the claim's nonce"
BY_AGREEMENT = "it alone is possible, and agrees in everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One start that a claim made possible, with everything by which its instance is recognised."""

    run: RunId
    claim: ClaimId | None  # None: recorded without one, so no nonce tells
    flow_id: int
    trigger_time: EpochMs  # as sent
    parameters: Parameters | None  # as the manifest says; None: its manifest is gone
    digest: Digest | None = None  # of what was declared, by which it is told where it is gone
    delay: int = 0  # milliseconds by which the trigger time was moved from the declared one
    claimed_at: EpochMs | None  # no later than the claim; None: an instance's age says nothing
    slack: int = 0  # milliseconds that the stamps of instances may differ from the clock of claims
    correlation: str | None = None  # the parameter that carried the nonce
    before: frozenset[events.Seen] = frozenset()  # what certainly stood there before the claim


class Standing(Enum):
    """What one listed instance can be to a suspect."""

    OURS = auto()
    POSSIBLE = auto()
    ANOTHERS = auto()  # recorded as another run's, but the service may give both one id
    NOT_OURS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Exactly one instance is the run's."""

    instance: InstanceId
    by: str  # how it was recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneFound:
    """The search was whole, and nothing in it can be the run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Something was found of which nobody can tell whether it is the run's."""

    reason: str


Finding = Found | NoneFound | Ambiguous


def search_window(trigger_time: EpochMs) -> tuple[EpochMs, EpochMs]:
    """The trigger times to search, from inclusive, to exclusive: all that rounding can make of one.

    A time may be cut to its second or minute, or rounded to the next one, over the minute's border.
    """
    start = trigger_time - trigger_time % MINUTE_MS
    rounds_up = trigger_time - start >= MINUTE_MS // 2
    return EpochMs(start), EpochMs(start + MINUTE_MS + (SECOND_MS if rounds_up else 0))


def judge(suspect: Suspect, listed: Sequence[Instance], known: Known) -> Finding:
    """What a whole search says of a run in doubt."""
    standings = [(one, standing(suspect, one, known)) for one in listed]
    ours = [one for one, stands in standings if stands is Standing.OURS]
    if ours:
        if len({one.id for one in ours}) > 1:
            return Ambiguous(reason=f"several instances carry this claim's nonce: {_ids(ours)}")
        return Found(instance=ours[0].id, by=BY_NONCE)
    possible = [one for one, stands in standings if stands is Standing.POSSIBLE]
    others = [one for one, stands in standings if stands is Standing.ANOTHERS]
    if len(possible) == 1 and agrees(suspect, possible[0]) and not known.owners(possible[0].id):
        return Found(instance=possible[0].id, by=BY_AGREEMENT)
    if not possible and not others:
        return NoneFound()
    return Ambiguous(reason=_why(suspect, possible, others))


def standing(suspect: Suspect, one: Instance, known: Known) -> Standing:
    """What the instance can be to the suspect."""
    if one.flow_id is not None and one.flow_id != suspect.flow_id:
        return Standing.NOT_OURS
    by_nonce = nonce_standing(suspect, one, known)
    if by_nonce is not None:
        return by_nonce
    if is_of_another_minute(suspect, one):
        return Standing.NOT_OURS
    if is_older(suspect, one) or stood_before(suspect, one):
        return Standing.NOT_OURS
    owners = [
        (record, start)
        for record, start in known.owners(one.id)
        if (record.run, start.claim) != (suspect.run, suspect.claim)
        and not _is_disowned(record, one)
    ]
    if not any(_fits(owner, one, suspect.slack, known) for owner in owners):
        return Standing.POSSIBLE
    may_share = any(
        not _is_plainly_anothers(suspect, one, record)
        and not known.tells_apart(one.id, record, suspect.trigger_time)
        for record, _ in owners
    )
    return Standing.ANOTHERS if may_share else Standing.NOT_OURS


def _is_plainly_anothers(suspect: Suspect, one: Instance, record: Record) -> bool:
    """Whether it shows the minute of the other run, which only rounding could make of this one's.

    As of neighbours: 08:07:59.7 and 08:08:00.
    """
    minutes = record.trigger_time // MINUTE_MS, suspect.trigger_time // MINUTE_MS
    if one.trigger_time is None or minutes[0] == minutes[1]:
        return False
    return one.trigger_time // MINUTE_MS == record.trigger_time // MINUTE_MS


def may_be_its(suspect: Suspect, one: Instance, known: Known) -> bool:
    """Whether nothing rules it out as the suspect's, whoever else may have its id."""
    return standing(suspect, one, known) is not Standing.NOT_OURS


def is_of_another_minute(suspect: Suspect, one: Instance) -> bool:
    """Whether its trigger time is one that no rounding makes of the suspect's."""
    return _lies_outside(suspect.trigger_time, one)


def _is_disowned(record: Record, one: Instance) -> bool:
    """Whether it is not the record's, though it has its id: flows, or a whole day, may share it."""
    other_flow = None not in {record.flow_id, one.flow_id} and record.flow_id != one.flow_id
    return other_flow or _lies_outside(record.trigger_time, one)


def _lies_outside(trigger_time: EpochMs, one: Instance) -> bool:
    start, end = search_window(trigger_time)
    return one.trigger_time is not None and not start <= one.trigger_time < end


def is_older(suspect: Suspect, one: Instance) -> bool:
    """Whether it was created before the claim by more than two clocks are expected to differ."""
    if suspect.claimed_at is None or one.created_latest is None:
        return False
    return one.created_latest < suspect.claimed_at - suspect.slack


def stood_before(suspect: Suspect, one: Instance) -> bool:
    """Whether it is the very instance that was seen before the claim.

    Where ids are shared, a newer instance may have taken its place in the list. Then the stamp is
    another, unless it is too coarse: one that seems to be cut to the minute tells nothing.
    """
    if one.created is None or one.created % MINUTE_MS == 0:
        return False
    return events.Seen(id=one.id, created=one.created) in suspect.before


def agrees(suspect: Suspect, one: Instance) -> bool:
    """Whether everything about the instance is readable, and just as the suspect's must be."""
    if one.flow_id is None or one.created_latest is None or suspect.claimed_at is None:
        return False
    claimed_at = suspect.claimed_at - suspect.claimed_at % SECOND_MS  # as stamps are cut
    if one.created_latest < claimed_at or suspect.correlation is not None:
        return False  # one that carries a nonce was found by it
    if one.trigger_time is None or one.parameters is None:
        return False
    if one.trigger_time not in _shown_as(suspect.trigger_time):
        return False
    if suspect.parameters is not None:
        return sorted(one.parameters) == sorted(suspect.parameters)
    return _has_digest(suspect, one)


def _has_digest(suspect: Suspect, one: Instance) -> bool:
    """Whether it carries just what the claim's digest is of, where no manifest says so any more."""
    declared = EpochMs(suspect.trigger_time - suspect.delay)
    return run_digest(suspect.flow_id, declared, one.parameters or ()) == suspect.digest


def contradicts(suspect: Suspect, one: Instance) -> bool:
    """Whether its parameters differ from those that were sent by more than formatting explains.

    Only for choosing between instances of which one is certainly the run's: that something differs
    proves nothing about a service that nobody knows.
    """
    if one.parameters is None:
        return False
    if suspect.parameters is None:
        return suspect.digest is not None and not _has_digest(suspect, one)
    sent = list(suspect.parameters)
    if suspect.correlation is not None and suspect.claim is not None:
        sent.append((suspect.correlation, author(suspect.run, suspect.claim)))
    listed = {key.casefold(): value for key, value in one.parameters}
    return any(
        key.casefold() in listed and not _formatted(value, listed[key.casefold()])
        for key, value in sent
    )


def evidence_of(suspect: Suspect, found: Sequence[Instance], at: EpochMs) -> dict[str, Any]:
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
        "found": [
            {"id": one.id, "created": one.created and format_instant(one.created)} for one in found
        ],
    }


def author(run: RunId, claim: ClaimId) -> str:
    """What the correlation parameter carries: the nonce first, for a service may cut values."""
    return f"{claim} {run}"


def nonce_standing(suspect: Suspect, one: Instance, known: Known) -> Standing | None:
    """What a nonce in it says; None if it carries none that is known.

    A whole nonce is proof, for nobody guesses 128 random bits. It counts only where the reconciler
    puts it, or what a manifest says could pass for one.
    """
    near = known.claims_near(suspect.flow_id, suspect.trigger_time)
    names = {claim.correlation for claim, _ in near} | {suspect.correlation}
    texts = _texts(one, {name.casefold() for name in names if name})
    if suspect.claim is not None:
        for text in texts:
            rest = _beside(suspect.claim, text)
            if rest is not None:
                siblings = [run for claim, run in near if claim.claim == suspect.claim]
                return _which_run(suspect.run, siblings, rest)
    sent = " ".join(value.casefold() for _, value in suspect.parameters or ())
    for claim, _ in near:
        is_other = claim.claim != suspect.claim and claim.claim.casefold() not in sent
        if is_other and any(_beside(claim.claim, text) is not None for text in texts):
            return Standing.NOT_OURS
    return None


def _texts(one: Instance, names: set[str]) -> list[str]:
    """The texts in which a nonce counts: values of those parameters, or all if none is readable."""
    if one.parameters is None:
        return [one.carried.casefold().replace("\\/", "/")] if one.carried else []
    return [value.casefold() for key, value in one.parameters if key.casefold() in names]


def _beside(claim: ClaimId, text: str) -> str | None:
    """What stands beside the whole nonce, up to a quotation mark; None if it is not there."""
    nonce = rf"(?<![0-9a-z]){re.escape(claim.casefold())}(?![0-9a-z])"
    match = re.search(rf"([^\"]*){nonce}([^\"]*)", text)
    return f"{match[1]}{match[2]}".strip(" \\") if match else None


def _which_run(run: RunId, siblings: Sequence[RunId], rest: str) -> Standing:
    """Whether the nonce is this run's: a claim holds many, and the rest of the value may be cut."""
    others = [one.casefold() for one in siblings if one != run]
    if not run.casefold().startswith(rest):
        return Standing.NOT_OURS if rest in others else Standing.POSSIBLE
    # What reads `wind-1` may be all that is left of `wind-10`.
    return Standing.POSSIBLE if any(one.startswith(rest) for one in others) else Standing.OURS


def _fits(owner: tuple[Record, Start], one: Instance, slack: int, known: Known) -> bool:
    """Whether the instance's creation fits the start that it is recorded for."""
    _, start = owner
    claimed_at = known.claimed_at(start.claim)
    if one.created is None or one.created_latest is None or claimed_at is None:
        return False
    return one.created_latest >= claimed_at - slack and one.created <= start.instant + slack


def _shown_as(trigger_time: EpochMs) -> set[int]:
    """What a service may show of a trigger time: itself, cut or rounded to the second or minute."""
    return {
        trigger_time,
        *(trigger_time - trigger_time % unit for unit in (SECOND_MS, MINUTE_MS)),
        *((trigger_time + unit // 2) // unit * unit for unit in (SECOND_MS, MINUTE_MS)),
    }


def _formatted(sent: str, listed: str) -> bool:
    """Whether a service may show the value that was sent as the one that it lists."""
    if "${" in sent or sent.casefold().startswith(listed.casefold()):
        return True
    try:
        return float(sent) == float(listed)
    except ValueError:
        return sent.strip().casefold() == listed.strip().casefold()


def _why(suspect: Suspect, possible: Sequence[Instance], others: Sequence[Instance]) -> str:
    if not possible:
        return (
            f"instance {_ids(others)} is recorded as another run's, and the service may give "
            "several runs the same id"
        )
    agreeing = [one for one in possible if agrees(suspect, one)]
    if len(agreeing) > 1:
        return f"several instances agree with it: {_ids(agreeing)}"
    if agreeing and len(possible) > 1:
        return f"one instance agrees with it and others may be its own as well: {_ids(possible)}"
    return f"what may be its instance cannot be recognised for certain: {_ids(possible)}"


def _ids(instances: Iterable[Instance]) -> str:
    return ", ".join(dict.fromkeys(one.id for one in instances))
