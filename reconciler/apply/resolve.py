"""A person settles runs in doubt, or adopts one: after a look at the service, and all or none.

If a person says that nothing was started, and the service lists an instance that fits, they are
asked to think again: runs were started twice on such a word. Outcomes that an apply could not push
are fed back from the file that kept them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from reconciler.apply.adopt import Adopting, Adoption
from reconciler.apply.branch import Branch
from reconciler.apply.fitting import Fitting
from reconciler.apply.lease import ServiceClock
from reconciler.apply.pending import list_additions
from reconciler.apply.ports import Clock, Gateway, Landed, Raced, Snapshot, Store
from reconciler.apply.spoken import PersonsDecision, Spoken, check_words, is_name, is_open
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.errors import GitError, RefusedError
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.ledger.records import Phase
from reconciler.model import EpochMs, Nonce, RunId, run_attempt, run_id
from reconciler.schedule import schedule_runs
from reconciler.selection import find_meant
from reconciler.times import parse_instant

ATTEMPTS = 8  # at a push, while others move the branch

OpenGateway = Callable[[Environment], AbstractAsyncContextManager[Gateway]]
Confirm = Callable[[Sequence[Fitting]], None]  # is shown what the service has; raises to stop


class Proposal(Protocol):
    """What a person wants recorded."""

    runs: Sequence[RunId]

    def check(self, snapshot: Snapshot, now: EpochMs) -> None:
        """Raise RefusedError if the branch, as it is in that snapshot, does not allow it."""

    async def look(
        self, snapshot: Snapshot, gateway: Gateway, service: ServiceClock
    ) -> Sequence[Fitting]:
        """Ask the service. Raises RefusedError if its answer does not allow it, GatewayError."""

    def news(self, snapshot: Snapshot, shown: Sequence[Fitting], now: EpochMs) -> list[Event]:
        """The events to record on top of that snapshot."""

    def find_ledger(self, snapshot: Snapshot) -> Ledger | None:
        """The ledger that holds just this: what was pushed may land and seem to have lost.

        It may be another one by then: somebody has moved the environment's, or retired it.
        """

    def message(self, snapshot: Snapshot) -> str:
        """The message of the commit."""


def ask_nobody(_: Sequence[Fitting]) -> None:
    """Ask nobody to confirm."""


async def resolve(
    decision: PersonsDecision,
    store: Store,
    open_gateway: OpenGateway,
    clock: Clock,
    new_claim: Callable[[], Nonce],
    confirm: Confirm = ask_nobody,
) -> Sequence[Record]:
    """Record the decision on the shared branch, and give what is known of the runs then.

    Raises RefusedError if a run is neither in doubt nor to be adopted; if the instance does not
    fit; if the decision comes too early and is not `sure`; or if the service lists what fits a run
    that the person says was not started, or could not be searched, and the decision is not
    `forced`. Also raises GitError, GatewayError.
    """
    check_words(decision.triggered, decision.reason)
    snapshot = await store.fetch()
    proposal = _proposal(decision, snapshot, new_claim)
    async with open_gateway(snapshot.environment) as gateway:
        service = await ServiceClock.ask(gateway, clock)
        return await record_proposal(proposal, snapshot, store, gateway, service, confirm)


async def record_proposal(
    proposal: Proposal,
    snapshot: Snapshot,
    store: Store,
    gateway: Gateway,
    service: ServiceClock,
    confirm: Confirm,
) -> Sequence[Record]:
    """Check the proposal, ask the service, and push; if the branch moves, check and push again."""
    asked = snapshot.environment.gateway
    proposal.check(snapshot, service.earliest_time())
    shown = await proposal.look(snapshot, gateway, service)
    confirm(shown)
    for _ in range(ATTEMPTS):
        proposal.check(snapshot, service.earliest_time())
        news = proposal.news(snapshot, shown, service.earliest_time())
        appended = await store.append(snapshot, news, proposal.message(snapshot))
        if not isinstance(appended, Landed | Raced):
            raise GitError(f"the decision was not recorded for certain: {appended.message}")
        if isinstance(appended, Landed):
            return _proposal_records(proposal, appended.snapshot.ledger)
        snapshot = await store.fetch()
        held = proposal.find_ledger(snapshot)
        if held is not None:
            return _proposal_records(proposal, held)
        check_asked(snapshot, asked)
    raise GitError("the decision was not recorded: the branch kept moving", hint="Try again.")


def _proposal_records(proposal: Proposal, ledger: Ledger) -> Sequence[Record]:
    return [ledger.records[run] for run in proposal.runs]


def check_asked(snapshot: Snapshot, asked: GatewayConfiguration) -> None:
    """Raise RefusedError if the branch by now has another gateway than the one that was asked.

    What one service has would be recorded as started at another.
    """
    if snapshot.environment.gateway != asked:
        raise RefusedError(
            f"nothing was recorded: the gateway of {snapshot.environment.name} was configured anew "
            "meanwhile, and the one before was asked",
            hint="Say it again.",
        )


def _proposal(
    decision: PersonsDecision, snapshot: Snapshot, new_claim: Callable[[], Nonce]
) -> Proposal:
    """What the decision means: to settle runs in doubt, or to adopt one."""
    runs = list(dict.fromkeys(run for word in decision.runs for run in _find_runs(word, snapshot)))
    if decision.triggered is None:
        return Spoken(decision, runs, snapshot.ledger)
    if len(runs) > 1:
        raise RefusedError(
            f"{' '.join(decision.runs)} means {len(runs)} runs, and an instance is one run's",
            hint=f"Say which: {', '.join(runs[:_MOST_NAMED])}{', …' * (len(runs) > _MOST_NAMED)}.",
        )
    found = snapshot.ledger.records.get(runs[0])
    if found is not None and found.may_have_started:
        return Spoken(decision, runs, snapshot.ledger)
    adoption = Adoption(
        by=decision.by, reason=decision.reason, sure=decision.sure, forced=decision.forced
    )
    return Adopting(adoption, {runs[0]: decision.triggered}, new_claim)


_MOST_NAMED = 5


def _find_runs(word: str, snapshot: Snapshot) -> list[RunId]:
    """The recorded or declared runs that the word is about, as the ledger calls them.

    That is the run with exactly that id. If there is none, it is each run that a person can settle
    among those that the word means to `status`. Raises RefusedError if there is none.
    """
    records, called = snapshot.ledger.records, _ids_by_name(snapshot)
    exact = called.get(RunId(word)) or _attempt(word, snapshot)
    if exact is not None:
        return [exact]
    meant = {called[one] for one in find_meant(word, called)}
    open_ = [one for one in sorted(meant) if one in records and is_open(records[one])]
    if meant and not open_:
        none = f"none of the {len(meant)} runs that {word} means is in doubt"
        one = f"{next(iter(meant))}, which {word} means, is not in doubt"
        raise RefusedError(
            one if len(meant) == 1 else none,
            hint=f"`reconciler status {word}` lists them.",
        )
    if not meant:
        raise RefusedError(
            f"{word} is neither recorded nor declared on the branch",
            hint="`reconciler status` lists every run. What is declared only here must be pushed.",
        )
    return open_


def _ids_by_name(snapshot: Snapshot) -> dict[RunId, RunId]:
    """The ids of all runs, declared or recorded, by each id that a run is or will be called by."""
    runs = schedule_runs(snapshot.declared, snapshot.ledger).runs
    called = {one.declared_id(): one.id for one in runs}
    called |= {one.id: one.id for one in runs}
    return called | {run: run for run in snapshot.ledger.records}


def _attempt(word: str, snapshot: Snapshot) -> RunId | None:
    """The id of a further attempt at a declared run, which may not be recorded yet."""
    attempt = run_attempt(RunId(word)) if word.rpartition("#")[2].isdecimal() else 1
    for one in schedule_runs(snapshot.declared, snapshot.ledger).runs if attempt > 1 else ():
        if word in {one.declared_id(attempt), run_id(one.name, one.revision, attempt)}:
            return run_id(one.name, one.revision, attempt)
    return None


class Recovered(Struct, frozen=True, kw_only=True):
    """What came of feeding lost outcomes back."""

    missing: int  # how many of them were not on the branch before, or less certainly
    confirmed: int  # how many of those are answers that say what a search had found
    twice: Sequence[Record]  # runs of which two starts are known by now, and nobody settled that
    doubts: Sequence[RunId]  # runs that what was fed back leaves in doubt


async def recover(lost: Sequence[Event], branch: Branch) -> Recovered:
    """Append those of the lost outcomes that the branch does not hold.

    Raises RefusedError for an outcome that does not match its claim on the branch, by run, or if it
    is a start also by digest, trigger time and flow; and what `Branch.record` raises.
    """
    ledger = branch.snapshot.ledger
    for event in lost:
        _check_claimed(event, ledger)
    branch.pending = list_additions(lost, ledger)
    missing = len(branch.pending)
    confirmed = sum(_confirms_a_search(event, ledger) for event in branch.pending)
    await branch.record()
    runs = {event.run for event in lost if not isinstance(event, events.Claim)}
    known = (branch.snapshot.ledger.records.get(run) for run in sorted(runs))
    records = [record for record in known if record is not None]
    return Recovered(
        missing=missing,
        confirmed=confirmed,
        twice=[record for record in records if record.started_twice],
        doubts=[record.run for record in records if record.phase is Phase.UNKNOWN],
    )


def _confirms_a_search(event: Event, ledger: Ledger) -> bool:
    """Whether the start is in the ledger as well, but inferred: the answer makes it certain."""
    if not isinstance(event, events.Triggered) or event.run not in ledger.records:
        return False
    return any(
        one.inferred and (one.claim, one.instance) == (event.claim, event.flow_instance_id)
        for one in ledger.records[event.run].starts
    )


def _check_claimed(event: Event, ledger: Ledger) -> None:
    if isinstance(event, events.Claim | events.Observed | events.Resolved | events.Adopted):
        raise RefusedError("the file holds other events than outcomes: it is not a rescue file")
    claim = ledger.claims.get(event.claim) if event.claim else None
    claimed = claim.runs.get(event.run) if claim else None
    if claimed is None:
        raise RefusedError(
            f"the branch has no claim {event.claim} of {event.run}",
            hint="Is this the repository and the environment that the file comes from?",
        )
    try:
        parse_instant(event.at)
    except ValueError as error:
        raise RefusedError(f"{event.run} has a time in the file that {error}: {event.at}") from None
    if isinstance(event, events.Triggered):
        _check_triggered(event, claimed)


def _check_triggered(event: events.Triggered, claimed: events.ClaimedRun) -> None:
    pairs = (
        ("digest", event.digest, claimed.digest),
        ("trigger time", event.trigger_time, claimed.trigger_time),
        ("flow", event.flow_id, event.flow_id if claimed.flow_id is None else claimed.flow_id),
    )
    for what, told, recorded in pairs:
        if told != recorded:
            raise RefusedError(f"{event.run} was claimed with another {what} than the file says")
    if not is_name(event.flow_instance_id):
        raise RefusedError(f"{event.run} has no readable instance id in the file")
