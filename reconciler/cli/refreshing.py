"""What `status --refresh` asks of the service and records, before anything is shown."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.news import WitnessedStore
from reconciler.apply.refresh import Refreshed, refresh
from reconciler.cli.fetching import KnownLedger
from reconciler.cli.machine import new_apply
from reconciler.cli.notifying import tell_effect
from reconciler.cli.opening import SharedBranch, ignore_step, keep_trace
from reconciler.cli.options import CommonOptions
from reconciler.cli.saying import say
from reconciler.counting import format_count
from reconciler.model import RunId


class FreshLedger(Struct, frozen=True, kw_only=True):
    """A ledger that was just brought up to date, and the instances' statuses that were seen."""

    known: KnownLedger
    statuses: Mapping[RunId, str]  # EnOS's names, also of instances that have not ended


def refresh_ledgers(
    options: CommonOptions, environments: Sequence[str], runs: Sequence[str]
) -> dict[str, FreshLedger]:
    """Observe the started runs of each environment, and record how they ended.

    `runs`: if given, only runs whose ids begin with one of these, including runs that ended badly.
    Raises ConfigurationError, GitError, LedgerError, GatewayError.
    """
    fresh = {}
    for environment in environments:
        shared = SharedBranch.find(options._replace(env=environment))
        store = WitnessedStore(shared.store)
        try:
            found = asyncio.run(_refresh(shared, store, tuple(runs)))
        finally:
            with suppress(KeyboardInterrupt):  # what was recorded is still shown
                tell_effect(store.effect, new_apply(), quiet=options.quiet, checks_all=False)
        keep_trace(shared, quiet=options.quiet)
        if found.failure is not None:
            note = f"{environment}: not every started instance could be observed: {found.failure}"
            say(note)
        if found.ended and not options.quiet:
            ended = format_count(found.ended, "run")
            say(f"{environment}: recorded how {ended} ended, {shared.whereabouts}")
        known = KnownLedger(
            ledger=found.ledger,
            surroundings=found.surroundings,
            commit=found.commit,
            note=None,
        )
        fresh[environment] = FreshLedger(known=known, statuses=found.statuses)
    return fresh


async def _refresh(
    shared: SharedBranch, store: WitnessedStore, prefixes: tuple[str, ...]
) -> Refreshed:
    ports = replace(shared.ports(ignore_step, asyncio.Event()), store=store)
    return await refresh(
        ports,
        lambda record: not prefixes or record.run.startswith(prefixes),
        again=bool(prefixes),
    )
