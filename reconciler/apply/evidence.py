"""What a search of the service says of a run that is in doubt.

Pure: given the instances found, either one is the run's, or there certainly is none, or nobody can
tell. The reasons are in docs/exactly-once.md.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.apply.ports import Instance
from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.times import format_instant

SECOND_MS = 1_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A run in doubt, with everything by which its instance can be recognised."""

    flow_id: int
    trigger_time: EpochMs
    parameters: Parameters | None  # None: its manifest is gone
    claimed_at: EpochMs
    authorship: tuple[str, str] | None = None  # the correlation parameter, and this claim's value


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Exactly one instance can be the run's."""

    instance: InstanceId


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneFound:
    """The search was whole, and nothing in it can be the run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Something was found of which nobody can tell whether it is the run's."""

    reason: str


Finding = Found | NoneFound | Ambiguous


def search_window(trigger_time: EpochMs) -> tuple[EpochMs, EpochMs]:
    """The trigger times to search: the whole minute, as the service may cut to it."""
    start = trigger_time - trigger_time % MINUTE_MS
    return EpochMs(start), EpochMs(start + MINUTE_MS)


def judge(suspect: Suspect, found: Sequence[Instance], taken: Container[InstanceId]) -> Finding:
    """Which of the instances found is the suspect's; `taken` are those of other runs."""
    candidates = [one for one in found if _possible(suspect, one)]
    if suspect.authorship is not None:
        candidates = [one for one in candidates if not _by_another(suspect.authorship, one)]
    matching = [one for one in candidates if _matches(suspect, one)]
    # An instance of another run is ruled out, unless it looks just like this one's: the service
    # may give two instances of one minute the same id.
    candidates = [one for one in candidates if one.id not in taken or not _differs(suspect, one)]
    if not candidates:
        return NoneFound()
    if len(candidates) == 1 and matching and matching[0].id not in taken:
        return Found(instance=matching[0].id)
    return Ambiguous(reason=_why(candidates, matching))


def evidence_of(suspect: Suspect, found: Sequence[Instance], at: EpochMs) -> dict[str, Any]:
    """What was asked and what was found, for the ledger."""
    start, end = search_window(suspect.trigger_time)
    return {
        "searchedAt": format_instant(at),
        "flowId": suspect.flow_id,
        "fromTriggerTime": start,
        "toTriggerTime": end,
        "createdFrom": format_instant(_created_from(suspect)),
        "found": [
            {"id": one.id, "created": one.created and format_instant(one.created)} for one in found
        ],
    }


def _created_from(suspect: Suspect) -> EpochMs:
    return EpochMs(suspect.claimed_at - suspect.claimed_at % SECOND_MS)


def _possible(suspect: Suspect, instance: Instance) -> bool:
    """Whether nothing readable about the instance rules it out."""
    if instance.flow_id is not None and instance.flow_id != suspect.flow_id:
        return False
    if instance.created_latest is not None and instance.created_latest < _created_from(suspect):
        return False
    if instance.trigger_time is None:
        return True
    minute, _ = search_window(suspect.trigger_time)
    second = suspect.trigger_time - suspect.trigger_time % SECOND_MS
    return instance.trigger_time in (minute, second, suspect.trigger_time)


def _matches(suspect: Suspect, instance: Instance) -> bool:
    """Whether everything about the instance is readable and as the run's must be."""
    if suspect.authorship is not None:
        return suspect.authorship in (instance.parameters or ())
    if instance.flow_id is None or instance.created is None or instance.trigger_time is None:
        return False
    if instance.created < _created_from(suspect):
        return False
    if suspect.parameters is None or instance.parameters is None:
        return False
    return sorted(instance.parameters) == sorted(suspect.parameters)


def _by_another(authorship: tuple[str, str], instance: Instance) -> bool:
    """Whether the instance names another run or claim as its author.

    One that names none is not ruled out: the claim may be older than the configuration's
    correlation parameter, and a service may keep only the parameters that a flow declares.
    """
    name, _ = authorship
    named = [pair for pair in instance.parameters or () if pair[0] == name]
    return bool(named) and authorship not in named


def _differs(suspect: Suspect, instance: Instance) -> bool:
    """Whether the instance certainly has other parameters; a variable may be listed filled in."""
    if suspect.parameters is None or instance.parameters is None:
        return False
    if any("${" in value for _, value in suspect.parameters):
        return False
    return sorted(instance.parameters) != sorted(suspect.parameters)


def _why(candidates: list[Instance], matching: list[Instance]) -> str:
    ids = ", ".join(one.id for one in candidates)
    if len(matching) > 1:
        return f"several instances match: {ids}"
    if matching:
        return f"one instance matches and others may be this run's as well: {ids}"
    return f"instances that may be this run's but cannot be recognised for certain: {ids}"
