"""The fold of the events, one after another, into what is known about each run. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from reconciler.errors import LedgerError
from reconciler.ledger.brief import BriefRecord, ByDigest, ClaimedRuns, Record
from reconciler.ledger.events import (
    Absent,
    Adopted,
    Claim,
    ClaimedRun,
    Event,
    Rejected,
    Unknown,
)
from reconciler.ledger.late_starts import late_doubts
from reconciler.ledger.outcomes import LOST, Outcome, event_kind, with_outcome
from reconciler.ledger.records import (
    MAY_HAVE_STARTED,
    STARTED,
    UNSETTLED,
    FullRecord,
    Phase,
    ledger_instant,
)
from reconciler.model import (
    Digest,
    EpochMs,
    Nonce,
    RunId,
    first_attempt,
    manifest_of,
    run_name,
)


class Ledger:
    """What all recorded events together say. A value: `extended` makes a new one."""

    __slots__ = (
        "_late",
        "_of_manifests",
        "_retried",
        "_started",
        "_unsettled",
        "claims",
        "length",
        "records",
    )

    def __init__(
        self, records: Mapping[RunId, Record], claims: Mapping[Nonce, Claim], length: int
    ) -> None:
        self.records = records
        self.claims = claims  # by nonce
        self.length = length  # how many events were folded
        self._started: Mapping[Digest, Sequence[RunId]] | None = None
        self._of_manifests: dict[str, list[Record]] | None = None
        self._unsettled: list[Record] | None = None
        self._late: list[Record] | None = None
        self._retried: frozenset[RunId] | None = None

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Fold events, oldest first. Raises LedgerError where they contradict each other."""
        return cls({}, {}, 0).with_events(events)

    @property
    def started(self) -> Mapping[Digest, Sequence[RunId]]:
        """By digest, all runs that may have been started; built once, on first use."""
        if self._started is None:
            self._started = ByDigest(
                record for record in self.records.values() if record.phase in MAY_HAVE_STARTED
            )
        return self._started

    @property
    def of_manifests(self) -> Mapping[str, Sequence[Record]]:
        """By manifest, the records of its runs that may have been started; built once."""
        if self._of_manifests is None:
            self._of_manifests = defaultdict(list)
            for record in self.records.values():
                if record.may_have_started:
                    self._of_manifests[manifest_of(run_name(record.run))].append(record)
        return self._of_manifests

    @property
    def unsettled(self) -> Sequence[Record]:
        """The runs that are claimed or in doubt; built once, on first use."""
        if self._unsettled is None:
            self._unsettled = [one for one in self.records.values() if one.phase in UNSETTLED]
        return self._unsettled

    @property
    def late(self) -> Sequence[Record]:
        """A record for each late start that its run's own is not about; built once."""
        if self._late is None:
            self._late = [one for record in self.records.values() for one in late_doubts(record)]
        return self._late

    @property
    def retried(self) -> frozenset[RunId]:
        """The first attempts that were followed by another; built once, on first use."""
        if self._retried is None:
            self._retried = frozenset(first_attempt(run) for run in self.records if "#" in run)
        return self._retried

    def may_have_started(self, run: RunId) -> bool:
        """Whether an instance of this very attempt exists or could exist."""
        record = self.records.get(run)
        return record is not None and record.may_have_started

    def with_events(self, events: Iterable[Event]) -> Self:
        """A new ledger with these events after this ledger's own."""
        records, claims, length = dict(self.records), dict(self.claims), self.length
        for event in events:
            length += 1
            if isinstance(event, Claim):
                claims[event.claim] = _claim(records, event)
                continue
            record = records.get(event.run)
            brief = record.with_event(event) if type(record) is BriefRecord else None
            if brief is not None:
                records[event.run] = brief
                continue
            if isinstance(event, _OF_A_CLAIM):
                _check_claimed(event, claims)
            elif isinstance(event, Adopted):
                claims[event.claim] = event.implied_claim()
            records[event.run] = with_outcome(record, event, claims)
        return type(self)(records, claims, length)

    def with_lapsed(self, lapsed: Mapping[Nonce, EpochMs]) -> Self:
        """This ledger, with each of the claims expired by the given time at the latest."""
        if not lapsed:
            return self
        records = {
            run: msgspec.structs.replace(
                record.full_value(), until=min(record.until, lapsed[record.claim])
            )
            if record.claim is not None and record.claim in lapsed
            else record
            for run, record in self.records.items()
        }
        return type(self)(records, self.claims, self.length)

    def holds(self, event: Event) -> bool:
        """Whether the event would add nothing to the ledger."""
        return not self.missing([event])

    def missing(self, recorded: Iterable[Event]) -> list[Event]:
        """The events that add something to the ledger: claims first, otherwise in their order.

        All events of one run count together: to a ledger that has both an `unknown` and the
        `absent` after it, that pair adds nothing.
        """
        claims: list[Event] = []
        of_run: dict[RunId, list[Outcome]] = {}
        for event in recorded:
            if not isinstance(event, Claim):
                of_run.setdefault(event.run, []).append(event)
            elif event.claim not in self.claims:
                claims.append(event)
        wanted = [
            event
            for run, of_it in of_run.items()
            if run not in self.records
            or self._with_outcomes(self.records[run], of_it) != self.records[run]
            for event in of_it
        ]
        return claims + wanted

    def _with_outcomes(self, record: Record, outcomes: Iterable[Outcome]) -> Record:
        for event in outcomes:
            record = with_outcome(record, event, self.claims)
        return record


_OF_A_CLAIM = (Rejected, Unknown, Absent)


def _claim(records: dict[RunId, Record], event: Claim) -> Claim:
    """Add the claim's runs to the records, and return the claim to keep.

    It is kept in columns if it fits into them. The records are brief if, besides, no run has one
    yet.
    """
    try:
        runs = ClaimedRuns(event)
    except ValueError:
        runs = None
    if runs is None or not records.keys().isdisjoint(runs.runs):
        _claim_each(records, event)
    else:
        records.update(zip(runs.runs, runs.records(), strict=True))
    return event if runs is None else msgspec.structs.replace(event, runs=runs)


def _claim_each(records: dict[RunId, Record], event: Claim) -> None:
    until = ledger_instant(event.until)
    for run, claimed in event.runs.items():
        before = records.get(run)
        if before is not None and before.phase in STARTED:
            continue  # a claim cannot undo a start: keep the record
        if before is not None and before.phase in UNSETTLED and before.claim != event.claim:
            raise LedgerError(
                f"the ledger has claim {event.claim} over {run}, whose claim {before.claim} had no "
                "outcome: two histories were merged",
                hint=LOST,
            )
        records[run] = _claimed_record(run, claimed, event, until)


def _claimed_record(run: RunId, claimed: ClaimedRun, event: Claim, until: EpochMs) -> FullRecord:
    return FullRecord(
        run=run,
        phase=Phase.CLAIMED,
        digest=claimed.digest,
        trigger_time=claimed.trigger_time,
        flow_id=claimed.flow_id,
        claim=event.claim,
        claimed_at=event.at,
        until=until,
    )


def _check_claimed(event: Rejected | Unknown | Absent, claims: Mapping[Nonce, Claim]) -> None:
    """Raise LedgerError for an outcome whose claim the ledger has lost: the run may be in doubt."""
    claim = claims.get(event.claim)
    if claim is None or event.run not in claim.runs:
        raise LedgerError(
            f"the ledger has {event_kind(event)} for {event.run} under claim {event.claim}, "
            "which is not there",
            hint=LOST,
        )
