"""A git server, and all the ways in which it may not do as it says."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tests.simulation.estate.objects import Objects

HEADS = "refs/heads/"
TRACES = ("refs/reconciler/", "refs/heads/reconciler-trace/")

TAKES_TRACES = ("anywhere", "on branches", "nowhere", "silently nowhere")
ATOMIC = ("as one", "refused", "each by itself")  # several refs of one push

_RACED = (
    "[rejected] (stale info)",
    "[rejected] (fetch first)",
    "[remote rejected] (invalid old id sent)",
    "[remote rejected] (branch moved)",
    "[remote rejected] (transaction aborted)",
    "[remote rejected] (failed to update ref)",
)
_LOCKED = "[remote rejected] (cannot lock ref: a.lock exists)"
_DECLINED = "[remote rejected] (pre-receive hook declined)"


class Manners(Struct, frozen=True, kw_only=True):
    """How a server behaves. Each number is how often, of its pushes."""

    traces: str = "anywhere"
    atomic: str = "as one"
    lag: float = 0.0  # seconds by which what is read is old
    push_seconds: float = 0.0  # that each push takes at least
    nothing: float = 0.0  # says ok, and moves nothing
    queued: float = 0.0  # says ok, and moves it later if that is possible still
    merged: float = 0.0  # says ok, and puts a merge of it there
    squashed: float = 0.0  # says ok, and puts another commit with the same content there
    rejected_landed: float = 0.0  # says no, and has moved it
    locked: float = 0.0
    declined: float = 0.0
    torn: float = 0.0  # of those of several refs: moves one of them, whatever it says
    unanswered: float = 0.0  # nobody hears whether it was moved, and it may be moved later
    unread: float = 0.0  # of its readings: the remote cannot be reached

    def kind(self) -> "Manners":
        """The same server once it behaves: what it takes, and how fast it is, is its nature."""
        return Manners(traces=self.traces, atomic=self.atomic, push_seconds=self.push_seconds)

    def tears_at_most(self) -> bool:
        """Whether all that it does wrong is to move one ref of several."""
        return replace(self, torn=0.0) == self.kind()

    @property
    def names(self) -> list[str]:
        """What of it was drawn."""
        plain = Manners()
        return [
            f"{name} {getattr(self, name)}" if name in {"traces", "atomic"} else name
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(plain, name)
        ]


def drawn_manners(rng: random.Random) -> Manners:
    """Kind for one seed in four; one oddity for as many as have several."""
    drawn: dict[str, Any] = {
        "traces": rng.choice(TAKES_TRACES[1:]),
        "atomic": rng.choice(ATOMIC[1:]),
        "lag": rng.choice([0.3, 1.0, 8.0, 40.0]),
        "push_seconds": rng.choice([3.0, 20.0, 40.0]),
        "nothing": rng.choice([0.2, 0.6]),
        "queued": rng.choice([0.2, 0.6]),
        "merged": rng.choice([0.3, 1.0]),
        "squashed": rng.choice([0.3, 1.0]),
        "rejected_landed": rng.choice([0.2, 0.6]),
        "locked": 0.2,
        "declined": 0.2,
        "torn": rng.choice([0.3, 1.0]),
        "unanswered": rng.choice([0.2, 0.5]),
        "unread": 0.05,
    }
    count = rng.choice([0, 1, 1, rng.randint(2, 4)])
    return replace(Manners(), **{name: drawn[name] for name in rng.sample(sorted(drawn), count)})


class Move(Struct, frozen=True, kw_only=True):
    """What a push asks for: a ref at another commit, if it stands where it is expected."""

    ref: str
    commit: str | None  # None: it must go
    expected: str | None


class Said(Struct, frozen=True, kw_only=True):
    """What `git push --porcelain` hears. None: nothing, as the connection broke."""

    words: str | None = None
    rejected: bool = False


class Refs(Struct, frozen=True):
    """Where everything stands at one time."""

    at: float
    refs: dict[str, str]
    head: str  # the default branch


@dataclass(slots=True, eq=False, kw_only=True)
class Remote:
    """The refs of one server."""

    objects: Objects
    random: random.Random
    now: Callable[[], float]
    later: Callable[[float, Callable[[], object]], object]
    landed: Callable[[Move], None]  # is told what was pushed
    manners: Manners = field(default_factory=Manners)
    states: list[Refs] = field(default_factory=list)
    companions: dict[str, str] = field(default_factory=dict)  # of traces: what they came with

    @property
    def refs(self) -> dict[str, str]:
        return self.states[-1].refs

    @property
    def head(self) -> str:
        return self.states[-1].head

    def seen(self) -> Refs:
        """What a reader is shown: perhaps what was true a while ago."""
        then = self.now() - self.manners.lag
        return next((one for one in reversed(self.states) if one.at <= then), self.states[0])

    def move(self, changes: dict[str, str | None], head: str | None = None) -> None:
        """Put refs elsewhere, or take them away, whatever stood there."""
        refs = self.refs | {ref: oid for ref, oid in changes.items() if oid is not None}
        for ref in [ref for ref, oid in changes.items() if oid is None]:
            refs.pop(ref, None)
        self.states.append(Refs(self.now(), refs, head or self.head))

    def push(self, moves: Sequence[Move]) -> Said:
        """Take a push in this server's manner, and say what became of its first ref."""
        first, *others = moves
        for other in others:
            self.companions[other.commit or ""] = first.commit or ""
        if self.manners.atomic != "each by itself":
            return self._take(moves)
        said = [self._take([move]) for move in moves]
        return said[0]

    def _take(self, moves: Sequence[Move]) -> Said:
        manners, rng = self.manners, self.random
        if any(self._declines(move) for move in moves):
            return Said(words=_DECLINED, rejected=True)
        taken = [move for move in moves if not self._drops(move)]
        if len(taken) > 1 and rng.random() < manners.torn:
            self._swap([rng.choice(taken)])
            return rng.choice([Said(words="ok"), Said(words=rng.choice(_RACED), rejected=True)])
        chosen = rng.random()
        for name in (
            *("nothing", "queued", "merged", "squashed"),
            *("rejected_landed", "locked", "declined", "unanswered"),
        ):
            chosen -= getattr(manners, name)
            if chosen < 0 and taken:
                answer: Said = getattr(self, f"_{name}")(taken)
                return answer
        return self._answer(self._swap(taken))

    def _answer(self, landed: bool) -> Said:
        return Said(words="ok") if landed else Said(words=self.random.choice(_RACED), rejected=True)

    def _declines(self, move: Move) -> bool:
        takes, beside = self.manners.traces, move.ref.startswith(TRACES[0])
        if not move.ref.startswith(TRACES):
            return False
        return takes == "nowhere" or (takes == "on branches" and beside)

    def _drops(self, move: Move) -> bool:
        return self.manners.traces == "silently nowhere" and move.ref.startswith(TRACES)

    def _swap(self, moves: Sequence[Move]) -> bool:
        """Move all, or none."""
        if any(self.refs.get(move.ref) != move.expected for move in moves):
            return False
        self.move({move.ref: move.commit for move in moves})
        for move in moves:
            self.landed(move)
        return True

    def _nothing(self, _: Sequence[Move]) -> Said:
        return Said(words="ok")

    def _queued(self, moves: Sequence[Move]) -> Said:
        self._at_some_time(moves)
        return Said(words="ok")

    def _at_some_time(self, moves: Sequence[Move]) -> None:
        seconds = self.random.choice([0.3, 2.0, 15.0, 100.0]) * self.random.random()
        self.later(seconds, lambda: self._swap(moves))

    def _merged(self, moves: Sequence[Move]) -> Said:
        """It puts a merge of the first one there."""
        first = moves[0]
        parents = [one for one in (first.expected, first.commit) if one is not None]
        return self._made(moves, tuple(parents), "Merge")

    def _squashed(self, moves: Sequence[Move]) -> Said:
        first = moves[0]
        message = self.objects.commits[first.commit].message if first.commit is not None else ""
        return self._made(moves, () if first.expected is None else (first.expected,), message)

    def _made(self, moves: Sequence[Move], parents: tuple[str, ...], message: str) -> Said:
        first, *others = moves
        if first.commit is not None:
            tree = self.objects.commits[first.commit].tree
            first = replace(first, commit=self.objects.commit(tree, parents, message))
        return self._answer(self._swap([first, *others]))

    def _rejected_landed(self, moves: Sequence[Move]) -> Said:
        self._swap(moves)
        return Said(words=self.random.choice([*_RACED, _LOCKED, _DECLINED]), rejected=True)

    def _locked(self, _: Sequence[Move]) -> Said:
        return Said(words=_LOCKED, rejected=True)

    def _declined(self, _: Sequence[Move]) -> Said:
        return Said(words=_DECLINED, rejected=True)

    def _unanswered(self, moves: Sequence[Move]) -> Said:
        match self.random.choice(["now", "late", "never"]):
            case "now":
                self._swap(moves)
            case "late":
                self._at_some_time(moves)
            case _:
                pass
        return Said()
