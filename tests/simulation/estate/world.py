"""One repository, its server, the services that runs are started at, and what must hold."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from reconciler.errors import LedgerError
from reconciler.ledger import Event, events, read_events
from reconciler.ledger.files import ACTIVE, SEAL_BYTES, is_ledger_name, ledger_text
from reconciler.model import EpochMs, InstanceId, Nonce, Run
from reconciler.times import parse_instant, parse_zone, zoned_time
from tests.simulation.chances import Freezes
from tests.simulation.clock import START
from tests.simulation.estate.aside import Aside
from tests.simulation.estate.clone import Clone
from tests.simulation.estate.layout import (
    ORGANISATIONS,
    Layout,
    declared_run,
    key_of_digest,
    true_service,
)
from tests.simulation.estate.objects import Objects
from tests.simulation.estate.remote import HEADS, TRACES, Manners, Move, Refs, Remote
from tests.simulation.estate.traces import came_alone, check_trace
from tests.simulation.loop import VirtualLoop
from tests.simulation.promise import ViolationError

MAIN = "main"
LIFE_SECONDS = 20.0  # of an instance
BEGINNINGS = events.Claim | events.Adopted
BY_HAND = 0.5  # that a run was started by hand, where people do that


@dataclass(slots=True, kw_only=True, eq=False)
class Instance:
    """What a service has started."""

    service: str
    run: Run
    number: int
    at: float
    claims: frozenset[Nonce]  # under one of which it was started

    @property
    def key(self) -> int:
        return key_of(self.run)

    @property
    def id(self) -> InstanceId:
        """As in the documented samples: flow and trigger time; and what tells it from others."""
        time = zoned_time(self.run.trigger_time, parse_zone("GMT+8"))
        return InstanceId(f"{self.run.flow_id}-{time:%Y%m%d%H%M}00-{self.number}")


def key_of(run: Run) -> int:
    """By which a run is known, whatever it is called and wherever it is declared."""
    return int(dict(run.parameters)["KEY"].removeprefix("k"))


# What others do; says what it was, or None if it could not be done now.
Change = Callable[["World"], str | None]


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """Everything outside the appliers."""

    loop: VirtualLoop
    random: random.Random
    layout: Layout
    manners: Manners
    freezes: Freezes
    is_calm: bool = False  # nobody crashes, freezes or changes anything any more
    crash: float = 0.0  # how often a process dies at a step
    lost_answer: float = 0.0  # of starts
    changes: Sequence[Change] = ()  # that others may make
    change: float = 0.0  # how often others change something, of the steps of all processes
    adopting: float = 0.0  # how often a person adopts what was started by hand, of all processes
    shallow: bool = False  # some clones are
    seal_bytes: int = SEAL_BYTES  # past which an append begins a new file of the ledger
    objects: Objects = field(default_factory=Objects)
    aside: Aside = field(default_factory=Aside)
    remote: Remote = field(init=False)
    fork: Remote = field(init=False)
    clones: dict[str, Clone] = field(default_factory=dict)
    only: frozenset[str] = frozenset()  # the clones that apply, where no other could notice a loss
    alive: int = 0  # processes that are at work
    instances: list[Instance] = field(default_factory=list)
    # Started after their claim had ended, by processes that were frozen: nobody can prevent that.
    overdue: list[Instance] = field(default_factory=list)
    by_hand: list[Instance] = field(default_factory=list)  # that people have started, an hour ago
    adopted: dict[Nonce, Instance] = field(default_factory=dict)  # of them, by what was pushed
    # Of these, as somebody has been told. Who is told that it is not certain says it once more.
    told: list[Instance] = field(default_factory=list)
    claims: dict[Nonce, events.Claim] = field(default_factory=dict)  # that were on the branch
    lineages: list[bytes] = field(default_factory=list)  # every ledger at its longest
    astray: list[bytes] = field(default_factory=list)  # those that end in a claim on another branch
    layouts: dict[str, Layout] = field(default_factory=dict)  # by the commits of people
    ever: dict[str, set[int]] = field(default_factory=dict)  # keys that a service's had declared
    broken: list[ViolationError] = field(default_factory=list)  # by what nobody waits for
    trace: list[str] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)  # what others did, and how the server is

    def __post_init__(self) -> None:
        commit = self.objects.commit(self.objects.folder(self.layout.files()), (), "First")
        self.took_over(commit, self.layout)
        self.remote = self._remote_at(commit, self.manners, self.landed)
        self.fork = self._remote_at(commit, Manners(), lambda _: None)
        self.drawn |= {f"server: {name}" for name in self.manners.names}
        if self.seal_bytes != SEAL_BYTES:
            self.drawn.add("ledgers of several files")
        self.note(f"server: {self.manners}")

    def _remote_at(self, commit: str, manners: Manners, landed: Callable[[Move], None]) -> Remote:
        return Remote(
            objects=self.objects,
            random=self.random,
            now=self.loop.time,
            later=self._later,
            landed=landed,
            manners=manners,
            states=[Refs(-1e9, {f"{HEADS}{MAIN}": commit}, MAIN)],
        )

    def _later(self, seconds: float, happen: Callable[[], object]) -> None:
        self.loop.call_later(seconds, happen)

    @property
    def now(self) -> float:
        return self.loop.time()

    def service_time(self) -> EpochMs:
        return EpochMs(START + int(self.now * 1000))

    def note(self, what: str) -> None:
        self.trace.append(f"{self.now:9.3f} {what}")

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # What people see and do

    @property
    def branch(self) -> str:
        return self.layout.branch or self.remote.head

    @property
    def ledger_branch(self) -> str:
        return self.layout.ledger_branch or self.branch

    def tip(self, branch: str) -> str | None:
        return self.remote.refs.get(f"{HEADS}{branch}")

    def ledgers(self, branch: str) -> dict[str, bytes]:
        """Every ledger file of a branch, by its path."""
        tip = self.tip(branch)
        files = self.objects.files(tip) if tip is not None else {}
        return {path: text for path, text in files.items() if _is_ledger(path)}

    def own_ledgers(self) -> dict[str, bytes]:
        """The ledger files of the branch that is meant for them."""
        return self.ledgers(self.ledger_branch)

    def publish(
        self, layout: Layout, ledgers: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> None:
        """Push a new layout; `ledgers`: by branch, the ledger files that are to lie there."""
        given = ledgers or {}
        branch = layout.branch or self.remote.head
        beside = given.get(branch, self.ledgers(branch))
        self._commit(branch, {**layout.files(), **beside})
        for other, files in given.items():
            if other != branch:
                self._commit(other, files)
        self.took_over(self.tip(branch) or "", layout)

    def took_over(self, commit: str, layout: Layout) -> None:
        """Note what people want from now on, and where they wrote it."""
        self.layout = self.layouts[commit] = layout
        for home in layout.homes.values():
            keys = {key for _, key in layout.of_home(home).values()}
            self.ever.setdefault(home.service_name, set()).update(keys)

    def _commit(self, branch: str, files: Mapping[str, bytes]) -> None:
        tip = self.tip(branch)
        tree = self.objects.folder(files)
        made = self.objects.commit(tree, () if tip is None else (tip,), "Change")
        self.remote.move({f"{HEADS}{branch}": made})

    def layout_at(self, commit: str) -> Layout:
        """What people wanted at that commit."""
        return next(
            self.layouts[one] for one in self.objects.history(commit) if one in self.layouts
        )

    def is_whole(self) -> bool:
        """Whether the branch holds all that was ever on it."""
        return self.hold(self.texts(self.tip(self.ledger_branch)).values())

    def is_remembered(self) -> bool:
        """Whether whoever comes next can read all of that in the traces, now and later."""
        shown, there = self.remote.seen().refs, self.remote.refs
        return self.hold(self._lasting_traces(shown)) and self.hold(self._lasting_traces(there))

    def traces(self) -> list[bytes]:
        """The text of every trace that the remote shows."""
        return self._texts_of(_traces_in(self.remote.seen().refs))

    def _lasting_traces(self, refs: Mapping[str, str]) -> list[bytes]:
        """The text of every trace, without those that will be taken back."""
        states = self.remote.states
        return self._texts_of(oid for oid in _traces_in(refs) if not came_alone(self, oid, states))

    def _texts_of(self, traces: Iterable[str]) -> list[bytes]:
        return [text for oid in traces for text in self.texts(oid).values()]

    def hold(self, texts: Collection[bytes]) -> bool:
        """Whether some of the texts go on with every ledger at its longest."""
        return all(any(text.startswith(one) for text in texts) for one in self.lineages)

    def texts(self, oid: str | None) -> dict[str, bytes]:
        """The text of every ledger in a commit or tree, by its folder."""
        return {} if oid is None else dict(_texts(self.objects.files(oid)))

    # What is pushed

    def landed(self, move: Move) -> None:
        """A push of the product has landed: learn its claims, and how long the ledgers are."""
        if move.ref.startswith(TRACES):
            check_trace(self, move)
            return
        before = set(self.texts(move.expected).values())
        is_read = move.ref == f"{HEADS}{self.ledger_branch}"
        for text in set(self.texts(move.commit).values()) - before:
            self.note(f"on {move.ref}: {text.splitlines()[-1][:300].decode()}")
            read = list(read_events({ACTIVE: text}, "landed"))
            self._learn_adoptions(read)
            if isinstance(read[-1], BEGINNINGS) and not is_read:
                self.astray.append(text)  # nobody may believe it: HEAD has moved
                continue
            self._is_read(text, read)

    def read_again(self) -> None:
        """The branch is another one now: whatever lies there is read from now on."""
        for text in self.texts(self.tip(self.ledger_branch)).values():
            self._is_read(text, list(read_events({ACTIVE: text}, "read again")))

    def _is_read(self, text: bytes, read: Sequence[Event]) -> None:
        self._goes_on(text)
        self.claims |= {one.claim: one for one in read if isinstance(one, events.Claim)}

    def _goes_on(self, text: bytes) -> None:
        self.lineages = [one for one in self.lineages if not text.startswith(one)]
        if not any(one.startswith(text) for one in self.lineages):
            self.lineages.append(text)

    def _learn_adoptions(self, read: Sequence[Event]) -> None:
        for one in read:
            if isinstance(one, events.Adopted) and one.claim not in self.adopted:
                self.adopted[one.claim] = self._adoption(one)
                its = (other.service for other in read if isinstance(other, BEGINNINGS))
                if len({true_service(one.org_id, one.gateway) for one in its if one}) > 1:
                    raise ViolationError(f"{one.run} is adopted in another service's ledger")

    def _adoption(self, event: events.Adopted) -> Instance:
        """What was started by hand and is recorded now, if it is rightly recorded."""
        service = true_service(event.service.org_id, event.service.gateway)
        key = key_of_digest(event.digest)
        its = [
            one
            for one in self.by_hand
            if (one.id, one.service, one.key) == (event.flow_instance_id, service, key)
        ]
        if not its:
            raise ViolationError(f"{event.run} is adopted as what is not its work")
        if self.started(service, key):
            raise ViolationError(f"{event.run} is adopted and was started")
        if its[0] in self.told:
            raise ViolationError(f"{event.run} is adopted as what is another run's")
        return its[0]

    # What is started

    def start_by_hand(self) -> None:
        """People have started some of what is declared, an hour ago, at whatever service."""
        for _, key in sorted(self.layout.declared.values()):
            for service in ORGANISATIONS:
                if self.random.random() < BY_HAND:
                    one = Instance(
                        service=service,
                        run=declared_run(key),
                        number=1_000 + len(self.by_hand),
                        at=-3_600,
                        claims=frozenset(),
                    )
                    self.by_hand.append(one)

    def start(
        self,
        applier: str,
        service: str,
        run: Run,
        nonces: Collection[Nonce],
        *,
        frozen: bool,
    ) -> Instance:
        """Make an instance: the effect that must happen once.

        `frozen`: the process was, after its last look at the claim. No client can do anything about
        that (assumption 1), so an instance that is late for it is held against no rule but one: the
        apply tells of it.
        """
        self.note(f"{applier} STARTS {run.id} (k{key_of(run)}) at {service}")
        held = [self.claims[one] for one in nonces if one in self.claims]
        mine = [claim for claim in held if run.id in claim.runs]
        if not mine:
            raise ViolationError(f"{applier} started {run.id} without a claim on the branch")
        if all(parse_instant(claim.until) <= self.service_time() for claim in mine):
            if not frozen:
                raise ViolationError(f"{applier} started {run.id} after its claim had expired")
            self.note(f"{run.id} was started after its claim")
            self.overdue.append(self._instance(service, run, mine))
            return self.overdue[-1]
        if key_of(run) not in self.ever.get(service, ()):
            raise ViolationError(f"k{key_of(run)} was started at {service}, and not declared there")
        if self.started(service, key_of(run)):
            raise ViolationError(f"k{key_of(run)} was started twice at {service}")
        if any((one.service, one.key) == (service, key_of(run)) for one in self.told):
            raise ViolationError(f"k{key_of(run)} was started by hand, is adopted, and was started")
        self.instances.append(self._instance(service, run, mine))
        return self.instances[-1]

    def _instance(self, service: str, run: Run, claims: Sequence[events.Claim]) -> Instance:
        return Instance(
            service=service,
            run=run,
            number=len(self.instances) + len(self.overdue),
            at=self.now,
            claims=frozenset(claim.claim for claim in claims),
        )

    def started(self, service: str, key: int) -> bool:
        return any(one.service == service and one.key == key for one in self.instances)

    def started_late(self, service: str, key: int) -> bool:
        return any(one.service == service and one.key == key for one in self.overdue)

    def is_adopted(self, service: str, key: int, since: Refs, commit: str) -> bool:
        """Whether somebody was told so, or the branch says it, or has said it since then.

        That is the branch on which a reader of this commit finds the ledgers, by what was the
        default one at that time: it may be another one by now, while an apply is at work.
        """
        shown = self.remote.states[self.remote.states.index(since) :]
        layout = self.layout_at(commit)
        named = layout.ledger_branch or layout.branch
        tips = {one.refs.get(f"{HEADS}{named or one.head}") for one in shown}
        read = chain.from_iterable(
            read_events({ACTIVE: text}, "read") for one in tips for text in self.texts(one).values()
        )
        there = [self.adopted[one.claim] for one in read if isinstance(one, events.Adopted)]
        return any((one.service, one.key) == (service, key) for one in (*self.told, *there))


def _traces_in(refs: Mapping[str, str]) -> list[str]:
    return [oid for ref, oid in refs.items() if ref.startswith(TRACES)]


def _is_ledger(path: str) -> bool:
    return is_ledger_name(path.rpartition("/")[2])


def _texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    folders: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        if is_ledger_name(name):
            folders.setdefault(folder, {})[name] = content
    for folder, found in folders.items():
        try:
            yield folder, ledger_text(found, folder)
        except LedgerError:
            continue
