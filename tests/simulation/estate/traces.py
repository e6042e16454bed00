"""What the remote and the clones keep of ledgers, and whether it is true."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.git.kept_refs import FETCHED, MEMORY, ref_there
from reconciler.ledger import events, read_events
from reconciler.ledger.files import ACTIVE
from tests.simulation.estate.remote import TRACES, Move, Refs
from tests.simulation.promise import ViolationError

if TYPE_CHECKING:
    from tests.simulation.estate.applier import Applier
    from tests.simulation.estate.world import World


def check_trace(world: "World", move: Move) -> None:
    """A trace only grows, but for what came without its branch; each follows the one before."""
    new, old = world.texts(move.commit).get("", b""), world.texts(move.expected).get("", b"")
    world.note(f"on {move.ref}: a trace of {len(old)} bytes, now {len(new)}")
    is_void = (
        old in world.astray
        or _may_have_come_alone(world, move.expected or "")
        or _is_given_up(world, move.ref, old)
    )
    if not new.startswith(old) and not is_void:
        world.broken.append(ViolationError(f"the trace {move.ref} has lost lines"))
    if move.expected is None:
        return
    if move.commit is None or not world.objects.is_ancestor(move.expected, move.commit):
        broken = ViolationError(f"the trace {move.ref} does not follow the one before")
        world.broken.append(broken)


def _is_given_up(world: "World", ref: str, text: bytes) -> bool:
    """Whether it ends in a claim, or an adoption, on a branch that is not the default one now.

    It matters to whoever works by the default branch, as the commit that he has read says.
    """
    branch = ref.partition("%3A")[0].rpartition("/")[2]
    ends = list(read_events({ACTIVE: text}, "given up"))[-1:] if text else []
    return any(
        branch != (world.layout_at(one.commit).branch or world.remote.head)
        for one in ends
        if isinstance(one, events.Claim | events.Adopted)
    )


def _may_have_come_alone(world: "World", trace: str) -> bool:
    """Whether whoever pushed it may have seen that it came alone."""
    if world.manners.queued or world.manners.unanswered:
        # What came with it may have come between a look and what was done about it.
        return trace in world.remote.companions
    return came_alone(world, trace, world.remote.states[-1:])


def came_alone(world: "World", trace: str, states: Sequence[Refs]) -> bool:
    """Whether what was pushed together with the trace was then on no branch, in whatever commit.

    If it never was, whoever pushed the trace takes it back.
    """
    companion = world.remote.companions.get(trace)
    if companion is None:
        return False
    tips = {
        oid for state in states for ref, oid in state.refs.items() if not ref.startswith(TRACES)
    }
    tree = world.objects.tree_of(companion)
    return not any(
        world.objects.is_ancestor(companion, tip) or world.objects.tree_of(tip) == tree
        for tip in tips
    )


def check_traces(world: "World") -> None:
    """On a server that never misleads about a branch, none is left that speaks of what is not."""
    if world.manners.tears_at_most():
        for _, ref in false_traces(world):
            raise ViolationError(f"the trace {ref} tells of what was never on the branch")


def delete_false_traces(world: "World") -> None:
    """What the messages say to do about them, and about those of claims that nobody reads."""
    for ref, oid in list(world.remote.refs.items()):
        if ref.startswith(TRACES) and not _is_read(world, oid):
            world.remote.move({ref: None})
    for clone in world.clones.values():
        for ref in list(_fetched(clone.refs)):
            if not _is_read(world, clone.refs[ref]):
                clone.refs.pop(ref)


def false_traces(world: "World") -> Iterator[tuple[str | None, str]]:
    """Refs that tell of what was on no branch, on the remote (None) or only in the clone named.

    What a clone has fetched does not count where it is replaced by what the remote has by now.
    """
    there = world.remote.refs
    for ref, oid in there.items():
        if ref.startswith(TRACES) and not _was_there(world, oid):
            yield None, ref
    for name, clone in world.clones.items():
        for ref in _fetched(clone.refs):
            source = ref_there("origin", ref.removeprefix(f"{MEMORY}/"))
            if source not in there and not _was_there(world, clone.refs[ref]):
                yield name, ref


def _fetched(refs: dict[str, str]) -> Iterator[str]:
    return (ref for ref in refs if ref.startswith(f"{FETCHED}/"))


def _was_there(world: "World", trace: str) -> bool:
    text = world.texts(trace).get("", b"")
    return _is_read(world, trace) or any(one.startswith(text) for one in world.astray)


def _is_read(world: "World", trace: str) -> bool:
    text = world.texts(trace).get("", b"")
    return not text or any(one.startswith(text) for one in world.lineages)


def saw(world: "World", applier: "Applier", state: str) -> None:
    """Note the ledgers of the folder that an apply has put on the branch before it ended."""
    tip = world.tip(world.ledger_branch)
    for commit in applier.pushed if tip is not None else ():
        if world.objects.is_ancestor(commit, tip or ""):
            applier.clone.saw.append(world.texts(commit).get(state, b""))


def knowing(world: "World") -> frozenset[str]:
    """The clones in which every ledger was seen at its longest, on a server that does as it says.

    The product remembers what its own pushes have put there, and what it read first.
    """
    if world.manners != world.manners.kind():
        return frozenset()
    return frozenset(name for name, clone in world.clones.items() if world.hold(clone.saw))
