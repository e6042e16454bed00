"""What a search found about a run, or a person said about it, in words."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from reconciler.ledger.late_starts import LATE_UNTIL
from reconciler.model import EpochMs
from reconciler.render.safe import escape_message
from reconciler.render.words import clock_time, ledger_time, zone_name

Fact = tuple[str, str]  # a label, and what is known
_MOST = 10  # instances that a search lists


def evidence_facts(evidence: Any, zone: tzinfo) -> Iterator[Fact]:
    """The evidence that the ledger holds beside a run's outcome, as facts with labels.

    Fields with unknown names follow as JSON, because a newer reconciler may have written them.
    """
    if evidence is None:
        return
    if not isinstance(evidence, dict):
        text = evidence if isinstance(evidence, str) else _json(evidence)
        yield "seen", escape_message(text)
        return
    by_person = "adoptedBy" in evidence or "resolvedBy" in evidence
    rest = dict(evidence)
    for key, (label, words) in (_OF_PEOPLE if by_person else _OF_SEARCHES).items():
        if key not in rest:
            continue
        value = rest.pop(key)
        told = "" if value in (None, "") else words(value, zone)
        if told:
            yield label, escape_message(told)
    if "fromTriggerTime" in rest:
        yield "searched for", escape_message(_window(rest, zone))
        rest = {key: value for key, value in rest.items() if key not in _WINDOW}
    if rest:
        yield "seen", escape_message(_json(rest))


_WINDOW = {"flowId", "fromTriggerTime", "toTriggerTime", "createdFrom"}


def _window(seen: Mapping[str, Any], zone: tzinfo) -> str:
    first, end = (_format_time(seen.get(key), zone) for key in ("fromTriggerTime", "toTriggerTime"))
    created = seen.get("createdFrom")
    since = f", created since {ledger_time(str(created), zone)}" if created else ""
    return f"flow {seen.get('flowId')}, trigger times from {first} to {end}{since}"


def _format_time(value: Any, zone: tzinfo) -> str:
    is_time = isinstance(value, int) and not isinstance(value, bool)
    return clock_time(EpochMs(value), zone) if is_time else str(value)


def _text(value: Any, _: tzinfo) -> str:
    return value if isinstance(value, str) else _json(value)


def _time(value: Any, zone: tzinfo) -> str:
    return f"{ledger_time(value, zone)} ({zone_name(zone)})" if isinstance(value, str) else ""


def _found_words(value: Any, zone: tzinfo) -> str:
    if not isinstance(value, list):
        return _json(value)
    if not value:
        return "nothing"
    more = f", and {len(value) - _MOST} more" if len(value) > _MOST else ""
    return ", ".join(_instance(one, zone) for one in value[:_MOST]) + more


def _other_search_words(value: Any, zone: tzinfo) -> str:
    """The search for what was triggered at once, under whatever trigger time it is listed."""
    if not isinstance(value, dict):
        return _json(value)
    first, end = (
        _format_time(value.get(key), zone) for key in ("fromTriggerTime", "toTriggerTime")
    )
    return f"trigger times from {first} to {end}: {_found_words(value.get('found'), zone)}"


def _instance(value: Any, zone: tzinfo) -> str:
    if not isinstance(value, dict) or "id" not in value:
        return _json(value)
    known = [f"flow {value['flowId']}"] if value.get("flowId") else []
    known += (
        [f"trigger time {_format_time(value['triggerTime'], zone)}"]
        if value.get("triggerTime")
        else []
    )
    created = value.get("created")
    known += [f"created {ledger_time(str(created), zone)}"] if created else []
    return f"{value['id']} ({', '.join(known)})" if known else str(value["id"])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_Words = Callable[[Any, tzinfo], str]
_OF_PEOPLE: Mapping[str, tuple[str, _Words]] = {
    "adoptedBy": ("adopted by", _text),
    "resolvedBy": ("settled by", _text),
    "reason": ("because", _text),
    "seen": ("instance was", _instance),
}
_OF_SEARCHES: Mapping[str, tuple[str, _Words]] = {
    "reason": ("seen", _text),
    "answer": ("answer was", _text),
    "notStarted": ("not started", _text),
    "recognisedBy": ("recognised by", _text),
    "searchedAt": ("searched at", _time),
    LATE_UNTIL: ("had left by", _time),
    "found": ("search found", _found_words),
    "foundBefore": ("found before", _found_words),
    "alsoSearched": ("also searched", _other_search_words),
}
