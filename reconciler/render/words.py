"""Words that several renderers share: counts, actions, commands to type, and times."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta, timezone, tzinfo

from reconciler.counting import format_count
from reconciler.enos.statuses import FAILED, FAILED_BY_ITSELF, NOT_FOUND, status_meaning
from reconciler.model import EpochMs, RunId, backfill_of
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.values import find_awaited
from reconciler.render.safe import escape_line
from reconciler.times import HOUR_MINUTES, business_date, is_repeated, parse_instant, zoned_time

COMMIT_DIGITS = 12  # how many digits of a commit's id people see
LONGEST_TIME = len("2024-11-03 01:30:00.007-04:00")
UNFOLD = "--verbose shows every run."

_ACTION_WORDS: Mapping[Action, str] = {
    Action.START: "to trigger",
    Action.RESOLVE: "in doubt",
    Action.CANCEL: "to cancel",
    Action.HOLD: "claimed by another apply",
    Action.WAIT: "waiting",
    Action.DONE: "done",
    Action.CHANGED: "changed",
    Action.DUPLICATE: "duplicate",
    Action.ORPHANED: "no longer declared",
}


def join_words(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def action_counts(plan: Plan) -> list[str]:
    """`3 to trigger`, `24 done`: one count for each action that some run has, or `no runs`.

    Runs that ended badly are counted as `2 failed`, not as done. Runs that retired ledgers record
    come last.
    """
    numbers = {Action(name): number for name, number in plan.summary.items()}
    failed = sum(map(has_failed, plan.runs))
    if failed:
        numbers[Action.DONE] -= failed
    counts = [f"{number:,} {_ACTION_WORDS[action]}" for action, number in numbers.items() if number]
    if failed:
        counts.append(f"{failed:,} failed")
    if plan.retired:
        counts.append(f"{plan.retired:,} no longer declared in retired ledgers")
    return counts or ["no runs"]


def observation_sentence(plan: Plan) -> str:
    """A sentence that an apply would ask how started runs ended; empty where no run waits."""
    found = find_awaited(plan)
    if not found.started:
        return ""
    number = len(found.waiting)
    return (
        f"An apply would ask how {format_count(len(found.started), 'started run')} ended: "
        f"{format_count(number, 'run')} wait{'s' if number == 1 else ''} for "
        f"{'it' if len(found.started) == 1 else 'them'}."
    )


def needs_attention(run: PlannedRun) -> bool:
    """Whether a person wants to see the run: any run that is not done, or is done but not well.

    A run that was started twice counts as done; its record holds the error.
    """
    return run.action is not Action.DONE or has_failed(run) or bool(run.record and run.record.error)


def has_failed(run: PlannedRun) -> bool:
    """Whether the run is done and ended badly, and its manifest does not call it off."""
    is_unwanted = run.run is not None and run.run.cancel
    ended_badly = run.record is not None and run.record.has_failed
    return run.action is Action.DONE and ended_badly and not is_unwanted


def status_words(status: str) -> str:
    """`SUCCESS`, or with its meaning: `TIMEOUT: it ran longer than the flow allows`."""
    meaning = status_meaning(status)
    return f"{status}: {meaning}" if meaning else status


def command(*words: str) -> str:
    """A `reconciler` command line to be typed, quoted for a POSIX shell, and safe to show."""
    return escape_line(shlex.join(("reconciler", *words)))


def start_again_advice(run: RunId, status: str | None, *, is_suspended: bool = False) -> str:
    """How to start a run again that ended with `status`; in a backfill, only the failed runs.

    A run whose instance the service no longer knows is never retried. A suspended run starts only
    once its manifest no longer says `suspend`.
    """
    lost = status is not None and status.upper() == NOT_FOUND
    words = _lost_run_advice(run) if lost else _failed_run_advice(run, status)
    return f"{words} Take `suspend` away as well: it starts nothing." if is_suspended else words


def all_start_again_advice(ends: Mapping[RunId, str]) -> list[str]:
    """The advice of `start_again_advice` for several runs, each text once. `ends`: statuses."""
    return list(dict.fromkeys(start_again_advice(run, status) for run, status in ends.items()))


def explicit_retry_status(status: str | None) -> str | None:
    """The status in capitals if a `retry` applies to it only where its `on` names it, else None."""
    name = "" if status is None else status.upper()
    return name if name in FAILED - FAILED_BY_ITSELF else None


def _failed_run_advice(run: RunId, status: str | None) -> str:
    backfill, named = backfill_of(run), explicit_retry_status(status)
    retry = f"`retry` whose `on` names {named}" if named else "`retry`"
    if backfill is None:
        return f"To start a failed run again, raise its `revision` or give it a {retry}."
    return (
        f"{'A ' if named else ''}{retry} starts again what failed of {backfill}, and only that; a "
        "raised `revision` starts all of it again."
    )


def _lost_run_advice(run: RunId) -> str:
    backfill = backfill_of(run)
    look = "Look at the service how it ended: `retry` does not start it again."
    if backfill is None:
        return f"{look} A raised `revision` does."
    return (
        f"{look} A backfill of its own with `again: true` does; a raised `revision` starts all of "
        f"{backfill} again."
    )


def zone_name(zone: tzinfo) -> str:
    """`GMT+8`, `GMT+05:30`, or the IANA name."""
    if not isinstance(zone, timezone):
        return str(zone)
    offset = zone.utcoffset(None)
    minutes = abs(offset) // timedelta(minutes=1)
    if not minutes:
        return "GMT"
    sign = "-" if offset < timedelta(0) else "+"
    hours, rest = divmod(minutes, HOUR_MINUTES)
    return f"GMT{sign}{hours:02d}:{rest:02d}" if rest else f"GMT{sign}{hours}"


def clock_time(instant: EpochMs, zone: tzinfo) -> str:
    """`2024-03-02 08:00:00` as a clock in the zone shows it, with milliseconds only if not zero.

    A time that clocks show twice has its offset: `2024-11-03 01:30:00-04:00`. An instant outside
    the calendar is shown as its number of milliseconds.
    """
    try:
        local = zoned_time(instant, zone)
        shown = local if is_repeated(instant, zone) else local.replace(tzinfo=None)
    except (OverflowError, ValueError):
        return f"{instant} ms"
    return shown.isoformat(" ", "milliseconds" if instant % 1000 else "seconds")


def processed_date(instant: EpochMs, zone: tzinfo) -> str:
    """The business date of a run with that trigger time; empty outside the calendar."""
    try:
        return business_date(instant, zone).isoformat()
    except (OverflowError, ValueError):
        return ""


def local_times(words: str, zone: tzinfo) -> str:
    """The words of a plan or an apply, with each instant as a clock in the zone shows it.

    They hold instants as `format_instant` writes them, in UTC, and JSON shows them so. Beside
    trigger times in the gateway's zone, a person would compare the hours of two zones.
    """
    return _INSTANT.sub(lambda one: f"{ledger_time(one[0], zone)} ({zone_name(zone)})", words)


_INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ledger_time(text: str, zone: tzinfo) -> str:
    """A time that the ledger has in RFC 3339, as by `clock_time`; unreadable text unchanged."""
    try:
        return clock_time(parse_instant(text), zone)
    except ValueError:
        return text
