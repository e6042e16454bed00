"""What others do to branches, ledgers and traces, and where clones push to.

What nobody could notice is left out: a ledger that loses lines of which neither a trace nor the
history of a whole clone tells anything; and a branch that is put back, or a ledger that is moved to
another branch, while an apply is at work.
"""

from msgspec.structs import replace

from tests.simulation.estate.clone import Clone
from tests.simulation.estate.layout import Files, without
from tests.simulation.estate.remote import HEADS, TRACES
from tests.simulation.estate.traces import knowing
from tests.simulation.estate.world import MAIN, World

LEDGERS = "ledgers"  # a branch
OLD = "old"  # another
_TRAILER = "--grep=^Reconciler-Claim: "


def ledger_branch(world: World) -> str | None:
    """Keep the ledgers on a branch of their own, or beside the manifests again."""
    if world.alive:
        return None  # whoever moves them must stop the applies: no push can see both branches
    layout = replace(
        world.layout, ledger_branch=None if world.layout.ledger_branch is not None else LEDGERS
    )
    with_them = world.chance(0.7)
    if not with_them and not world.is_remembered():
        return None
    files = world.own_ledgers()
    target = layout.ledger_branch or world.branch
    placed: dict[str, Files] = {target: files} if with_them else {}
    if layout.ledger_branch is not None and world.chance(0.5) and world.is_remembered():
        placed[world.branch] = {}
    world.publish(layout, placed)
    how = "set" if layout.ledger_branch is not None else "unset"
    return f"ledgerBranch {how} {'with' if with_them else 'without'} the ledgers"


def revert(world: World) -> str | None:
    """Take lines away from a ledger, in a commit of its own."""
    texts = world.texts(world.tip(world.ledger_branch))
    if not texts:
        return None
    folder = world.random.choice(sorted(texts))
    if not world.is_remembered() and not _history_tells(world, folder):
        return None
    lines = texts[folder].splitlines(keepends=True)
    left = lines[: world.random.randrange(len(lines))]
    files = without(world.own_ledgers(), folder)
    if left:
        files[f"{folder}/ledger.jsonl"] = b"".join(left)
    world.publish(world.layout, {world.ledger_branch: files})
    return "revert"


def _history_tells(world: World, folder: str) -> bool:
    """Whether a whole clone reads in the history what the ledger was, and all clones are whole."""
    tip = world.tip(world.ledger_branch)
    home = [one for one in world.layout.homes.values() if one.state == folder]
    if world.shallow or world.alive or tip is None or not home or not world.is_whole():
        return False
    reader = Clone(name="", objects=world.objects, origin=world.remote)
    found = reader.complete(["log", _TRAILER, tip, "--", folder], None, 1).text.partition("\0")[0]
    return bool(found) and world.objects.at(found, folder) == world.objects.at(tip, folder)


def rewind(world: World) -> str | None:
    """Put the branch where it was a while ago."""
    branch = world.ledger_branch
    tip = world.tip(branch)
    only = frozenset() if world.is_remembered() else knowing(world)
    if world.alive or tip is None or not (only or world.is_remembered()):
        return None
    before = list(world.objects.history(tip))[1:9]
    if not before:
        return None
    world.only = only
    target = world.random.choice(before)
    world.remote.move({f"{HEADS}{branch}": target})
    if branch == world.branch:
        world.took_over(target, world.layout_at(target))
    return "rewind that one clone remembers" if only else "rewind"


def move_head(world: World) -> str | None:
    """Make an older branch the default one, or the main one again.

    Also while an apply is at work, but not while it has a claim that no trace tells of, and not if
    its ledgers lie elsewhere there.
    """
    tip = world.tip(MAIN)
    if tip is None or world.layout.branch is not None or not world.is_remembered():
        return None
    back = world.remote.head == OLD
    target = tip if back else world.random.choice(list(world.objects.history(tip))[:9])
    layout = world.layout_at(target)
    if world.alive and layout.ledger_branch != world.layout.ledger_branch:
        return None
    changes: dict[str, str | None] = {} if back else {f"{HEADS}{OLD}": target}
    if not back and world.chance(0.3):
        changes[f"{HEADS}{MAIN}"] = None
    world.remote.move(changes, MAIN if back else OLD)
    world.took_over(target, layout)
    world.read_again()
    how = "back" if back else "moved"
    return f"HEAD {how} while an apply is at work" if world.alive else f"HEAD {how}"


def lose_traces(world: World) -> str | None:
    """The server forgets a trace."""
    traces = [ref for ref in world.remote.refs if ref.startswith(TRACES)]
    if not traces or not world.is_whole():
        return None
    world.remote.move({world.random.choice(sorted(traces)): None})
    return "lose a trace"


def set_push_address(world: World) -> str | None:
    """A clone pushes to a fork from now on, or no more."""
    if not world.clones:
        return None
    clone = world.clones[world.random.choice(sorted(world.clones))]
    clone.fork = world.fork if clone.fork is None else None
    return "push to a fork"
