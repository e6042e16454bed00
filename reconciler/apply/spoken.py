"""What a person says of runs in doubt, checked against the ledger and the service."""

from collections.abc import Sequence

from msgspec import Struct

from reconciler.apply.evidence import is_disowned
from reconciler.apply.fitting import Fitting, look_for, look_of, refuse_fitting, row_of
from reconciler.apply.lease import ServiceClock
from reconciler.apply.look import service_mismatch
from reconciler.apply.ports import Gateway, Instance, Snapshot
from reconciler.apply.suspect import is_of_another_flow, search_window
from reconciler.errors import RefusedError
from reconciler.ledger import Event, Ledger, Record, RunState, events
from reconciler.ledger.files import commit_message_of
from reconciler.ledger.records import STARTED, FullRecord, Phase
from reconciler.model import EpochMs, InstanceId, Nonce, RunId
from reconciler.times import MINUTE_MS, format_instant


class PersonsDecision(Struct, frozen=True, kw_only=True):
    """What a person says about runs."""

    runs: Sequence[str]  # words: names, parts of names, beginnings
    triggered: InstanceId | None  # None: they were not started
    by: str
    reason: str = ""
    sure: bool = False  # even though it may still start or wait unseen, or another time is shown
    forced: bool = False  # even though what fits is listed, or no search works, or a claim lasts


class Spoken:
    """A decision on runs in doubt: all of them are settled alike."""

    def __init__(self, decision: PersonsDecision, runs: Sequence[RunId], ledger: Ledger) -> None:
        self.runs: Sequence[RunId] = runs
        self._decision = decision
        found = {run: _find_unsettled(ledger, decision, run) for run in runs}
        self._judged = {run: record.claim for run, record in found.items()}
        self._late = {run: record.overdue for run, record in found.items()}
        self._instance: Instance | None = None  # the named one, once the service was asked for it

    def check(self, snapshot: Snapshot, now: EpochMs) -> None:
        """Refuse a decision that is too early, or on another claim, service or run's instance."""
        for run in self.runs:
            record = _find_unsettled(snapshot.ledger, self._decision, run)
            new = "was claimed anew" if record.claim != self._judged[run] else ""
            if record.overdue != self._late[run]:
                new = "has a start that left too late, which was recorded"
            if new:
                raise RefusedError(
                    f"{run} {new} meanwhile", hint=f"Look again: `reconciler status {run}`."
                )
            reason = service_mismatch(record, snapshot.ledger.claims, snapshot.environment.gateway)
            if reason is not None:
                raise RefusedError(f"{run} cannot be settled: {reason}")
            if self._instance is not None:
                _check_free(snapshot.ledger, record, self._instance)
            elif self._decision.triggered is None:
                if not self._decision.forced:
                    _check_unclaimed(record, snapshot.ledger, now)
                if not self._decision.sure:
                    _check_due(record, now)

    async def look(
        self, snapshot: Snapshot, gateway: Gateway, service: ServiceClock
    ) -> Sequence[Fitting]:
        """Ask the service what it has. Raises RefusedError if that speaks against the decision."""
        records = [snapshot.ledger.records[run] for run in self.runs]
        if self._decision.triggered is not None:
            found = self._instance = await ask_for_instance(gateway, self._decision.triggered)
            for one in records:
                _check_free(snapshot.ledger, one, found)
                check_instance(
                    one.run, one.flow_id, one.trigger_time, found, sure=self._decision.sure
                )
            return [Fitting(run=one.run, listed=(found,), fitting=(found,)) for one in records]
        shown = await look_for(records, look_of(snapshot, gateway, service))
        if not self._decision.forced:
            refuse_fitting(shown)
        return shown

    def news(self, snapshot: Snapshot, shown: Sequence[Fitting], now: EpochMs) -> list[Event]:
        """The decisions to record. What fits and was denied all the same becomes the evidence."""
        is_denied = self._decision.triggered is None
        return [
            events.Resolved(
                v=events.VERSION,
                at=format_instant(now),
                run=one.run,
                by=self._decision.by,
                triggered=self._decision.triggered,
                claim=snapshot.ledger.records[one.run].claim,
                reason=self._decision.reason,
                evidence=_denial_evidence(one) if is_denied else None,
            )
            for one in shown
        ]

    def find_ledger(self, snapshot: Snapshot) -> Ledger | None:
        """The ledger that has each run settled by this person, for this reason, in this way."""
        claims = {one for one in self._judged.values() if one is not None}
        ledger = next((one for one in snapshot.ledgers if one.claims.keys() >= claims), None)
        if ledger is None or not ledger.records.keys() >= {*self.runs}:
            return None
        records = (ledger.records[run].full_value() for run in self.runs)
        return ledger if all(map(self._is_settled, records)) else None

    def _is_settled(self, record: FullRecord) -> bool:
        said = {"resolvedBy": self._decision.by, "reason": self._decision.reason}
        told = record.evidence if isinstance(record.evidence, dict) else {}
        named = self._decision.triggered
        is_so = record.phase is Phase.ABSENT if named is None else named in record.instances
        return is_so and record.claim == self._judged[record.run] and said.items() <= told.items()

    def message(self, snapshot: Snapshot) -> str:
        """The commit's message."""
        decision = self._decision
        what = f"triggered as {decision.triggered}" if decision.triggered else "not triggered"
        claims = (snapshot.ledger.records[run].claim for run in self.runs)
        return message_of(snapshot, self.runs, what, [one for one in claims if one is not None])


def message_of(
    snapshot: Snapshot, runs: Sequence[RunId], what: str, claims: Sequence[Nonce]
) -> str:
    """The message of a commit that records what was said of these runs."""
    first, *more = runs
    which = f"{first} and {len(more)} more were" if more else f"{first} was"
    return commit_message_of(snapshot.environment.name, f"{which} {what}", claims)


def is_open(record: Record) -> bool:
    """Whether a person can settle the run: it is in doubt or claimed, or was started twice."""
    in_doubt = record.state(record.until) is RunState.IN_DOUBT
    return in_doubt or (record.started_twice and record.phase in STARTED)


def check_words(instance: InstanceId | None, reason: str) -> None:
    """Refuse words that no service or ledger can hold, such as bytes that are not text.

    Placeholders are refused as well: a printed command has them where a person must write
    something.
    """
    for option, word, what in (
        ("--triggered", instance, "the id that the service gave the instance"),
        ("--reason", reason, "the reason, in words of your own"),
    ):
        if word in events.PLACEHOLDERS:
            raise RefusedError(
                f"{option} {word} is the command as it was printed",
                hint=f"Write {what}, in place of {word}.",
            )
    if instance is not None and not is_name(instance):
        raise RefusedError(f"{instance!r} is no instance id")
    if reason.encode(errors="replace").decode() != reason:
        raise RefusedError(f"the reason {reason!r} is no text")


def is_name(id_: InstanceId) -> bool:
    """Whether a service may have given that id."""
    return id_.isprintable() and id_ == id_.strip() != ""


async def ask_for_instance(gateway: Gateway, instance: InstanceId) -> Instance:
    """The instance of that id. Raises RefusedError if the service says that it has none."""
    found = await gateway.instance(instance)
    if found is None:
        raise RefusedError(f"the service knows no instance {instance}")
    return found


def check_instance(
    run: RunId, flow_id: int | None, trigger_time: EpochMs, found: Instance, *, sure: bool
) -> None:
    """Refuse an instance that shows another flow, or another trigger time, than the run's."""
    if is_of_another_flow(flow_id, found):
        raise RefusedError(
            f"instance {found.id} is of flow {found.flow_id}, and {run} of {flow_id}"
        )
    if not (sure or shows_minute(trigger_time, found)):
        times = found.trigger_time, trigger_time
        shown, own = (format_instant(time) for time in times if time is not None)
        raise RefusedError(
            f"instance {found.id} has the trigger time {shown}, and {run} has {own}",
            hint="Say --yes if the service cuts the times that it shows, or shows other ones.",
        )


def shows_minute(trigger_time: EpochMs, found: Instance) -> bool:
    """Whether it shows the run's minute, in some zone, and not only an hour or a day around it.

    True also if it shows no readable time.
    """
    if found.trigger_time is None:
        return True
    start, end = search_window(trigger_time)
    return any(start <= one < end for one in (found.trigger_time, *found.trigger_times))


def _find_unsettled(ledger: Ledger, decision: PersonsDecision, run: RunId) -> Record:
    """The record of a run in doubt; or of one started twice, if the decision names an instance."""
    record = ledger.records.get(run)
    if record is None:
        raise RefusedError(
            f"{run} was never claimed: there is nothing to settle",
            hint=f"`reconciler status {run}` says what it waits for.",
        )
    if record.started_twice and record.phase in STARTED:
        if decision.triggered not in record.instances:
            raise RefusedError(
                f"{run} was {record.error}",
                hint=f"Say which of them counts: --triggered {' or '.join(record.instances)}.",
            )
        return record
    state = record.state(record.until)  # a claim is judged by `_check_due`, not here
    if state is not RunState.IN_DOUBT:
        raise RefusedError(f"{run} is not in doubt: it is {state}")
    return record


def _check_unclaimed(record: Record, ledger: Ledger, now: EpochMs) -> None:
    """Refuse to deny a start that the apply with the claim may still be about to make.

    That apply does not read the ledger again before it starts the run. So the denial is true when
    it is said, and the run is started twice all the same: by it, and by whoever claims it anew.
    Once its request has left, the outcome is unknown, and no other request follows.
    """
    if record.phase is Phase.CLAIMED and record.until > now:
        claim = ledger.claims.get(record.claim) if record.claim is not None else None
        raise RefusedError(
            f"its claim lasts until {format_instant(record.until)}: until then "
            f"{claim.by if claim is not None else 'an apply'} may still start {record.run}, even "
            "if it was not started yet",
            hint="Wait until then. Only if that apply has certainly ended, and left no request "
            "under way, say --yes and --force with a --reason.",
        )


def _check_due(record: Record, now: EpochMs) -> None:
    for what, until in (
        ("its claim lasts until", record.until),
        ("its trigger time comes at", record.trigger_time),
    ):
        if until > now:
            raise RefusedError(
                f"{what} {format_instant(until)}: until then {record.run} may still be started, or "
                "wait unseen at the service",
                hint="Wait, or say --yes if you know that it was not and will not be started.",
            )


def _check_free(ledger: Ledger, record: Record, found: Instance) -> None:
    """Refuse an instance that is recorded as another run's, unless both runs may have one id.

    Runs of one flow and minute may. Otherwise, as where an id is a whole day's, the instance itself
    must show a flow or a trigger time that cannot be the other run's.
    """
    for other in ledger.records.values():
        same = _minute(other) == _minute(record)
        if found.id in other.instances and not same and not is_disowned(other, found):
            raise RefusedError(f"instance {found.id} is recorded as that of {other.run}")


def _minute(record: Record) -> tuple[int | None, int]:
    return record.flow_id, record.trigger_time // MINUTE_MS


def _denial_evidence(shown: Fitting) -> dict[str, object] | None:
    if shown.failure is not None:
        return {"forced": True, "notSearched": shown.failure}
    return {"forced": True, "found": list(map(row_of, shown.fitting))} if shown.fitting else None
