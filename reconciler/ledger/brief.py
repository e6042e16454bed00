"""Records of runs that went as they should, in a quarter of the memory of a full record.

A ledger may hold a million runs, and nearly all of them were claimed, were started and succeeded.
So what a claim says about its runs is stored in columns, and a `BriefRecord` points into them. It
has the attributes of a `FullRecord` and computes each one on demand. Nor does `ByDigest`, which
finds runs by their digests, keep the text of each digest.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, repeat
from typing import Any, ClassVar, cast

import msgspec

from reconciler.enos.statuses import SUCCEEDED, status_name
from reconciler.ledger.events import Claim, ClaimedRun, Event, Observed, Triggered
from reconciler.ledger.records import (
    Concluding,
    FullRecord,
    LateStart,
    Phase,
    Start,
    ledger_instant,
)
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, RunId
from reconciler.numerous import Brief

_DIGEST = 64  # hexadecimal digits
_TIME = 24  # characters of a time as the reconciler writes it: 2024-03-02T08:00:00.000Z
_SUCCESS = next(iter(SUCCEEDED))  # there is one such status
_CLAIMED, _TRIGGERED, _SUCCEEDED = Phase.CLAIMED, Phase.TRIGGERED, Phase.SUCCEEDED


class ClaimedRuns(Mapping[RunId, ClaimedRun]):
    """The runs of a claim in columns, with the fields of the claim that their records need."""

    __slots__ = ("at", "claim", "digests", "flows", "indexes", "runs", "staggers", "times", "until")

    def __init__(self, claim: Claim) -> None:
        """Raises ValueError for a claim that does not fit into columns."""
        claimed = claim.runs.values()
        digests = [one.digest for one in claimed]
        flows = [one.flow_id for one in claimed if one.flow_id is not None]
        staggers = [one.stagger for one in claimed]
        if set(map(len, digests)) - {_DIGEST} or len(flows) != len(digests):
            raise ValueError("a digest of another length, or a flow that is not known")
        self.claim, self.at, self.until = claim.claim, claim.at, ledger_instant(claim.until)
        self.runs = tuple(claim.runs)
        self.digests = "".join(digests)
        try:
            self.flows = array("q", flows)
            times = array("q", [one.trigger_time for one in claimed])
            self.times = cast("Sequence[EpochMs]", times)
            self.staggers = array("q", staggers) if any(staggers) else None
        except OverflowError:
            raise ValueError("a number of more than 64 bits") from None
        self.indexes: dict[RunId, int] | None = None  # built by the first look-up of one run

    def digest(self, index: int) -> Digest:
        """The digest of the run at that index."""
        return Digest(self.digests[index * _DIGEST : (index + 1) * _DIGEST])

    def __getitem__(self, run: RunId) -> ClaimedRun:
        if self.indexes is None:
            self.indexes = {one: index for index, one in enumerate(self.runs)}
        index = self.indexes[run]
        return ClaimedRun(
            digest=self.digest(index),
            trigger_time=self.times[index],
            flow_id=self.flows[index],
            stagger=self.staggers[index] if self.staggers is not None else 0,
        )

    def __iter__(self) -> Iterator[RunId]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def records(self) -> Iterator["BriefRecord"]:
        """A record for each run, with what the claim alone says about it."""
        return map(BriefRecord, repeat(self), count(), self.runs)


class BriefRecord(Concluding, Brief[FullRecord], msgspec.Struct, frozen=True, eq=False, gc=False):
    """What the ledger knows about a run that was claimed, perhaps started, perhaps with success."""

    claimed: ClaimedRuns
    index: int  # of the run in `claimed`
    run: RunId
    phase: Phase = Phase.CLAIMED  # or TRIGGERED, or SUCCEEDED
    said: str = ""  # the times at which start and success were recorded, then the instance's id
    acknowledged: ClassVar[bool] = False
    overdue: ClassVar[tuple[LateStart, ...]] = ()
    started_twice: ClassVar[bool] = False
    cancelled: ClassVar[str | None] = None
    error: ClassVar[str | None] = None
    evidence: ClassVar[Any] = None
    in_full: ClassVar[Any] = FullRecord

    def with_event(self, event: Event) -> "BriefRecord | None":
        """The record after the event; None where only a full record can express it.

        This runs for each event of a ledger, so it makes as few calls as possible.
        """
        if isinstance(event, Observed):
            if (
                self.phase is _TRIGGERED
                and len(event.at) == _TIME
                and (event.status == 1 or status_name(event.status) == _SUCCESS)
            ):
                said = f"{self.said[:_TIME]}{event.at}{self.said[_TIME:]}"
                return BriefRecord(self.claimed, self.index, self.run, _SUCCEEDED, said)
        elif isinstance(event, Triggered) and self.phase is _CLAIMED:
            claimed, index = self.claimed, self.index
            if (
                event.claim == claimed.claim
                and event.digest == claimed.digests[index * _DIGEST : (index + 1) * _DIGEST]
                and event.trigger_time == claimed.times[index]
                and event.flow_id == claimed.flows[index]
                and event.evidence is None
                and not event.inferred
                and len(event.at) == _TIME
            ):
                said = event.at + event.flow_instance_id
                return BriefRecord(claimed, index, self.run, _TRIGGERED, said)
        return None

    @property
    def digest(self) -> Digest:
        """As in a full record; the properties below are, too."""
        return self.claimed.digest(self.index)

    @property
    def trigger_time(self) -> EpochMs:  # noqa: D102 - as in a full record, and so below
        return self.claimed.times[self.index]

    @property
    def flow_id(self) -> int:  # noqa: D102
        return self.claimed.flows[self.index]

    @property
    def claim(self) -> Nonce:  # noqa: D102
        return self.claimed.claim

    @property
    def claimed_at(self) -> str:  # noqa: D102
        return self.claimed.at

    @property
    def until(self) -> EpochMs:  # noqa: D102
        return self.claimed.until

    @property
    def starts(self) -> tuple[Start, ...]:  # noqa: D102
        instance = self.instance
        if instance is None:
            return ()
        return (Start(claim=self.claim, instance=instance, at=self.said[:_TIME]),)

    @property
    def instance(self) -> InstanceId | None:  # noqa: D102
        if self.phase is _CLAIMED:
            return None
        return InstanceId(self.said[2 * _TIME if self.phase is _SUCCEEDED else _TIME :])

    @property
    def triggered_at(self) -> str | None:  # noqa: D102
        return self.said[:_TIME] or None

    @property
    def status(self) -> str | None:  # noqa: D102
        return _SUCCESS if self.phase is _SUCCEEDED else None

    @property
    def ended_at(self) -> str | None:  # noqa: D102
        return self.said[_TIME : 2 * _TIME] if self.phase is _SUCCEEDED else None


Record = FullRecord | BriefRecord


class ByDigest(Mapping[Digest, Sequence[RunId]]):
    """Recorded runs by their digests, in the order in which they were recorded.

    A brief record makes its digest on demand. A digest kept here as a key would take as much memory
    as the rest of the record. So the keys are hashes of digests, and a look-up compares the digests
    themselves. Only a digest that several runs share is kept, and that is rare.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._first: dict[int, Record] = {}  # by the digest's hash
        self._several: dict[Digest, list[RunId]] = {}  # where several records have one hash
        for record in records:
            first = self._first.setdefault(hash(record.digest), record)
            if first is not record:
                self._several.setdefault(first.digest, [first.run])
                self._several.setdefault(record.digest, []).append(record.run)

    def __getitem__(self, digest: Digest) -> Sequence[RunId]:
        several = self._several.get(digest)
        if several is not None:
            return several
        first = self._first[hash(digest)]
        if first.digest != digest:
            raise KeyError(digest)
        return (first.run,)

    def __iter__(self) -> Iterator[Digest]:
        alone = (one.digest for one in self._first.values())
        return iter(dict.fromkeys(chain(alone, self._several)))

    def __len__(self) -> int:
        return sum(1 for _ in self)
