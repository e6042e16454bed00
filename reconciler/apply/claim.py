"""An apply's own claims: making them, and taking up one that turns out to have landed."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

from msgspec import Struct

from reconciler.apply.before import EarlierLook
from reconciler.apply.branch import Branch, Claiming
from reconciler.apply.checks import refuse_repeated_ids
from reconciler.apply.known import Known
from reconciler.apply.lease import Lease, ServiceClock
from reconciler.apply.ports import Claimed, Noted, Options, Ports
from reconciler.apply.start import Batch
from reconciler.identity import service_of
from reconciler.ledger import events
from reconciler.model import Digest, EpochMs, Nonce, Run, RunId
from reconciler.plan import Action, Plan
from reconciler.plan.limits import surplus
from reconciler.times import ZONES_VERSION, format_instant

LONGEST = 10  # times claimSeconds: the most that a claim lasts where pushes are slow


class _Open(Struct, frozen=True, kw_only=True):
    """A claim that is not known to have landed, and what was known when it was made."""

    claim: events.Claim
    lease: Lease
    known: Known
    began: float  # when its push began, as `Clock.elapsed` gives it
    elsewhere: frozenset[Digest]  # what may have been started, by what other ledgers recorded


class Claims:
    """Hands out batches: runs that only this apply may start, under a claim that has landed."""

    def __init__(self, ports: Ports, options: Options, branch: Branch) -> None:
        self._ports = ports
        self._options = options
        self._branch = branch
        # Claims that are not known to have landed, by nonce. A server that squashes pushes puts the
        # claim on the branch in a commit of its own, so the race seems lost. The race also counts
        # as lost if another ledger has moved meanwhile, which may have claimed the same runs.
        self._open: dict[Nonce, _Open] = {}
        self.starts: Counter[RunId] = Counter()  # in how many batches each run was
        self.push_seconds = 0.0  # how long the last claim took to land, or to lose a race

    async def make(
        self, runs: Sequence[Run], clock: ServiceClock, before: EarlierLook | None
    ) -> Batch | None:
        """Claim the runs and record what is pending; None unless the claim is known to have landed.

        `before`: what stood in the minutes of the runs, if they were searched. Raises RefusedError
        if two of the runs have one id.
        """
        refuse_repeated_ids(run.id for run in runs)
        environment = self._branch.environment
        at = clock.earliest_time()
        lease = Lease(
            clock=clock,
            until=EpochMs(at + int(self._length() * 1000)),
            reserve=environment.gateway.timeout + environment.limits.margin,
        )
        claim = self._claim(runs, at, lease.until, before)
        known = Known(self._branch.ledgers)
        elsewhere_before = self._digests_elsewhere()
        began = self._ports.clock.elapsed()
        claiming = await self._branch.claim(claim)
        if claiming is not Claiming.UNCLEAR:
            self.push_seconds = self._ports.clock.elapsed() - began
        if claiming is Claiming.OURS:
            return self._make_batch(claim, runs, lease, known)
        self._open[claim.claim] = _Open(
            claim=claim, lease=lease, known=known, elsewhere=elsewhere_before, began=began
        )
        return None

    def _claim(
        self, runs: Sequence[Run], at: EpochMs, until: EpochMs, before: EarlierLook | None
    ) -> events.Claim:
        """The ledger's line that claims the runs, with a nonce of its own."""
        gateway = self._branch.environment.gateway
        return events.Claim(
            v=events.VERSION,
            at=format_instant(at),
            claim=self._ports.new_claim(),
            by=self._options.by,
            until=format_instant(until),
            commit=self._branch.snapshot.commit,
            runs={run.id: events.claimed_run(run) for run in runs},
            service=service_of(gateway),
            correlation=gateway.correlation_parameter,
            before=before.seen if before is not None else (),
            looked_at=format_instant(before.at) if before is not None else None,
            tzdata=ZONES_VERSION,
        )

    def _length(self) -> float:
        """How many seconds the next claim lasts: longer if the push of the last one was slow.

        The time of a claim runs from before its push, so a slow push leaves none to start anything.
        """
        environment = self._branch.environment
        usual = environment.limits.claim_seconds
        usable = usual - environment.gateway.timeout - environment.limits.margin
        if self.push_seconds <= usable / 2:
            return usual
        length = float(min(self._needed_seconds(), LONGEST * usual))
        message = (
            f"pushing a claim took {self.push_seconds:.0f} s of its {usual:g}, so the "
            f"next one is made for {length:g} s: raise limits.claimSeconds to "
            f"{self._needed_seconds()}"
        )
        self._ports.progress(Noted(message=message))
        return length

    def _needed_seconds(self) -> int:
        """Seconds that leave a claim its usual time after a push twice as slow as the last one."""
        usual = self._branch.snapshot.environment.limits.claim_seconds
        return math.ceil(usual + 2 * self.push_seconds)

    def give_up(self, number: int) -> None:
        """Report that `number` claims in a row were used up by their pushes, and what to raise."""
        limits = self._branch.snapshot.environment.limits
        message = (
            f"gave up: the time of {number} claims in a row was used up before they had landed, "
            f"though they were made for up to {LONGEST} times limits.claimSeconds "
            f"({limits.claim_seconds:g}); the last push took {self.push_seconds:.0f} s: raise "
            f"limits.claimSeconds to {self._needed_seconds()}"
        )
        self._ports.progress(Noted(message=message))

    def late(self, plan: Plan) -> list[Run]:
        """The runs that `take_up` may give."""
        return [run for claim in self._landed_late for run in _held_runs(plan, claim)]

    @property
    def _landed_late(self) -> Collection[Nonce]:
        return self._open.keys() & self._branch.snapshot.ledger.claims.keys()

    def take_up(self, plan: Plan) -> Batch | None:
        """Take up a claim of this apply that the branch holds after all, whoever put it there."""
        for claim in self._landed_late:
            made = self._open.pop(claim)
            self.push_seconds = self._ports.clock.elapsed() - made.began
            held = _held_runs(plan, claim)
            taken = self._digests_elsewhere() - made.elsewhere
            runs = [run for run in held if run.digest not in taken]
            if len(runs) < len(held):
                self._note_left(f"another ledger has claimed {len(held) - len(runs)} of the runs")
            if many := self._surplus(runs, plan):
                self._note_left(f"{len(many)} of the runs have become too many at once")
                runs = [run for run in runs if run.id not in many]
            if runs:
                return self._make_batch(made.claim, runs, made.lease, made.known)
        return None

    def _note_left(self, words: str) -> None:
        self._ports.progress(Noted(message=f"{words} meanwhile: they are not started"))

    def _surplus(self, runs: Sequence[Run], plan: Plan) -> frozenset[RunId]:
        """The runs that have no place any more, because of what others have claimed meanwhile."""
        most = self._branch.environment.limits.max_active_per_flow
        declared = [planned.run for planned in plan.runs if planned.run is not None]
        return surplus(runs, declared, self._branch.ledger, most)

    def _digests_elsewhere(self) -> frozenset[Digest]:
        """The digests that may have been started, by what other ledgers record."""
        elsewhere = self._branch.snapshot.surroundings.elsewhere.values()
        return frozenset(digest for ledger in elsewhere for digest in ledger.started)

    def _make_batch(
        self, claim: events.Claim, runs: Sequence[Run], lease: Lease, known: Known
    ) -> Batch:
        self._ports.progress(Claimed(claim=claim.claim, runs=len(runs), until=lease.until))
        self.starts.update(run.id for run in runs)
        return Batch(
            claim=claim.claim,
            runs=runs,
            lease=lease,
            progress=self._ports.progress,
            stop=self._ports.stop,
            jitter=self._ports.jitter,
            margin=self._branch.environment.limits.margin,
            correlation=claim.correlation,
            known=known,
        )


def _held_runs(plan: Plan, claim: Nonce) -> list[Run]:
    """The declared runs that the claim holds."""
    return [
        planned.run
        for planned in plan.runs_of_action(Action.HOLD)
        if planned.run and planned.record and planned.record.claim == claim
    ]
