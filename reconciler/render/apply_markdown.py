"""What an apply did, for its job's page: a summary for any pipeline, annotations for GitHub."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.apply.result import ApplyResult
from reconciler.counting import format_count
from reconciler.model import EpochMs, Place, RunId, backfill_of
from reconciler.render.apply_outcomes import (
    SHOWN,
    Item,
    bad_ends,
    called_off_runs,
    cancel_answer,
    cancellations,
    conclusion,
    end_words,
    explain_left_out,
    failed_runs,
    lasting_failures,
    numbers,
    reasons_not_started,
    rejected_events,
    triggered_events,
    unfinished_title,
    unfinished_words,
)
from reconciler.render.backfills import group_items
from reconciler.render.layout import join_lines
from reconciler.render.markdown import code, finish_text, length, prose
from reconciler.render.status_markdown import MOST_BYTES
from reconciler.render.words import (
    COMMIT_DIGITS,
    all_start_again_advice,
    clock_time,
    command,
    local_times,
    start_again_advice,
    status_words,
    zone_name,
)
from reconciler.render.workflow_commands import Annotation, annotation_commands


class _Block(Struct, frozen=True, kw_only=True):
    """Runs with the same result."""

    title: str
    items: Sequence[Item]  # each run with its reason or its instance
    advice: str = ""  # plain text
    opened: bool = True  # True: a person must act


def apply_markdown(
    result: ApplyResult,
    zone: tzinfo,
    environment: str,
    unpushed: str | None = None,
    most: int = MOST_BYTES,
) -> str:
    """The numbers, then what needs a person, unfolded, then everything else, folded.

    No text of a name or an answer can pass for markup. The text takes at most `most` bytes, or
    little more: a list that does not fit is only counted. `unpushed`: see `apply_text`.
    """
    at = code(result.commit[:COMMIT_DIGITS])
    lines = [f"### Apply of {code(environment, 100)} at {at}", ""]
    if words := conclusion(result, unpushed):
        lines += [prose(words), ""]
    elif unpushed is not None:
        lines += [f"Note: {prose(unpushed)}.", ""]
    if words := explain_left_out(result):
        lines += [prose(words), ""]
    if found := numbers(result):
        lines += [f"**{', '.join(f'{number:,} {word}' for word, number in found.items())}**", ""]
    for block in _blocks(result, zone, environment):
        if block.items:
            shown = list(_block_lines(block))
            fits = length(lines) + length(shown) <= most
            lines += shown if fits else _count_lines(block)
    return finish_text(lines[:-1])


def _blocks(result: ApplyResult, zone: tzinfo, environment: str) -> Iterator[_Block]:
    look = f"`{command('status', 'RUN', '--env', environment)}` shows what is known of one."
    yield _Block(
        title="In doubt: not started again until that is settled",
        items=[
            (
                doubt.planned.id,
                f"{local_times(doubt.reason, zone)}{_settle_time_words(doubt.decided_at, zone)}",
            )
            for doubt in result.doubts
        ],
        advice=look,
    )
    yield _Block(
        title="Started twice",
        items=[(one.run, one.error or "") for one in result.twice],
        advice=look,
    )
    yield from _failure_blocks(result)
    refused = [(run, f"{one.code}: {one.message}") for run, one in rejected_events(result).items()]
    yield _Block(title="Refused by the service, and tried again by the next apply", items=refused)
    yield _Block(
        title="Not claimed, by the preflight",
        items=[(run.id, run.reason) for run in result.refused],
    )
    yield _Block(title="Not started", items=list(reasons_not_started(result)))
    yield _Block(
        title="Not cancelled",
        items=[
            *((one.run, cancel_answer(one)) for one in cancellations(result, done=False)),
            *((one.id, "nobody can tell whether it was") for one in result.uncancelled),
        ],
    )
    yield _Block(title="Waited for in vain", items=list(result.untold.items()), advice=look)
    yield from _well_blocks(result, zone)


def _failure_blocks(result: ApplyResult) -> Iterator[_Block]:
    for_good = failed_runs(result)
    ended = {run: status for run, status in bad_ends(result).items() if run not in for_good}
    for title, found in (("Failed, with no attempt left", for_good), ("Failed", ended)):
        items = [(run, end_words(result, run, status)) for run, status in found.items()]
        lasting = [one for one in lasting_failures(result).items() if one[0] in found]
        advice = " ".join(all_start_again_advice(dict(lasting[:SHOWN])))
        yield _Block(title=title, items=items, advice=advice)


def _well_blocks(result: ApplyResult, zone: tzinfo) -> Iterator[_Block]:
    yield _Block(
        title=unfinished_title(result),
        items=[(one.run, unfinished_words(one)) for one in result.unfinished],
        opened=False,
    )
    yield _Block(
        title="Waiting",
        items=[(run.id, local_times(run.reason, zone)) for run in result.waiting],
        opened=False,
    )
    yield _Block(
        title="Cancelled",
        items=list(called_off_runs(result).items()),
        opened=False,
    )
    yield _Block(
        title="Triggered",
        items=[(one.run, "") for one in triggered_events(result)],
        opened=False,
    )


def _settle_time_words(decided_at: EpochMs | None, zone: tzinfo) -> str:
    if decided_at is None:
        return ""
    return f"; an apply after {clock_time(decided_at, zone)} ({zone_name(zone)}) can settle it"


def _block_lines(block: _Block) -> Iterator[str]:
    yield "<details open>" if block.opened else "<details>"
    yield f"<summary>{_title(block)}</summary>"
    yield ""
    groups = _group_by_reason(block.items)
    for reason, runs in list(groups.items())[:SHOWN]:
        yield from _group(reason, runs)
    if len(groups) > SHOWN:
        yield f"- … and {format_count(len(groups) - SHOWN, 'more reason')}"
    yield ""
    if block.advice:
        yield from (prose(block.advice), "")
    yield from ("</details>", "")


def _title(block: _Block) -> str:
    return f"{block.title}: {format_count(len(block.items), 'run')}"


def _count_lines(block: _Block) -> Iterator[str]:
    yield from (f"{_title(block)}; `reconciler status` lists them.", "")


def _group_by_reason(items: Iterable[Item]) -> Mapping[str, list[RunId]]:
    found: dict[str, list[RunId]] = defaultdict(list)
    for run, reason in items:
        found[reason].append(run)
    return found


def _group(reason: str, runs: Sequence[RunId]) -> Iterator[str]:
    indent = ""
    if reason:
        yield f"- {format_count(len(runs), 'run')}: {prose(reason)}"
        indent = "  "
    is_long = len(runs) > SHOWN
    lines = group_items(runs, lambda run: backfill_of(run) if is_long else None)
    for line in lines[:SHOWN]:
        yield f"{indent}- {_words(line)}"
    left = sum(map(len, lines[SHOWN:]))
    if left:
        yield f"{indent}- … and {left:,} more"


def _words(runs: Sequence[RunId]) -> str:
    if len(runs) == 1:
        return code(runs[0])
    name, number = code(backfill_of(runs[0]) or ""), format_count(len(runs), "run")
    return f"{name}: {number}, {code(runs[0])} to {code(runs[-1])}"


def apply_annotations(result: ApplyResult, environment: str) -> str:
    """An error for each run in doubt, started twice, refused or failed; empty if there are none.

    Runs of one backfill with the same reason share an error. Each is placed at the manifest, where
    its place is known.
    """
    places = {
        one.id: one.place
        for those in (result.unstarted, result.refused, result.failed, result.waiting)
        for one in those
    }
    places |= {doubt.planned.id: doubt.planned.place for doubt in result.doubts}
    found = [
        _annotation(title, reason, runs, places, environment)
        for title, told in _annotations(result)
        for reason, runs in _group_runs(told)
    ]
    return join_lines(list(annotation_commands(found, "error")))


def _annotations(result: ApplyResult) -> Iterator[tuple[str, Mapping[RunId, str]]]:
    yield "in doubt", {doubt.planned.id: doubt.reason for doubt in result.doubts}
    yield "started twice", {one.run: one.error or "two starts are known" for one in result.twice}
    refused = {run: f"{one.code}: {one.message}" for run, one in rejected_events(result).items()}
    yield "refused", refused | {run.id: run.reason for run in result.refused}
    yield "failed", lasting_failures(result)


def _group_runs(told: Mapping[RunId, str]) -> Iterator[tuple[str, list[RunId]]]:
    for group in group_items(told.items(), lambda item: (backfill_of(item[0]) or item[0], item[1])):
        yield group[0][1], [run for run, _ in group]


def _annotation(
    title: str,
    reason: str,
    runs: list[RunId],
    places: Mapping[RunId, Place | None],
    environment: str,
) -> Annotation:
    first = runs[0]
    which = first if len(runs) == 1 else f"{format_count(len(runs), 'run')} of {backfill_of(first)}"
    if title == "failed":
        reason, advice = status_words(reason), start_again_advice(first, reason)
    else:
        shown = first if len(runs) == 1 else backfill_of(first) or first
        advice = f"{command('status', shown, '--env', environment)} says what is known."
    place = next((places[run] for run in runs if places.get(run) is not None), None)
    message = f"{which}: {reason}\n{advice}"
    return Annotation(title=f"{title}: {which}", message=message, place=place)
