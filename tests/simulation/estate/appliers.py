"""Rounds of applies and changes, then peace; each apply is held to what it says."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from reconciler.apply.doubt import Doubt
from reconciler.apply.result import ApplyResult
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.ledger import Event, Ledger, events, read_events
from reconciler.ledger.files import ACTIVE
from reconciler.ledger.records import UNSETTLED
from tests.simulation.estate.applier import Applier
from tests.simulation.estate.aside import AbandonedError
from tests.simulation.estate.clone import Clone
from tests.simulation.estate.layout import key_of_digest
from tests.simulation.estate.peace import restore
from tests.simulation.estate.people import change, maybe_change, mend
from tests.simulation.estate.remote import HEADS, TAKES_TRACES, Refs
from tests.simulation.estate.traces import check_traces, saw
from tests.simulation.estate.world import Instance, World
from tests.simulation.process import CrashedError
from tests.simulation.promise import ViolationError

MOST_SECONDS = 2_400.0  # of an apply
LATEST_PUSH_SECONDS = 120.0  # after its answer
_Result = TypeVar("_Result")

MOST_APPLIES = 12  # in peace, of an environment, until it says that all is well


class Appliers:
    """Everybody who applies in one seed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crashes = self.problems = self.processes = self.left_to_people = 0

    async def live(self) -> None:
        world = self.world
        for index in range(world.random.randint(1, 2)):
            self._clone(f"clone-{index}", shallow=False)
        for _ in range(world.random.randint(2, 4)):
            at_once = range(world.random.choice([1, 1, 2, 3]))
            await asyncio.gather(*(self._one_or_two() for _ in at_once))
            if mend in world.changes and world.chance(0.3):
                mend(world)
            for _ in range(world.random.randint(0, 2)):
                change(world)
        await self._peace()

    async def _one_or_two(self) -> None:
        world = self.world
        for _ in range(world.random.randint(1, 2)):
            await asyncio.sleep(world.random.choice([0.5, 5.0, 60.0]) * world.random.random())
            names = sorted(world.only) or [*sorted(world.clones), "new", "new"]
            name = world.random.choice(names)
            clone = world.clones.get(name) or self._clone(
                f"new-{self.processes}", shallow=world.shallow and world.chance(0.6)
            )
            if clone.checkout is None or world.chance(0.85):
                self._pull(clone)
            if clone.checkout is not None:  # the branch may not be there, for whoever reads late
                homes = sorted(world.layout_at(clone.checkout).homes)
                environment = world.random.choice(homes)
                if world.adopting and world.chance(world.adopting):
                    await self._adopt(clone, environment)
                else:
                    await self._apply(clone, environment)

    def _clone(self, name: str, *, shallow: bool) -> Clone:
        world = self.world
        seen = world.remote.seen().refs
        cut = frozenset(seen.values()) if shallow else frozenset()
        clone = Clone(
            name=name,
            objects=world.objects,
            origin=world.remote,
            pause=self._pause,
            pushed=self._pushed,
            cut=cut,
            heard=world.remote.seen().head,
            is_talkative=len(world.clones) % 3 != 0,
        )
        world.clones[name] = clone
        return clone

    def _pause(self, what: str, seconds: float) -> None:
        self.world.aside.owner.pause(what, seconds)

    def _pushed(self, commit: str) -> None:
        self.world.aside.owner.pushed.append(commit)

    def _pull(self, clone: Clone) -> None:
        seen = self.world.remote.seen()
        branch = self.world.layout.branch or seen.head
        clone.checkout = seen.refs.get(f"{HEADS}{branch}") or clone.checkout

    def _applier(self, clone: Clone, what: str) -> Applier:
        self.processes += 1
        name = f"p{self.processes}"
        self.world.note(f"{name} {what} in {clone.name}")
        return Applier(world=self.world, name=name, clone=clone, change=maybe_change)

    async def _live_through(self, applier: Applier, work: Awaitable[_Result]) -> _Result | None:
        """What comes of one process; None if it is refused, or crashes."""
        world = self.world
        world.alive += 1
        try:
            async with asyncio.timeout(MOST_SECONDS):
                return await work
        except TimeoutError:
            raise ViolationError("an apply waits for ever") from None
        except ReconcilerError as error:
            world.note(f"{applier.name} ends: {error}")
            self.problems += 1
            self._check_said(applier, str(error))
            self._check_told(applier, [*applier.said, str(error)])
        except BaseException as error:
            if not applier.dead or not _is_crash(error):
                raise
            self.crashes += 1
        finally:
            world.alive -= 1
        return None

    async def _adopt(self, clone: Clone, environment: str) -> None:
        """A person says of one that was started by hand which run it is, perhaps too late."""
        world, commit = self.world, clone.checkout or ""
        home = world.layout_at(commit).homes[environment]
        declared = world.layout_at(commit).of_home(home).values()
        known = [
            (name, one)
            for name, key in declared
            for one in world.by_hand
            if (one.service, one.key) == (home.service_name, key)
        ]
        if not known:
            return
        name, one = world.random.choice(known)
        applier = self._applier(clone, f"adopts {name} of {environment} as {one.id}")
        work = applier.adopt(environment, commit, name, one)
        if await self._live_through(applier, work):
            world.note(f"{applier.name} has adopted it")
            world.told.append(one)
            saw(world, applier, world.layout_at(commit).homes[environment].state)

    async def _apply(self, clone: Clone, environment: str) -> ApplyResult | None:
        world = self.world
        applier = self._applier(clone, f"applies {environment}")
        began = world.remote.seen()
        result = await self._live_through(applier, applier.live(environment, clone.checkout or ""))
        if result is None:
            return None
        saw(world, applier, world.layout_at(result.commit).homes[environment].state)
        code = result.exit_code
        doubts = [f"{doubt.planned.id}: {doubt.reason}" for doubt in result.doubts]
        world.note(f"{applier.name} ends with {code!r} {'; '.join(doubts)}")
        twice = [f"{record.run}: {record.error}" for record in result.twice]
        self._check_told(applier, [*doubts, *twice])
        if code is ExitCode.OK:
            self._check_done(environment, result.commit, began)
        return result

    def _check_said(self, applier: Applier, words: str) -> None:
        """Whoever says that a claim was declined, or an adoption refused, has looked."""
        manners = self.world.manners
        if manners.lag or manners.queued or manners.unanswered or applier.clone.fork is not None:
            return  # it may land, or be seen, after whoever looked has gone away
        moved = "is now the default branch of" in words  # then the claim may be on another one
        on_it = {*self.world.claims, *self.world.adopted}
        if "declined the claim" in words and not moved and applier.nonces[-1] in on_it:
            raise ViolationError("a claim is called declined, and is on the branch")
        if "cannot be adopted" in words and applier.nonces[-1] in self.world.adopted:
            raise ViolationError("an adoption is refused for what it has recorded itself")

    def _check_told(self, applier: Applier, said: Sequence[str]) -> None:
        """Whoever has started something too late says so, unless it is recorded."""
        for one in self.world.overdue:
            own = one.claims & {*applier.nonces}
            if own and not (self._is_recorded(one) or any(one.run.id in words for words in said)):
                raise ViolationError(f"nobody is told of {one.run.id}, which left too late")

    def _is_recorded(self, one: Instance) -> bool:
        """Whether a ledger names the instance, or has its claim without an outcome."""
        ledgers = [Ledger.of(_events_in(text)) for text in self.world.lineages]
        records = [ledger.records.get(one.run.id) for ledger in ledgers]
        return any(
            one.id in record.instances or (record.claim in one.claims and record.phase in UNSETTLED)
            for record in records
            if record is not None
        )

    def _check_done(self, environment: str, commit: str, began: Refs) -> None:
        """Whoever says that all is well has left nothing that was declared there.

        An adoption counts if the branch held it at any time since the apply began: `began` is what
        the remote showed then.
        """
        world = self.world
        layout = world.layout_at(commit)
        home = layout.homes[environment]
        for run, key in layout.of_home(home).values():
            service = home.service_name
            if not (
                world.started(service, key)
                or world.started_late(service, key)
                or world.is_adopted(service, key, began, commit)
            ):
                raise ViolationError(f"{run} (k{key}) was not started, and nobody says so")

    async def _peace(self) -> None:
        world = self.world
        world.crash = world.lost_answer = world.change = 0.0
        world.is_calm = True
        world.remote.manners = world.manners.kind()
        world.note("PEACE")
        await asyncio.sleep(LATEST_PUSH_SECONDS)
        if not self.crashes and "lose a trace" not in world.drawn:
            check_traces(world)
        for clone in world.clones.values():
            clone.fork = None
        restore(world)
        for name in sorted(world.layout.homes):
            await self._in_peace(name)
        if world.broken:
            raise world.broken[0]

    async def _in_peace(self, environment: str) -> None:
        world = self.world
        for number in range(MOST_APPLIES):
            chosen = world.random.choice([*sorted(world.clones), "new"])
            clone = world.clones.get(chosen) or self._clone(f"late-{number}", shallow=False)
            self._pull(clone)
            result = await self._apply(clone, environment)
            if result is None:
                raise ViolationError(f"in peace, {environment} is refused")
            if result.exit_code is ExitCode.OK:
                await self._check_kept(environment)
                return
            if self._is_for_people(environment, result):
                self.left_to_people += 1
                return
            await asyncio.sleep(60)
        raise ViolationError(f"in peace, {environment} never comes to an end")

    def _is_for_people(self, environment: str, result: ApplyResult) -> bool:
        """Whether only people can tell what became of all that is in doubt."""
        service = self.world.layout.homes[environment].service_name
        doubted = [doubt for doubt in result.doubts if not self._is_known_to_a_copy(doubt)]
        unsure = [*(one.planned.record for one in doubted), *result.twice]
        # What is recorded as late may never have arrived: nobody but people can tell that either.
        late = all(
            record is not None
            and (record.overdue or self.world.started_late(service, key_of_digest(record.digest)))
            for record in unsure
        )
        return bool(result.doubts or result.twice) and late

    def _is_known_to_a_copy(self, doubt: Doubt) -> bool:
        """Whether a copy of the ledger tells what became of the very claim; people settle it."""
        run, record = doubt.planned.id, doubt.planned.record
        return any(
            event.run == run and record is not None and event.claim == record.claim
            for text in self.world.lineages
            for event in _events_in(text)
            if isinstance(event, events.Triggered | events.Absent)
        )

    async def _check_kept(self, environment: str) -> None:
        """A clone that remembers no refusal has a trace kept wherever the server takes one."""
        world = self.world
        clone = self._clone(f"last-{environment}", shallow=False)
        self._pull(clone)
        result = await self._apply(clone, environment)
        if result is None or result.exit_code is not ExitCode.OK:
            raise ViolationError(f"in peace, a new clone finds fault with {environment}")
        state = world.layout.homes[environment].state
        text = world.texts(world.tip(world.ledger_branch)).get(state, b"")
        takes = world.manners.traces in TAKES_TRACES[:2]
        if takes and text and not any(one.startswith(text) for one in world.traces()):
            raise ViolationError(f"in peace, no trace is kept of {environment}")


def _events_in(text: bytes) -> Iterable[Event]:
    return read_events({ACTIVE: text}, "a copy")


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(one) for one in error.exceptions)
    return isinstance(error, CrashedError | AbandonedError | asyncio.CancelledError)
