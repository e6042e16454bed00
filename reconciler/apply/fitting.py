"""What the service has for runs that a person speaks about, and whether it fits them."""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct

from reconciler.apply.evidence import fits_run
from reconciler.apply.immediate import immediate_candidates
from reconciler.apply.known import Known
from reconciler.apply.lease import ServiceClock
from reconciler.apply.look import Look, index_runs
from reconciler.apply.ports import Gateway, Instance, Snapshot
from reconciler.apply.suspect import Suspect, search_window
from reconciler.counting import format_count
from reconciler.errors import GatewayError, RefusedError
from reconciler.ledger import Record
from reconciler.model import EpochMs, RunId
from reconciler.schedule import schedule_runs
from reconciler.times import format_instant

_Window = tuple[int, EpochMs, EpochMs]  # flow, from inclusive, to exclusive


class Fitting(Struct, frozen=True, kw_only=True):
    """What the service has for one run."""

    run: RunId
    listed: Sequence[Instance] = ()
    fitting: Sequence[Instance] = ()  # of those listed: what nothing tells from the run's own
    failure: str | None = None  # why the service could not be searched


def look_of(snapshot: Snapshot, gateway: Gateway, service: ServiceClock) -> Look:
    """A look at the service by what the snapshot knows."""
    declared = schedule_runs(snapshot.declared, snapshot.ledger)
    return Look(
        gateway=gateway,
        environment=snapshot.environment,
        ledger=snapshot.ledger,
        declared=index_runs(declared.runs),
        now=service.earliest_time,
        known=Known(snapshot.ledgers),
    )


async def look_for(records: Sequence[Record], look: Look) -> list[Fitting]:
    """What the service lists in the minute of each run, and in the time of its claim.

    A service may list what it triggered at once under that moment. Each flow and span of time is
    searched once.
    """
    gate = asyncio.Semaphore(look.environment.limits.concurrency)
    wanted = [_choose_windows(one, look) for one in records]
    windows = dict.fromkeys(window for one in wanted if one is not None for window in one.windows)

    async def search(window: _Window) -> Sequence[Instance] | str:
        async with gate:
            try:
                return await look.gateway.search(*window)
            except GatewayError as error:
                return str(error)

    answers = await asyncio.gather(*map(search, windows))
    found = dict(zip(windows, answers, strict=True))
    return [_build_fitting(one, its, look, found) for one, its in zip(records, wanted, strict=True)]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What to look for, and where."""

    suspect: Suspect
    windows: Sequence[_Window]  # its minute; the time of its claim, if it was not to wait


def _choose_windows(record: Record, look: Look) -> _Wanted | None:
    suspect = look.suspect(record, record.claim)
    if record.flow_id is None or suspect is None:
        return None
    at_once = look.immediate_window(suspect)
    spans = [search_window(record.trigger_time), *([] if at_once is None else [at_once])]
    return _Wanted(suspect=suspect, windows=[(record.flow_id, *span) for span in spans])


def _build_fitting(
    record: Record,
    wanted: _Wanted | None,
    look: Look,
    found: Mapping[_Window, Sequence[Instance] | str],
) -> Fitting:
    if wanted is None:
        return Fitting(run=record.run, failure="the ledger does not say its flow")
    answers: list[Sequence[Instance]] = []
    for window in wanted.windows:
        answer = found[window]
        if isinstance(answer, str):
            return Fitting(run=record.run, failure=answer)
        answers.append(answer)
    listed, *also = answers
    fitting = [one for one in listed if fits_run(wanted.suspect, one, look.known)]
    making = look.known.making(look.environment.gateway.zone)
    beside = [
        one
        for more in also
        for one in immediate_candidates(wanted.suspect, more, look.known, making)
        if one not in listed
    ]
    return Fitting(run=record.run, listed=(*listed, *beside), fitting=(*fitting, *beside))


def refuse_fitting(shown: Sequence[Fitting]) -> None:
    """Refuse to believe that nothing was started if something fits, or a search failed."""
    bad = [one for one in shown if one.fitting or one.failure is not None]
    if not bad:
        return
    first, more = bad[0], f" (and {format_count(len(bad) - 1, 'more run')})" if len(bad) > 1 else ""
    if first.failure is not None:
        raise RefusedError(
            f"the service could not be searched for {first.run}: {first.failure}{more}",
            hint="Try again, or say --force with a --reason if you know that it was not started.",
        )
    ids = ", ".join(dict.fromkeys(one.id for one in first.fitting))
    raise RefusedError(
        f"the service has what fits {first.run}: {ids}{more}",
        hint=f"If it is the run's: `reconciler resolve {first.run} --triggered ID`. If it is "
        "certainly not, say --force with a --reason: what fits is recorded beside it.",
    )


def row_of(one: Instance) -> dict[str, object]:
    """An instance as evidence: never with its parameters, which may be sensitive."""
    return {
        "id": one.id,
        "flowId": one.flow_id,
        "triggerTime": one.trigger_time,
        "created": None if one.created is None else format_instant(one.created),
    }
