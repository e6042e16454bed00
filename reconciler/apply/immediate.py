"""A run that the service triggered at once may be listed under that moment, not under its time.

Pure. A service triggers a run immediately whose trigger time has passed, and the reference does not
say which of the two times its lists go by. So before a run is called absent, the time of its claim
is searched, too. There stand other runs' and other people's instances as well.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.evidence import (
    BY_NONCE,
    HIDES,
    Ambiguous,
    Found,
    Judgement,
    NoneFound,
    fits_start,
    ids_of,
    is_another,
    rows_of,
)
from reconciler.apply.ids import IdScheme, Sighting, spans_around
from reconciler.apply.known import Known
from reconciler.apply.nonces import nonce_standing
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import Standing, Suspect, contradicts
from reconciler.ledger import Record, events
from reconciler.ledger.records import Start
from reconciler.model import EpochMs
from reconciler.times import MINUTE_MS, parse_instant

_MOST_ROWS = 20  # in evidence: of the flow's instances of several minutes, mostly other runs'


def immediate_window(suspect: Suspect, made: events.Claim) -> tuple[EpochMs, EpochMs] | None:
    """The times, from inclusive, to exclusive, at which its start may have been triggered at once.

    None if the run would have waited for its trigger time. `made`: its claim. A start that left
    too late has left later than the claim says.
    """
    claimed_at, until = parse_instant(made.at), parse_instant(made.until)
    until = until if suspect.until is None else max(until, suspect.until)
    if suspect.trigger_time >= until:
        return None
    return EpochMs(max(claimed_at - suspect.slack, 0)), EpochMs(until + suspect.slack)


class ClaimTimeSearch(Struct, frozen=True, kw_only=True):
    """What a search of `immediate_window` has found that the run's minute does not show."""

    window: tuple[EpochMs, EpochMs]
    listed: Sequence[Instance]

    def evidence(self) -> dict[str, Any]:
        """What was asked and what was found, for the ledger: beside the evidence of the minute."""
        start, end = self.window
        found = rows_of(self.listed[:_MOST_ROWS])
        return {"alsoSearched": {"fromTriggerTime": start, "toTriggerTime": end, "found": found}}


def judge_immediate(
    suspect: Suspect,
    listed: Sequence[Instance],
    known: Known,
    making: IdScheme,
    rivals: Sequence[Suspect] = (),
) -> Judgement:
    """What a whole search of `immediate_window` says of a run that its own minute does not show.

    Its instance may be listed there, though other runs' and other people's are as well. So one that
    shows other parameters is not the run's, nor are as many of an id as are recorded as other
    runs'; and only the nonce proves that one is.
    """
    since = [one for one in listed if not is_another(suspect, one)]
    ours, possible = _divide_candidates(suspect, since, known, making)
    if len({one.id for one in ours}) == 1:
        return Found(instance=ours[0].id, by=BY_NONCE)
    beside = () if making.of_each else rivals  # of their instances it may show only the newest
    hiding = [
        one
        for one in since
        if _may_hide_at_once(suspect, one, known, making)
        or any(not contradicts(rival, one) for rival in beside)
    ]
    if not (ours or possible or hiding):
        return NoneFound()
    if not (ours or possible):
        return Ambiguous(reason=f"instance {ids_of(hiding)} is another's, {HIDES}")
    return Ambiguous(
        reason="started since its claim, with another trigger time than its own, and perhaps its "
        f"own all the same: {ids_of(ours or possible)}"
    )


def immediate_candidates(
    suspect: Suspect, listed: Sequence[Instance], known: Known, making: IdScheme
) -> list[Instance]:
    """What of a search of `immediate_window` may be the run's own, as far as the service shows."""
    since = [one for one in listed if not is_another(suspect, one)]
    ours, possible = _divide_candidates(suspect, since, known, making)
    return ours or possible


def _divide_candidates(
    suspect: Suspect, since: Sequence[Instance], known: Known, making: IdScheme
) -> tuple[list[Instance], list[Instance]]:
    """Of the instances made since the claim: the proven ones, and those that may be its own."""
    of_id = Counter(one.id for one in since)
    bare = replace(suspect, correlation=None)  # a default may stand where the nonce was sent
    nonces = [(one, nonce_standing(suspect, one, known)) for one in since]
    ours = [one for one, stands in nonces if stands is Standing.OURS]
    possible = [
        one
        for one, stands in nonces
        if stands in {None, Standing.POSSIBLE}
        and not contradicts(bare, one)
        and of_id[one.id] > len(_owners_beside(suspect, one, known, making))
    ]
    return ours, possible


def _may_hide_at_once(suspect: Suspect, one: Instance, known: Known, making: IdScheme) -> bool:
    """Whether it may be a newer one with the id that the suspect's own has.

    It is recorded for a run that may have the same id, or nobody's, and its id spells that minute.
    """
    since = EpochMs(0) if suspect.claimed_at is None else suspect.claimed_at
    sighting = Sighting(instance=one.id, flow_id=one.flow_id, times=(suspect.trigger_time,))
    owners = known.owners(one.id)
    if not owners and not making.of_each and sighting.spelled_minutes(suspect.zone):
        return True
    return any(
        (start.instant >= since or known.is_later(start.claim, suspect.claim))
        and _may_share(suspect, record, making)
        for record, start in owners
        if (record.run, start.claim) != (suspect.run, suspect.claim)
    )


def _owners_beside(suspect: Suspect, one: Instance, known: Known, making: IdScheme) -> list[Start]:
    """The starts of other runs that are recorded with the instance's id, and that it fits.

    Without those whose id the run's own instance may have as well.
    """
    return [
        start
        for record, start in known.owners(one.id)
        if (record.run, start.claim) != (suspect.run, suspect.claim)
        and (one.created is None or fits_start((record, start), one, suspect.slack, known))
        and not _may_share(suspect, record, making)
    ]


def _may_share(suspect: Suspect, other: Record, making: IdScheme) -> bool:
    """Whether the service may give both runs one id, as far as its ids show."""
    if making.of_each or (other.flow_id != suspect.flow_id and not making.may_lack_flow):
        return False
    spans = spans_around(suspect.trigger_time, suspect.zone, (MINUTE_MS, *making.units))
    return any(start <= other.trigger_time < end for start, end in spans)
