"""What one apply has changed, for those who are told: read off the events that it has recorded.

A store that wraps the real one sees these events as they pass. Nothing is remembered between two
applies. A run in doubt that stays in doubt, or a refusal that stays the same, changes nothing, so
nobody is told of it again. Each webhook is told its share.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from reconciler.apply.ports import Appended, Landed, Snapshot, Store, Unclear
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.ledger.records import Phase, ledger_instant
from reconciler.model import EpochMs, Run, RunId, first_attempt
from reconciler.plan import Action, Plan, PlannedRun, Reason, plan_environment
from reconciler.plan.outlook import Outlook, find_over, outlook_of
from reconciler.webhooks import Occasion, Webhook


class Effect(Struct, frozen=True, kw_only=True):
    """What one apply has put on the branch, and what the branch said before and says now."""

    before: Ledger
    now: Snapshot
    recorded: Sequence[Event]  # by this apply, and on the branch for certain


class WitnessedStore:
    """A store that remembers what was recorded through it. It changes nothing that passes."""

    def __init__(self, store: Store) -> None:
        self.began_at: str | None = None  # the commit that was read first
        self._store = store
        self._before: Ledger | None = None
        self._now: Snapshot | None = None
        self._recorded: list[Event] = []
        self._unanswered: list[Event] = []  # their push was not answered: they may have landed

    async def fetch(self) -> Snapshot:
        """The branch as the remote has it now, by the wrapped store."""
        snapshot = await self._store.fetch()
        if self._before is None:
            self.began_at, self._before = snapshot.commit, snapshot.ledger
        if self._unanswered:
            missing = snapshot.ledger.missing(self._unanswered)
            self._recorded += [one for one in self._unanswered if one not in missing]
            self._unanswered = []
        self._now = snapshot
        return snapshot

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        """Append the events by the wrapped store."""
        appended = await self._store.append(base, events, message)
        if isinstance(appended, Landed):
            self._recorded += events
            self._now = appended.snapshot
        elif isinstance(appended, Unclear):
            self._unanswered += events
        return appended

    async def confirm(self, base: Snapshot, runs: Sequence[Run]) -> bool:
        """Ask the wrapped store."""
        return await self._store.confirm(base, runs)

    @property
    def effect(self) -> Effect | None:
        """What has been recorded so far; None if the branch was never read."""
        if self._before is None or self._now is None:
            return None
        return Effect(before=self._before, now=self._now, recorded=tuple(self._recorded))


class NewsOfRun(Struct, frozen=True, kw_only=True):
    """What somebody may want to hear of one run. Messages take no text from it but names."""

    run: RunId
    record: Record | None  # None: nothing is recorded of it
    flow_id: int | None
    trigger_time: EpochMs
    reason: str  # in one word that scripts may rely on
    waits_for: tuple[str, ...] = ()  # of a blocked run: what is in its way


class News(Struct, frozen=True, kw_only=True):
    """What an apply has changed in one environment."""

    environment: str
    commit: str  # of the branch
    told: Mapping[Occasion, Sequence[NewsOfRun]]  # none is empty but `all-done`
    standing: Mapping[str, int]  # how many declared runs succeeded, failed, wait, ...


_NEVER_BY_ITSELF = frozenset(
    {Reason.SUSPENDED, Reason.MISSED, Reason.CANCELLED, Reason.BLOCKED, Reason.STOPPED}
)
_UNDER_WAY = frozenset({Reason.RUNNING, Reason.NOT_DUE})


def news_of(effect: Effect) -> News | None:
    """What the apply has changed that somebody may want to hear; None if that is nothing."""
    outcomes = [one for one in effect.recorded if not isinstance(one, events.Claim)]
    if not outcomes:
        return None
    at = max(ledger_instant(one.at) for one in outcomes)
    was, now = (_plan(effect.now, one, at) for one in (effect.before, effect.now.ledger))
    # Not in the order of the answers, which differs each time.
    records = effect.now.ledger.records
    runs = sorted({one.run for one in outcomes}, key=lambda run: (records[run].trigger_time, run))
    told: dict[Occasion, list[NewsOfRun]] = {one: [] for one in Occasion}
    attempts: dict[RunId, list[PlannedRun]] = defaultdict(list)
    for planned in now.runs:
        attempts[first_attempt(planned.id)].append(planned)
    for run in runs:
        for occasion, reason in _changes(effect, attempts[first_attempt(run)], run, at):
            told[occasion].append(_record_news(records[run], reason))
    told[Occasion.BLOCKED] = list(_blocked_news(was, now))
    found = {occasion: those for occasion, those in told.items() if those}
    if any(map(_is_open, was.runs)) and now.runs and not any(map(_is_open, now.runs)):
        found[Occasion.ALL_DONE] = []
    if not found:
        return None
    return News(
        environment=effect.now.environment.name,
        commit=effect.now.parent or effect.now.commit,
        told=found,
        standing=_standing(now),
    )


def _plan(snapshot: Snapshot, ledger: Ledger, at: EpochMs) -> Plan:
    """The plan with that ledger, including runs that this apply was not called for."""
    return plan_environment(
        snapshot.environment,
        snapshot.declared,
        ledger,
        at,
        commit=snapshot.commit,
        surroundings=snapshot.surroundings,
    )


def _changes(
    effect: Effect, attempts: Sequence[PlannedRun], run: RunId, at: EpochMs
) -> Iterator[tuple[Occasion, str]]:
    """What the ledger says of the run now, and did not say before the apply.

    `attempts`: all attempts at the run, as planned at `at`. A bad end is news if it needs a person.
    """
    was, now = effect.before.records.get(run), effect.now.ledger.records[run]
    if now.started_twice and not (was is not None and was.started_twice):
        yield Occasion.IN_DOUBT, "started-twice"
    if now.phase is Phase.UNKNOWN and not (_is_same(was, now) and was and was.claim == now.claim):
        yield Occasion.IN_DOUBT, "in-doubt"
    if now.starts and not (was is not None and was.starts):
        yield Occasion.STARTED, "started"
    if (
        now.phase not in {Phase.REJECTED, Phase.FAILED}
        or not _outlook(attempts, now, at).needs_person
    ):
        return
    if now.phase is Phase.FAILED and not _is_same(was, now):
        yield Occasion.FAILED, "failed"
    if now.phase is Phase.REJECTED and not (
        _is_same(was, now) and was and _code(was) == _code(now)
    ):
        yield Occasion.FAILED, "rejected"


def _is_same(was: Record | None, now: Record) -> bool:
    return was is not None and was.phase is now.phase


def _code(record: Record) -> str:
    """The number that a run was rejected with, without the words, which may name the request."""
    return (record.error or "").partition(":")[0]


def _outlook(attempts: Sequence[PlannedRun], record: Record, at: EpochMs) -> Outlook:
    """What to expect of the run, even if it was started twice: that is news of its own."""
    own = next((one for one in attempts if one.id == record.run), None)
    return outlook_of(
        record.state(at),
        None if own is None else own.code,
        started_twice=False,
        is_over=find_over(record.run, attempts) is not None,
    )


def _blocked_news(was: Plan, now: Plan) -> Iterator[NewsOfRun]:
    before = {first_attempt(one.id) for one in was.runs if one.blocked}
    for one in now.runs:
        if one.blocked and first_attempt(one.id) not in before:
            yield NewsOfRun(
                run=one.id,
                record=one.record,
                flow_id=one.flow_id,
                trigger_time=one.trigger_time,
                reason=(one.code or Reason.BLOCKED).value,
                waits_for=one.waits_for,
            )


def _record_news(record: Record, reason: str) -> NewsOfRun:
    return NewsOfRun(
        run=record.run,
        record=record,
        flow_id=record.flow_id,
        trigger_time=record.trigger_time,
        reason=reason,
    )


def _is_open(planned: PlannedRun) -> bool:
    """Whether something may still become of the run without a person."""
    match planned.action:
        case Action.WAIT:
            return planned.code not in _NEVER_BY_ITSELF
        case Action.DONE | Action.ORPHANED:
            record = planned.record
            return planned.code in _UNDER_WAY or (
                record is not None and record.phase is Phase.TRIGGERED
            )
        case _:
            return True


def _standing(plan: Plan) -> dict[str, int]:
    """How many declared runs there are by standing, in one word: `succeeded`, `failed`, ..."""
    found: dict[str, int] = {}
    for one in plan.runs:
        if one.run is None:
            continue
        word = one.code.value if one.code is not None else "succeeded"
        found[word] = found.get(word, 0) + 1
    return found


class Share(Struct, frozen=True, kw_only=True):
    """What one webhook is told: the part of the news that it wants."""

    environment: str
    commit: str | None
    events: Mapping[Occasion, Sequence[NewsOfRun]]
    standing: Mapping[str, int]
    is_test: bool = False


def select_news(webhook: Webhook, news: News) -> Share | None:
    """The part of the news that the webhook wants to hear; None if there is none."""
    events = {one: news.told[one] for one in Occasion if one in news.told and one in webhook.events}
    if not events:
        return None
    return Share(
        environment=news.environment, commit=news.commit, events=events, standing=news.standing
    )


def make_test_share(environment: str) -> Share:
    """A message that says nothing, to show that messages arrive."""
    return Share(environment=environment, commit=None, events={}, standing={}, is_test=True)
