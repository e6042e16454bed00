"""The gateway's side of the world: instances, their lives, and who is shown which of them."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf

from reconciler.apply import ports
from reconciler.apply.instances import LEAD_MS
from reconciler.configuration import Environment
from reconciler.model import EpochMs, InstanceId, Run, RunId, run_digest
from reconciler.times import SECOND_MS, zoned_time
from tests.simulation.chances import Chances
from tests.simulation.clock import MINUTE_MS
from tests.simulation.instances import Rerun, Started
from tests.simulation.listing import listed
from tests.simulation.loop import VirtualLoop
from tests.simulation.oddities import HOUR_MS, USERS
from tests.simulation.promise import ViolationError
from tests.simulation.truth import Truth

BAD = (-1, 7, 8, 4, 10)  # FAIL, TIMEOUT, CANCEL, INTERNAL_ERROR, SKIP
_HASH_CHARACTERS = 16
LONGEST_LIFE_SECONDS = 12.0
# Between a run's start and another's that only a nonce tells from it: 6 after its record. Where the
# row without it is listed alone, the service may just not show it.
AT_ONCE_SECONDS = 10.0


@dataclass(slots=True, eq=False, kw_only=True)
class Service(ABC):
    """The instances of the runs, and those that others start."""

    loop: VirtualLoop
    random: random.Random
    environment: Environment  # as configured at first
    runs: tuple[Run, ...]  # everything that is declared in the end, by its newest revision
    chances: Chances
    truth: Truth
    called_off: set[str] = field(default_factory=set)  # manifests with `cancel: true`
    ever_called_off: set[str] = field(default_factory=set)
    suspended: set[str] = field(default_factory=set)  # manifests with `suspend: true`
    lost: list[RunId] = field(default_factory=list)  # the answer to whose start was lost
    trace: list[str] = field(default_factory=list)
    broken: list[ViolationError] = field(default_factory=list)  # by what happens later

    @property
    def now(self) -> float:
        return self.loop.time()

    def service_time(self) -> EpochMs:
        return self.truth.clock.at(self.now)

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:10.3f} {text}")

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def later(self, delay: float, work: Callable[[], object]) -> None:
        """Have it happen after so many seconds. A violation is kept: no caller would see it."""

        def happen() -> None:
            try:
                work()
            except ViolationError as error:
                self.note(str(error))
                self.broken.append(error)

        self.loop.call_later(delay, happen)

    def check_unbroken(self) -> None:
        """Raise the first violation by what happened later, if there was any."""
        if self.broken:
            raise self.broken[0]

    # Instances

    def instance_of(self, run: Run, user: str, number: str) -> Started:
        """Make an instance, and choose its life."""
        clock = self.truth.clock
        begins = max(self.now, clock.reached(run.trigger_time))
        # A waiting instance need not be listed.
        shown = self.now if self.random.random() < 0.5 else begins
        ends = begins + 1 + self.random.random() ** 2 * LONGEST_LIFE_SECONDS
        status = self._end()
        forgotten, rerun = self.chance(self.chances.forgotten), None
        if status in BAD and self.chance(self.chances.rerun):
            again = ends + self.random.random() * 10
            rerun = Rerun(begins=again, ends=again + self.random.random() * 10, status=self._end())
        return Started(
            run=run,
            instance=self._instance_id(run, number),
            claim=None,
            user=user,
            at=self.now,
            begins=begins,
            listed=clock.after(shown, self._lateness()),
            ends=ends,
            status=status,
            forgotten=forgotten,
            rerun=rerun,
        )

    def _lateness(self) -> float:
        return self.random.random() * self.environment.gateway.settle * 0.95

    def _end(self) -> int:
        return self.random.choice(BAD) if self.chance(self.chances.ends_badly) else 1

    def _instance_id(self, run: Run, number: str) -> InstanceId:
        oddities = self.truth.oddities
        # As in the documented samples: flow and trigger time, cut to the minute.
        time = EpochMs(run.trigger_time // oddities.id_unit * oddities.id_unit)
        base = f"{zoned_time(time, self.environment.gateway.zone):%Y%m%d%H%M}00"
        if oddities.id_is_number:
            base = str(time // oddities.id_unit)
        base = f"{run.flow_id}-{base}" if oddities.names_flow else base
        if oddities.id_is_hash:
            text = base if oddities.shared_ids else f"{base}-{number}"
            return InstanceId(sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS])
        if oddities.machines and oddities.id_unit == MINUTE_MS:  # of more: see decision 0008
            base += self.random.choice(["-a", "-b"])
        return InstanceId(base if oddities.shared_ids else f"{base}-{number}")

    # Others

    def start_by_hand(self, run: Run) -> None:
        """An hour ago somebody has started the very same."""
        number = f"by-hand-{len(self.truth.strangers)}"
        self.truth.strangers.append(
            Started(
                run=run,
                instance=self._instance_id(run, number),
                claim=None,
                user=self.random.choice(USERS),
                at=-3600,
                begins=-3600,
                listed=-3600,
                ends=-3500,
                status=self._end(),
            )
        )

    def strangers_come(self, run: Run, within: float) -> None:
        """Others may start something in the run's minute, at some time."""
        if self.truth.oddities.strangers and self.chance(self.chances.stranger):
            delay = self.random.random() * within
            self.later(delay, lambda: self._start_a_stranger(run))

    def _start_a_stranger(self, run: Run) -> None:
        """Others start the run's flow in its minute: what it carries, or something else."""
        oddities = self.truth.oddities
        hidden = "hidden" in oddities.parameters
        is_twin = oddities.twins and self.random.random() < 0.7
        alike = is_twin or hidden
        always = oddities.correlation and not oddities.correlation_changes
        told_apart = always and not hidden
        if not is_twin:
            parameters = (("SITE", "by-somebody"),)
            digest = run_digest(run.flow_id, run.trigger_time, parameters)
            run = run.but(parameters=parameters, digest=digest)
        run = run.but(name="a-stranger", revision=1, attempt=1)
        user = self.random.choice(USERS)
        stranger = self.instance_of(run, user, f"other-{len(self.truth.strangers)}")
        own = [one for one in self.truth.started if one.instance == stranger.instance]
        if oddities.hides_older and alike and not told_apart and not self._is_plainly_later(own):
            return  # of two that look the same only one would be shown: nobody could tell
        at_once = any(self.now - one.at < AT_ONCE_SECONDS for one in own)
        files_alike = oddities.filed_when_triggered and oddities.hides_older
        if (oddities.newest_of_all or files_alike) and oddities.id_unit > MINUTE_MS:
            return  # may hide a run of another minute, of which nobody knows: an assumption
        if oddities.hides_older and alike and at_once:
            return  # the same: see the assumptions in docs/exactly-once.md
        stranger.forgotten = False
        if oddities.shared_ids and alike:  # never shown alone where the run's own exists
            if any(self._is_forgotten(one) for one in own):
                return  # what was gone for somebody does not come back
            stranger.listed = max(stranger.listed, *(one.listed for one in own), stranger.at)
            for one in own:
                one.forgotten = False
        self.truth.strangers.append(stranger)
        twin = "the same" if is_twin else "something"
        self.note(f"others start {twin} as {stranger.instance}, until {stranger.ends:.3f}")

    def _is_plainly_later(self, own: Sequence[Started]) -> bool:
        """Whether what is created now has a stamp that none of those can have.

        Each is recorded, and longer ago than stamps are ahead, are behind, or are cut to.
        """
        oddities = self.truth.oddities
        if not own or oddities.created_unit > SECOND_MS or oddities.jumps:
            return False
        off = LEAD_MS + SECOND_MS + abs(oddities.created_ahead)
        recorded = [self._recorded_at(one) for one in own]
        return all(at is not None and self.service_time() > at + off for at in recorded)

    # What is shown

    def known(
        self, user: str, instance: InstanceId | None = None, *, at: float | None = None
    ) -> list[Started]:
        """What that user may see at a time, now if none is given, the newest last."""
        seen_at = self.now if at is None else at
        hides = self.truth.oddities.hides
        found = [
            one
            for one in (*self.truth.strangers, *self.truth.overdue, *self.truth.started)
            if instance in {None, one.instance}
            and one.listed <= seen_at
            and not (hides and one.user != user)
            and not self._is_forgotten(one)
        ]
        return sorted(found, key=lambda one: one.at)

    def _is_forgotten(self, one: Started) -> bool:
        return one.forgotten and self.now >= one.ends and self._recorded_at(one) is not None

    @abstractmethod
    def _recorded_at(self, one: Started) -> EpochMs | None:
        """The time by the service at which it is recorded to have been started; None if it is not.

        Only then it may be forgotten: longer than that every service remembers what it did.
        """

    def listing(
        self,
        user: str,
        instance: InstanceId | None = None,
        wanted: Callable[[Started], bool] = lambda _: True,
    ) -> list[Started]:
        """What a list shows of what is known and wanted."""
        known = self.known(user, instance)
        if self.truth.oddities.newest_of_all:
            known = list({one.instance: one for one in known}.values())
        known = [one for one in known if wanted(one)]
        if self.truth.oddities.hides_older:
            known = list({one.instance: one for one in known}.values())
        return known

    def by_id(self, user: str, instance: InstanceId) -> Started | None:
        """What the service says under an id: the newest; once, perhaps, that there is none."""
        known = self.known(user, instance)
        if not known:
            return None
        newest = known[-1]
        nulls = self.truth.oddities.nulls and newest.null_until is None
        if nulls and self.chance(self.chances.null):
            newest.null_until = self.truth.clock.after(self.now, self._lateness())
            self.note(f"for a moment there is no {instance}")
        is_null = newest.null_until is not None and self.now < newest.null_until
        return None if is_null else newest

    def filed_under(self, one: Started) -> EpochMs:
        """The trigger time by which a search finds it."""
        if self.truth.oddities.filed_when_triggered:
            return self.truth.clock.at(one.begins)
        return one.run.trigger_time

    def shown(self, one: Started) -> ports.Instance:
        """The instance as the service lists it now."""
        readable = not self.chance(self.chances.unreadable)
        created = self.truth.clock.at(one.at)
        return listed(one, self.truth.oddities, created=created, now=self.now, readable=readable)

    def shown_readably(self, one: Started) -> ports.Instance:
        """The same, where nothing of it is unreadable."""
        created = self.truth.clock.at(one.at)
        return listed(one, self.truth.oddities, created=created, now=self.now, readable=True)

    def created_as_shown(self, one: Started) -> EpochMs | None:
        """When it was created, as every list says."""
        return self.shown_readably(one).created

    def cancel(self, applier: str, user: str, instance: InstanceId, seen_at: float) -> bool:
        """Cancel the newest that runs under that id; whether there was any.

        What came up after the applier has looked, no applier can know: it is left alone. So is what
        the service never lists, for there the id names the newest only.
        """
        known = self.known(user, instance, at=seen_at)
        named = known[-1:] if self.truth.oddities.hides_older else known
        running = [one for one in named if one.is_running(self.now)]
        if not running:
            return False
        self.note(f"{applier} CANCELS {running[-1].run.id}")
        self._check_cancellation(running[-1])
        running[-1].cancelled(self.now)
        return True

    @abstractmethod
    def _check_cancellation(self, one: Started) -> None:
        """Raise ViolationError unless the instance is one that somebody wants to be cancelled."""

    def own_first(self, started: Started) -> Started:
        """Show the run's own, at once and for good, where others under its id look the same.

        Those of an hour ago do by a stamp that is cut to the hour or more.
        """
        since = 0 if self.truth.oddities.created_unit < HOUR_MS else -inf
        others = (one for one in self.truth.under(started.instance) if one.claim is None)
        alike = any(one.at > since for one in others)
        if self.truth.oddities.shared_ids and alike:
            started.listed, started.forgotten = started.at, False
        return started
