"""`kind: Backfill`: many runs, one for each time and each combination of the matrix."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.expansion.alike import alike_key_findings
from reconciler.expansion.bounds import Bounds, check_text
from reconciler.expansion.common import (
    Expanded,
    Manifest,
    NotExpandedError,
    SharedFields,
    parameters,
    read_shared,
    sensitive_findings,
)
from reconciler.expansion.exclusion import exclusion_findings, leaves_out, read_exclusion, read_time
from reconciler.expansion.grids import describe_days
from reconciler.expansion.matrix import (
    RESERVED,
    Combination,
    combinations,
    count,
    matrix_findings,
    max_segment_length,
)
from reconciler.expansion.ranges import range_findings, timetable
from reconciler.expansion.sizes import bounded_slots, check_names
from reconciler.expansion.slots import Slot, Timetable, have_room, staggers
from reconciler.model import EpochMs, Run, Stagger, run_digest
from reconciler.schema import Finding
from reconciler.times import MINUTE_MS, zoned_time


class _Start(Struct, frozen=True, kw_only=True):
    """The runs of one time."""

    slot: Slot
    combinations: Sequence[Combination]  # at least one
    stagger: Stagger | None = None


def backfill_runs(manifest: Manifest, zone: tzinfo, bounds: Bounds) -> Expanded:
    """The runs of a backfill, at least one.

    Raises NotExpandedError with everything that is wrong, and NoRoomError.
    """
    spec = manifest.value["spec"]
    findings = (
        *(bounds.window.findings(spec) if bounds.window else ()),
        *alike_key_findings(spec),
        *matrix_findings(spec),
        *exclusion_findings(spec),
        *range_findings(spec),
        *sensitive_findings(spec, bounds.sensitive),
    )
    if findings:
        # One finding for each place: a time outside the window is not also out of range.
        first = {finding.path: finding for finding in reversed(findings)}
        raise NotExpandedError(first.values())
    table = timetable(spec, zone)
    slots = bounded_slots(spec, table, bounds)
    if not slots:
        words = "has no time between its two ends"
        raise NotExpandedError([Finding(path=table.path, code="empty", words=words)])
    check_names(manifest.value["metadata"]["name"], spec, slots)
    made = len(slots) * count(spec.get("matrix", {}))
    check_text(spec, made, max_segment_length(spec.get("matrix", {})))
    common = read_shared(manifest, bounds.sensitive)
    common["terms"] = common["terms"].but(
        max_active=_whole_number(spec.get("maxActive")),
        stop_after=_whole_number(spec.get("stopAfter", {}).get("failures")),
        times=table,
    )
    runs = tuple(_runs(manifest, common, _starts(spec, table, slots)))
    notes = tuple(map(manifest.problem, backfill_notes(spec, table, slots)))
    return Expanded(runs=runs, notes=notes, made=made)


def _starts(spec: Mapping[str, Any], table: Timetable, slots: Iterable[Slot]) -> Sequence[_Start]:
    """The times and their combinations that `exclude` leaves, staggered if the spec says so."""
    exclusion = read_exclusion(spec)
    listed = [
        (combination, exclusion.of(combination))
        for combination in combinations(spec.get("matrix", {}), parameters(spec))
    ]
    starts = []
    for slot in slots:
        day = table.business_date(slot)
        kept = [one for one, times in listed if not leaves_out(times, day, slot.base)]
        if kept:
            starts.append(_Start(slot=slot, combinations=kept))
    if not starts:
        words = "leaves nothing of the backfill: take entries away, or the manifest"
        raise NotExpandedError([Finding(path=("spec", "exclude"), code="empty", words=words)])
    return _stagger_starts(starts, spec["stagger"], table) if "stagger" in spec else starts


def _stagger_starts(starts: Sequence[_Start], every: str, table: Timetable) -> Sequence[_Start]:
    found = []
    for start, stagger in zip(
        starts, staggers(every, table, [start.slot for start in starts]), strict=True
    ):
        if not have_room(stagger, start.slot.base, len(start.combinations), table.zone):
            raise NotExpandedError([_stagger_finding(start, stagger, table)])
        found.append(_Start(slot=start.slot, combinations=start.combinations, stagger=stagger))
    return found


def _stagger_finding(start: _Start, stagger: Stagger, table: Timetable) -> Finding:
    runs, label, base = len(start.combinations), start.slot.label, start.slot.base
    first, end = (zoned_time(one, table.zone) for one in (base, stagger.before))
    shown, change = end.isoformat(timespec="minutes"), ""
    remedy = "take values of the matrix away, or start earlier (`at`) or less often (`every`)"
    if first.utcoffset() != end.utcoffset():
        day = table.business_date(start.slot)
        change = f" (clocks in {table.zone} change then)"
        remedy = f"`exclude: [{{businessDate: {day}}}]`, and a backfill of its own for it, earlier"
    if have_room(replace(stagger, step=MINUTE_MS), base, runs, table.zone):
        remedy = "write a smaller stagger"
    words = (
        f"the {runs} runs of {label} do not all start before the next date or time, {shown}"
        f"{change}, if they are this far apart: {remedy}"
    )
    return Finding(path=("spec", "stagger"), code="range", words=words)


def _runs(manifest: Manifest, common: SharedFields, starts: Sequence[_Start]) -> Iterator[Run]:
    name, spec = manifest.value["metadata"]["name"], manifest.value["spec"]
    newest_first = spec.get("order") == "descending"
    ends = starts[0].slot.base + starts[-1].slot.base
    before = _chains(name, starts, newest_first=newest_first) if spec.get("sequential") else {}
    for start in starts:
        base = start.slot.base
        for combination in start.combinations:
            own = _name(name, start, combination)
            yield Run(
                **common,
                name=own,
                after=before.get(own),
                trigger_time=base,
                parameters=combination.parameters,
                digest=run_digest(common["flow_id"], base, combination.parameters),
                stagger=start.stagger,
                sequence=EpochMs(ends - base) if newest_first else None,
            )


def _whole_number(value: float | None) -> int | None:
    """The number as an int: 8.0 is an integer to JSON Schema."""
    return None if value is None else int(value)


def _name(manifest: str, start: _Start, combination: Combination) -> str:
    return f"{manifest}/{start.slot.label}{combination.segments}"


def _chains(manifest: str, starts: Sequence[_Start], *, newest_first: bool) -> dict[str, str]:
    """By each run's name, the name of the run before it in the same combination, if there is one.

    A chain skips times that are excluded, because they have no run.
    """
    last: dict[str, str] = {}
    found: dict[str, str] = {}
    for start in sorted(starts, key=lambda start: start.slot.base, reverse=newest_first):
        for combination in start.combinations:
            own = _name(manifest, start, combination)
            if combination.segments in last:
                found[own] = last[combination.segments]
            last[combination.segments] = own
    return found


def backfill_notes(
    spec: Mapping[str, Any], table: Timetable, slots: Sequence[Slot]
) -> Iterator[Finding]:
    """The notes about a backfill with runs at these times."""
    given = spec.get("businessDates") or spec["triggerTimes"]
    words = describe_days(given["cron"]) if "cron" in given else None
    if words is not None:
        yield Finding(path=(*table.path, "cron"), code="cron-days", words=words)
    yield from _unused_exclude_findings(spec.get("exclude", ()), table, slots)


def _unused_exclude_findings(
    entries: Sequence[Mapping[str, Any]], table: Timetable, slots: Sequence[Slot]
) -> Iterator[Finding]:
    if not entries:
        return
    dates = {slot.base: table.business_date(slot) for slot in slots}
    all_dates = frozenset(dates.values())
    for index, entry in enumerate(entries):
        if not _matches(entry, dates, all_dates):
            times = " and ".join(f"{key} {entry[key]}" for key in RESERVED if key in entry)
            words = f"leaves nothing out: no run of this backfill has {times}"
            yield Finding(path=("spec", "exclude", index), code="excludes-nothing", words=words)


def _matches(
    entry: Mapping[str, Any], dates: Mapping[Any, Any], all_dates: Collection[Any]
) -> bool:
    """Whether the entry excludes a time of the backfill; its values were checked already."""
    day, moment = (read_time(key, entry[key]) if key in entry else None for key in RESERVED)
    if moment is None:
        return day is None or day in all_dates
    return moment in dates and day in {None, dates[moment]}
