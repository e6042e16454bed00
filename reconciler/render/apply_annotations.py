"""What a person must see to after an apply, as annotations of GitHub's."""

from collections.abc import Iterator, Mapping

from reconciler.apply.result import ApplyResult
from reconciler.counting import counted
from reconciler.model import Place, RunId, backfill_of
from reconciler.render.apply_outcomes import lasting_failures, rejected
from reconciler.render.backfills import together
from reconciler.render.layout import as_text
from reconciler.render.words import command, how_to_start_again, status_words
from reconciler.render.workflow_commands import Annotation, commands


def apply_annotations(result: ApplyResult, environment: str) -> str:
    """An error for each reason why runs are in doubt, refused or failed; nothing if none are.

    Of a backfill the runs of one reason share one. Each stands at the manifest where that is known.
    """
    places = {
        one.id: one.place
        for those in (result.unstarted, result.refused, result.failed, result.waiting)
        for one in those
    }
    places |= {doubt.planned.id: doubt.planned.place for doubt in result.doubts}
    found = [
        _annotation(title, reason, runs, places, environment)
        for title, told in _told(result)
        for reason, runs in _by_reason(told)
    ]
    return as_text(list(commands(found, "error")))


def _told(result: ApplyResult) -> Iterator[tuple[str, Mapping[RunId, str]]]:
    yield "in doubt", {doubt.planned.id: doubt.reason for doubt in result.doubts}
    yield "started twice", {one.run: one.error or "two starts are known" for one in result.twice}
    refused = {run: f"{one.code}: {one.message}" for run, one in rejected(result).items()}
    yield "refused", refused | {run.id: run.reason for run in result.refused}
    yield "failed", lasting_failures(result)


def _by_reason(told: Mapping[RunId, str]) -> Iterator[tuple[str, list[RunId]]]:
    for group in together(told.items(), lambda item: (backfill_of(item[0]) or item[0], item[1])):
        yield group[0][1], [run for run, _ in group]


def _annotation(
    title: str,
    reason: str,
    runs: list[RunId],
    places: Mapping[RunId, Place | None],
    environment: str,
) -> Annotation:
    first = runs[0]
    which = first if len(runs) == 1 else f"{counted(len(runs), 'run')} of {backfill_of(first)}"
    if title == "failed":
        reason, advice = status_words(reason), how_to_start_again(first, reason)
    else:
        shown = first if len(runs) == 1 else backfill_of(first) or first
        advice = f"{command('status', shown, '--env', environment)} says what is known."
    place = next((places[run] for run in runs if places.get(run) is not None), None)
    message = f"{which}: {reason}\n{advice}"
    return Annotation(title=f"{title}: {which}", message=message, place=place)
