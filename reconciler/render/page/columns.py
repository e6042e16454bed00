"""The runs as columns of numbers and texts, each text once: what the page's script reads.

Ten thousand runs have a few hundred different texts besides their names, so this takes a fifth of
the room of one object per run. Every text that a person will see is made inert first.

The offsets of the zones are there as numbers, so that the script shows times as the gateway does.
What a browser knows about zones depends on the machine; what the reconciler knows is pinned.
"""

from collections.abc import Sequence
from datetime import timedelta, timezone, tzinfo
from typing import Any

from reconciler.ledger import RunState
from reconciler.model import EpochMs, Parameters
from reconciler.plan import Reason
from reconciler.render.grid import Mark, mark
from reconciler.render.page.attention import Reported, attention_kind, edit, helpful_commands
from reconciler.render.safe import escape_line, escape_message
from reconciler.render.seen import evidence_facts
from reconciler.render.status_row import StatusRow, additional_error
from reconciler.render.words import (
    COMMIT_DIGITS,
    local_times,
    processed_date,
    status_words,
    zone_name,
)
from reconciler.times import DAY_MS, SECOND_MS, parse_instant, zoned_time

STATES = (
    (RunState.IN_DOUBT, "in doubt"),
    (RunState.REJECTED, "refused"),
    (RunState.FAILED, "failed"),
    (RunState.CLAIMED, "claimed"),
    (RunState.PENDING, "pending"),
    (RunState.TRIGGERED, "triggered"),
    (RunState.SUCCEEDED, "succeeded"),
)  # the most urgent first
_NEED_NOBODY = (
    (Mark.FOLLOWED, "tried again"),
    (Mark.UNWANTED, "cancelled or undeclared"),
)  # counted apart from failed, refused and pending runs, however they ended
GROUPS = (
    *((state.value, words) for state, words in STATES),
    *((one.key, words) for one, words in _NEED_NOBODY),
)
_STATE_NUMBERS = {state: number for number, (state, _) in enumerate(STATES)}
_MARK_NUMBERS = {one: number for number, one in enumerate(Mark)}  # the most urgent first
_SAID_BY_STATE = {Reason.FAILED, Reason.REJECTED, Reason.IN_DOUBT, Reason.CLAIMED, Reason.RUNNING}


_IN_A_COLUMN = {
    Mark.IN_DOUBT: "in doubt",
    Mark.TWICE: "twice",
    Mark.FAILED: "failed",
    Mark.REJECTED: "refused",
    Mark.BLOCKED: "blocked",
    Mark.MISSED: "missed",
    Mark.OVER_LIMIT: "over limit",
    Mark.PROBLEM: "problem",
    Mark.FOLLOWED: "tried again",
    Mark.CLAIMED: "claimed",
    Mark.TRIGGERED: "triggered",
    Mark.NOT_DUE: "not due",
    Mark.READY: "ready",
    Mark.WAITING: "waits",
    Mark.SUSPENDED: "suspended",
    Mark.SUCCEEDED: "succeeded",
    Mark.UNWANTED: "undeclared",  # or called off by its manifest
}  # short enough for the column to show them whole


def group(row: StatusRow) -> str:
    """The member of `GROUPS` that counts the run: its state, unless it needs nobody any more."""
    look = mark(row)
    return look.key if look in dict(_NEED_NOBODY) else row.state.value


def page_data(told: Sequence[Reported], made: EpochMs) -> dict[str, Any]:
    """Everything that the script shows. `made`: when the report was made."""
    texts = _Texts()
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for number, one in enumerate(told):
        encoded = _Rows(one, number, texts)
        for row in one.rows:
            for name, value in zip(_COLUMNS, encoded.values(row), strict=True):
                columns[name].append(value)
    return {
        "version": 1,
        "made": made,
        "states": [state.value for state, _ in STATES],
        "groups": [key for key, _ in GROUPS],
        "looks": [(one.key, one.letter, one.words, _IN_A_COLUMN[one]) for one in Mark],
        "environments": [_environment(one, made) for one in told],
        "columns": columns,
        "texts": texts.all,
    }


_COLUMNS = (
    *("environment", "run", "state", "look", "reason", "why", "flow", "time", "date"),
    *("parameters", "labels", "file", "line", "instance", "url", "claim"),
    *("triggered", "ended", "status", "more"),
)


class _Texts:
    """Each text once, with a number; 0 stands for no text."""

    def __init__(self) -> None:
        self.all = [""]
        self._numbers = {"": 0}

    def number(self, text: str | None) -> int:
        """The number of the text, which must be inert."""
        if not text:
            return 0
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.all)
            self.all.append(text)
        return found


class _Rows:
    """Encodes the rows of one environment."""

    def __init__(self, one: Reported, number: int, texts: _Texts) -> None:
        self._told = one
        self._number = number
        self._texts = texts
        self._times: dict[str, EpochMs | None] = {}
        self._dates: dict[EpochMs, int] = {}

    def values(self, row: StatusRow) -> tuple[Any, ...]:
        """The values of the row, in the order of `_COLUMNS`."""
        text = self._texts.number
        place, instance = row.place, escape_message(row.instance or "")
        return (
            self._number,
            escape_line(row.run),
            _STATE_NUMBERS[row.state],
            _MARK_NUMBERS[mark(row)],
            text(row.reason) if row.reason not in _SAID_BY_STATE else 0,
            text(escape_message(local_times(row.why, self._told.zone))),
            row.flow_id,
            row.trigger_time,
            self._date(row.trigger_time),
            self._pairs(row.parameters),
            self._pairs(tuple(row.labels.items())),
            text(escape_line(place.file)) if place else 0,
            place.line if place else 0,
            instance,
            self._url(row, instance),
            self._claim(row),
            self._time(row.triggered_at),
            self._time(row.ended_at),
            text(escape_message(status_words(row.status))) if row.status else 0,
            self._rare_values(row),
        )

    def _pairs(self, pairs: Parameters | None) -> Any:
        """The numbers of keys and values in turn; null where they are not known."""
        if pairs is None:
            return None
        return [self._texts.number(escape_line(one)) for pair in pairs for one in pair]

    def _date(self, time: EpochMs) -> int:
        if time not in self._dates:
            self._dates[time] = self._texts.number(processed_date(time, self._told.zone))
        return self._dates[time]

    def _time(self, text: str | None) -> EpochMs | None:
        if text is None:
            return None
        if text not in self._times:
            try:
                self._times[text] = parse_instant(text)
            except ValueError:
                self._times[text] = None
        return self._times[text]

    def _url(self, row: StatusRow, shown: str) -> int | str:
        """0 for none, 1 where the script can make it from template and id, else the whole URL."""
        template = self._told.instance_template
        if row.instance_url is None or template is None:
            return 0
        plain = template.replace("{flowId}", str(row.flow_id))
        is_made = plain.replace("{flowInstanceId}", shown) == row.instance_url
        return 1 if is_made else row.instance_url

    def _claim(self, row: StatusRow) -> Any:
        """The claim's id, author, commit and times, as numbers; null where there was no claim."""
        if row.claim is None:
            return None
        text = self._texts.number
        named = (row.claim, row.by or "", (row.commit or "")[:COMMIT_DIGITS])
        numbers = [text(escape_line(one)) for one in named]
        return [*numbers, self._time(row.claimed_at), row.until]

    def _rare_values(self, row: StatusRow) -> Any:
        """The values that only few runs have, by name; 0 where this run has none."""
        kind = attention_kind(row)
        error = row.error if row.reason in _SAID_BY_STATE else additional_error(row)
        found = {
            "declaredAs": row.declared_as and escape_line(row.declared_as),
            "cancelled": row.cancelled and escape_message(row.cancelled),
            "error": error and escape_message(error),
            "evidence": "\n".join(
                f"{label}: {words}"
                for label, words in evidence_facts(row.evidence, self._told.zone)
            ),
            "starts": [
                escape_message(f"{start.instance} under claim {start.claim or 'unknown'}")
                for start in row.starts[1:] and row.starts
            ],
            "kind": kind,
            "commands": list(helpful_commands(self._told, row, kind)) if kind else None,
            "edit": edit(row, kind) if kind else "",
        }
        return {name: value for name, value in found.items() if value} or 0


def _environment(one: Reported, made: EpochMs) -> dict[str, Any]:
    """What the runs of an environment have in common."""
    times = [made, *(row.trigger_time for row in one.rows)]
    files = {row.place.file for row in one.rows if row.place}
    return {
        "name": one.environment,
        "zone": zone_name(one.zone),
        "offsets": offsets(one.zone, min(times), max(times)),
        "commit": (one.commit or "")[:COMMIT_DIGITS],
        "instances": one.instance_template,
        "origins": {
            escape_line(path): [
                escape_line(origin.commit[:COMMIT_DIGITS]),
                escape_line(origin.subject),
                escape_line(origin.pull_request or ""),
            ]
            for path, origin in one.origins.items()
            if path in files
        },
    }


_MOST_DAYS = 40_000  # a hundred years: later times get the last offset


def offsets(zone: tzinfo, first: EpochMs, last: EpochMs) -> list[list[int]]:
    """Pairs: when an offset begins (Unix epoch, milliseconds), and its seconds ahead of UTC.

    The first pair also holds for earlier times. No zone changes its offset twice in a day.
    """
    if isinstance(zone, timezone):
        return [[first, zone.utcoffset(None) // timedelta(seconds=1)]]
    now = _offset(zone, first)
    found = [[first, now]]
    end = min(last + DAY_MS, first + _MOST_DAYS * DAY_MS)
    for day in range(first, end, DAY_MS):
        following = _offset(zone, EpochMs(day + DAY_MS))
        if following != now:
            found.append([_find_offset_change(zone, day, day + DAY_MS, now), following])
            now = following
    return found


def _find_offset_change(zone: tzinfo, before: int, after: int, offset: int) -> int:
    """The first second in which the zone has another offset."""
    while after - before > SECOND_MS:
        middle = (before + after) // 2
        if _offset(zone, EpochMs(middle)) == offset:
            before = middle
        else:
            after = middle
    return after // SECOND_MS * SECOND_MS


def _offset(zone: tzinfo, instant: EpochMs) -> int:
    """Seconds ahead of UTC; 0 for an instant outside the calendar."""
    try:
        offset = zoned_time(instant, zone).utcoffset() or timedelta()
    except (OverflowError, ValueError):
        return 0
    return offset // timedelta(seconds=1)
