"""A git server, and all the ways in which it may not do as it says."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.estate.objects import Objects

HEADS = "refs/heads/"
TRACES = ("refs/reconciler/", "refs/heads/reconciler-trace/")

TAKES_TRACES = ("anywhere", "on branches", "nowhere", "silently nowhere")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a server behaves. Each number is how often, of its pushes."""

    traces: str = "anywhere"
    lag: float = 0.0  # seconds by which what is read is old
    push_seconds: float = 0.0  # that each push takes at least
    nothing: float = 0.0  # says ok, and moves nothing
    queued: float = 0.0  # says ok, and moves it later if that is possible still
    merged: float = 0.0  # says ok, and puts a merge of it there
    squashed: float = 0.0  # says ok, and puts another commit with the same content there
    rejected_landed: float = 0.0  # says no, and has moved it
    locked: float = 0.0
    declined: float = 0.0
    unanswered: float = 0.0  # nobody hears whether it was moved, and it may be moved later
    unread: float = 0.0  # of its readings: the remote cannot be reached

    def kind(self) -> "Manners":
        """The same server once it behaves: what it takes, and how fast it is, is its nature."""
        return Manners(traces=self.traces, push_seconds=self.push_seconds)

    @property
    def names(self) -> list[str]:
        """What of it was drawn."""
        plain = Manners()
        return [
            f"traces {self.traces}" if name == "traces" else name
            for name in self.__slots__
            if getattr(self, name) != getattr(plain, name)
        ]


def drawn_manners(rng: random.Random) -> Manners:
    """Kind for one seed in four; one oddity for as many as have several."""
    drawn: dict[str, Any] = {
        "traces": rng.choice(TAKES_TRACES[1:]),
        "lag": rng.choice([0.3, 1.0, 8.0, 40.0]),
        "push_seconds": rng.choice([3.0, 20.0, 40.0]),
        "nothing": rng.choice([0.2, 0.6]),
        "queued": rng.choice([0.2, 0.6]),
        "merged": rng.choice([0.3, 1.0]),
        "squashed": rng.choice([0.3, 1.0]),
        "rejected_landed": rng.choice([0.2, 0.6]),
        "locked": 0.2,
        "declined": 0.2,
        "unanswered": rng.choice([0.2, 0.5]),
        "unread": 0.05,
    }
    count = rng.choice([0, 1, 1, rng.randint(2, 4)])
    return replace(Manners(), **{name: drawn[name] for name in rng.sample(sorted(drawn), count)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What `git push --porcelain` hears. None: nothing, as the connection broke."""

    words: str | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Refs:
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
    landed: Callable[[str, str, str | None], None]  # is told what was pushed, and what was before
    manners: Manners = field(default_factory=Manners)
    states: list[Refs] = field(default_factory=list)

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

    def push(self, ref: str, commit: str, expected: str | None) -> Said:
        """Take a push in this server's manner."""
        manners, rng = self.manners, self.random
        refused = self._refused_trace(ref)
        if refused is not None:
            return refused
        chosen = rng.random()
        for name in (
            *("nothing", "queued", "merged", "squashed"),
            *("rejected_landed", "locked", "declined", "unanswered"),
        ):
            chosen -= getattr(manners, name)
            if chosen < 0:
                answer: Said = getattr(self, f"_{name}")(ref, commit, expected)
                return answer
        landed = self._swap(ref, commit, expected)
        return Said(words="ok") if landed else Said(words=rng.choice(_RACED), rejected=True)

    def _refused_trace(self, ref: str) -> Said | None:
        takes, beside = self.manners.traces, ref.startswith(TRACES[0])
        if not ref.startswith(TRACES) or takes == "anywhere":
            return None
        if takes == "silently nowhere":
            return Said(words="ok")
        return Said(words=_DECLINED, rejected=True) if beside or takes == "nowhere" else None

    def _swap(self, ref: str, commit: str, expected: str | None) -> bool:
        if self.refs.get(ref) != expected:
            return False
        self.move({ref: commit})
        self.landed(ref, commit, expected)
        return True

    def _nothing(self, *_: object) -> Said:
        return Said(words="ok")

    def _queued(self, ref: str, commit: str, expected: str | None) -> Said:
        self._at_some_time(ref, commit, expected)
        return Said(words="ok")

    def _at_some_time(self, ref: str, commit: str, expected: str | None) -> None:
        seconds = self.random.choice([0.3, 2.0, 15.0, 100.0]) * self.random.random()
        self.later(seconds, lambda: self._swap(ref, commit, expected))

    def _merged(self, ref: str, commit: str, expected: str | None) -> Said:
        parents = (expected, commit) if expected is not None else (commit,)
        return self._made(ref, commit, expected, parents, "Merge")

    def _squashed(self, ref: str, commit: str, expected: str | None) -> Said:
        message = self.objects.commits[commit].message
        parents = (expected,) if expected is not None else ()
        return self._made(ref, commit, expected, parents, message)

    def _made(
        self,
        ref: str,
        commit: str,
        expected: str | None,
        parents: tuple[str, ...],
        message: str,
    ) -> Said:
        tree = self.objects.commits[commit].tree
        made = self.objects.commit(tree, parents, message)
        landed = self._swap(ref, made, expected)
        return Said(words="ok") if landed else Said(words=_RACED[0], rejected=True)

    def _rejected_landed(self, ref: str, commit: str, expected: str | None) -> Said:
        self._swap(ref, commit, expected)
        return Said(words=self.random.choice([*_RACED, _LOCKED, _DECLINED]), rejected=True)

    def _locked(self, *_: object) -> Said:
        return Said(words=_LOCKED, rejected=True)

    def _declined(self, *_: object) -> Said:
        return Said(words=_DECLINED, rejected=True)

    def _unanswered(self, ref: str, commit: str, expected: str | None) -> Said:
        match self.random.choice(["now", "late", "never"]):
            case "now":
                self._swap(ref, commit, expected)
            case "late":
                self._at_some_time(ref, commit, expected)
            case _:
                pass
        return Said()
