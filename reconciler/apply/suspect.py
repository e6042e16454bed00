"""A start that a claim made possible, and what a listed instance has in common with it.

Pure. An instance that differs may still be the run's: `evidence` says what each of these answers
proves. What the claim's nonce proves is in `nonces`.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from enum import Enum, auto

from msgspec import Struct

from reconciler.apply.ports import Instance
from reconciler.ledger import events
from reconciler.model import (
    Digest,
    EpochMs,
    InstanceId,
    Nonce,
    Parameters,
    RunId,
    run_digest,
)
from reconciler.times import DAY_MS, MINUTE_MS, SECOND_MS

_GRAINS_MS = (SECOND_MS, 30 * SECOND_MS)  # to which stamps may be cut


class Suspect(Struct, frozen=True, kw_only=True):
    """One start that a claim made possible, with everything by which its instance is recognised."""

    run: RunId
    claim: Nonce | None  # None: recorded without one, so no nonce tells
    flow_id: int
    trigger_time: EpochMs  # as sent
    parameters: Parameters | None  # as the manifest says; None: its manifest is gone
    digest: Digest | None = None  # of what was declared; used once the manifest is gone
    delay: int = 0  # milliseconds by which the trigger time was moved from the declared one
    claimed_at: EpochMs | None  # no later than the claim; None: an instance's age says nothing
    until: EpochMs | None = None  # when the claim ended: nothing is started under it later
    slack: int = 0  # milliseconds by which instances' stamps may differ from the clock of claims
    correlation: str | None = None  # the parameter that carried the nonce
    zone: tzinfo = UTC  # the service's
    before: frozenset[events.Seen] = frozenset()  # what stood there before the claim
    gap: int = 0  # milliseconds between that look and the claim; the true gap may be longer


class Standing(Enum):
    """What one listed instance can be to a suspect."""

    OURS = auto()
    POSSIBLE = auto()
    ANOTHERS = auto()  # recorded as another run's, but the service may give both one id
    NOT_OURS = auto()


def correlation_value(run: RunId, claim: Nonce) -> str:
    """What the correlation parameter carries: the nonce first, because services may cut values."""
    return f"{claim} {run}"


def search_window(trigger_time: EpochMs) -> tuple[EpochMs, EpochMs]:
    """The trigger times to search, from inclusive, to exclusive: all that rounding can make of one.

    A time may be cut to its second or minute, or rounded up, across the border of the minute.
    """
    start = trigger_time - trigger_time % MINUTE_MS
    rounds_up = trigger_time - start >= MINUTE_MS // 2
    return EpochMs(start), EpochMs(start + MINUTE_MS + (SECOND_MS if rounds_up else 0))


def id_window(trigger_time: EpochMs) -> tuple[EpochMs, EpochMs]:
    """The trigger times, from inclusive, to exclusive, that may share an id with that one.

    A service may give one id to everything that a flow starts on a day, in whatever zone.
    """
    start, end = search_window(trigger_time)
    return EpochMs(max(start - DAY_MS, 0)), EpochMs(end + DAY_MS)


def is_of_another_flow(flow_id: int | None, one: Instance) -> bool:
    """Whether the instance names another flow; False if either flow is unknown."""
    return None not in {flow_id, one.flow_id} and one.flow_id != flow_id


def is_of_another_minute(trigger_time: EpochMs, one: Instance) -> bool:
    """Whether the instance shows a trigger time that no cutting or rounding makes of this one.

    A shown time may be cut or rounded to the minute; if it ends in zeros, to the hour or the day.
    Do not ask this of an instance that a search for this very minute lists: the service has chosen
    it by its time, so a shown time that differs does not make it another minute's.
    """
    from_time, to_time = search_window(trigger_time)
    return one.trigger_time is not None and not any(
        from_time <= start < to_time or start <= trigger_time < end
        for start, end in trigger_spans(one)
    )


def shows_another_time(trigger_time: EpochMs, one: Instance) -> bool:
    """Whether it shows a time that no cutting or rounding makes of this one, even to the second.

    A service may list when it really triggered an instance. By chance that may be in the minute of
    another run, which has the same id. Then the minute proves nothing.
    """
    if is_of_another_minute(trigger_time, one):
        return True
    if one.trigger_time is None or one.trigger_unit > MINUTE_MS:
        return False
    shown: set[int] = {trigger_time}
    for unit in (*_GRAINS_MS, MINUTE_MS):
        shown |= {trigger_time - trigger_time % unit, (trigger_time + unit // 2) // unit * unit}
    return shown.isdisjoint(one.may_be_triggered_at)


def trigger_spans(one: Instance) -> tuple[tuple[EpochMs, EpochMs], ...]:
    """What its trigger time may stand for, from inclusive, to exclusive; empty if unreadable.

    One span for each zone that the time may be in. A whole hour or day may have been cut or rounded
    to that; `search_window` allows for cutting to less.
    """
    times, unit = one.may_be_triggered_at, one.trigger_unit
    if unit <= MINUTE_MS:
        return tuple((time, time) for time in times)
    return tuple((EpochMs(time - unit // 2), EpochMs(time + unit)) for time in times)


def is_older(suspect: Suspect, one: Instance) -> bool:
    """Whether it was created before the claim, by more than the two clocks may differ."""
    if suspect.claimed_at is None or one.created_latest is None:
        return False
    return one.created_latest < suspect.claimed_at - suspect.slack


def has_stood_before(suspect: Suspect, one: Instance) -> bool:
    """Whether the instance is certainly one that was seen before the claim."""
    return was_seen_before(suspect, one.id, one.created)


def was_seen_before(suspect: Suspect, id_: InstanceId, created: EpochMs | None) -> bool:
    """Whether an instance with this id and stamp is certainly one that was seen before the claim.

    If ids are shared, a newer instance may have taken the old one's place in the list, or stand
    beside it. Its stamp differs, unless both stamps were cut to the same value. A stamp may be cut
    to any unit that it is a multiple of: 08:00:30 may be the stamp of everything that was created
    in this half minute. So a stamp tells only if at least its unit lies between the look and the
    claim, however far the two clocks are apart.
    """
    if created is None or created % MINUTE_MS == 0:  # it may be cut to the hour or the day
        return False
    grain = max((unit for unit in _GRAINS_MS if created % unit == 0), default=1)
    return grain <= suspect.gap and events.Seen(id=id_, created=created) in suspect.before


def may_have_stood_before(suspect: Suspect, one: Instance) -> bool:
    """Whether one with its id and stamp was seen before the claim, however coarse the stamp."""
    return events.Seen(id=one.id, created=one.created) in suspect.before


def agrees(suspect: Suspect, one: Instance) -> bool:
    """Whether everything about the instance is readable, and exactly as the suspect's must be.

    This counts as proof. So the instance must have been created while the claim held, however its
    stamp is cut, and nothing like it may have stood there before. A stamp without an offset is read
    in the service's zone, one with a `Z` in UTC; docs/exactly-once.md names that as an assumption.
    """
    if one.flow_id != suspect.flow_id or suspect.correlation is not None:
        return False  # an instance that carries the nonce is recognised by that
    if not _is_created_under_claim(suspect, one) or may_have_stood_before(suspect, one):
        return False
    if one.trigger_time not in _shown_times(suspect.trigger_time):
        return False
    if one.parameters is None or not (one.parameters or one.carried.strip()):
        return False  # a blank does not say that there are none: the service may not show any
    if suspect.parameters is not None:
        return sorted(one.parameters) == sorted(suspect.parameters)
    return _has_digest(suspect, one)


def _is_created_under_claim(suspect: Suspect, one: Instance) -> bool:
    """Whether the earliest time that its stamp can mean lies between the claim and its end.

    If an instance was created right after the claim, a stamp in seconds shows the claim's own
    second. A stamp that is cut to more usually shows a time before the claim, and proves nothing.
    """
    if suspect.claimed_at is None or one.created is None or one.created_latest is None:
        return False
    earliest = min(one.created, one.created_latest)
    began = suspect.claimed_at - suspect.claimed_at % SECOND_MS
    return earliest >= began and (suspect.until is None or earliest <= suspect.until)


def contradicts(suspect: Suspect, one: Instance) -> bool:
    """Whether its parameters differ from those that were sent by more than formatting explains.

    This is for choosing between instances of which one is certainly the run's: on a service that
    nobody knows, a difference proves nothing. If no manifest says any more what was sent, only the
    correlation parameter can contradict: a digest does not tell another value from another way to
    write the same value.
    """
    if one.parameters is None or not (one.parameters or one.carried.strip()):
        return False
    sent = list(suspect.parameters or ())
    if suspect.correlation is not None and suspect.claim is not None:
        sent.append((suspect.correlation, correlation_value(suspect.run, suspect.claim)))
    listed = {key.casefold(): value for key, value in one.parameters}
    return any(
        key.casefold() in listed and not _may_show_as(value, listed[key.casefold()])
        for key, value in sent
    )


def fitting_instances(suspect: Suspect, listed: Sequence[Instance]) -> list[Instance]:
    """Those that do not contradict the suspect; if only its digest is left, those that match it.

    If none matches the digest, all of them: the service may write parameters in its own way.
    """
    if suspect.parameters is None and suspect.digest is not None:
        return [one for one in listed if _has_digest(suspect, one)] or list(listed)
    return [one for one in listed if not contradicts(suspect, one)]


def may_carry_another(suspect: Suspect, one: Instance) -> bool:
    """Whether only a digest says what was sent, and what the instance shows does not match it.

    The service may write the parameters in its own way, or the instance may be another's.
    """
    gone = suspect.parameters is None and suspect.digest is not None
    return gone and not _has_digest(suspect, one)


def _has_digest(suspect: Suspect, one: Instance) -> bool:
    """Whether its parameters give the claim's digest: for a run whose manifest is gone."""
    declared = EpochMs(suspect.trigger_time - suspect.delay)
    return run_digest(suspect.flow_id, declared, one.parameters or ()) == suspect.digest


def _shown_times(trigger_time: EpochMs) -> set[int]:
    """What a service may show of a trigger time: all of it, the second, or only the minute.

    The second may be cut or rounded. What is rounded into the next minute is left out, because it
    may as well be an instance of that minute.
    """
    second = trigger_time - trigger_time % SECOND_MS
    minute = trigger_time - trigger_time % MINUTE_MS
    shown = {trigger_time, second, (trigger_time + SECOND_MS // 2) // SECOND_MS * SECOND_MS, minute}
    return {one for one in shown if one < minute + MINUTE_MS}


def _may_show_as(sent: str, listed: str) -> bool:
    """Whether a service may show the value that was sent as the one that it lists."""
    if "${" in sent or sent.casefold().startswith(listed.casefold()):
        return True
    try:
        return float(sent) == float(listed)
    except ValueError:
        return sent.strip().casefold() == listed.strip().casefold()
