"""What others do to a repository between applies, and while they are at work.

Some of it is how it should be done, some of it is what people do instead: the product must notice.
"""

from msgspec.structs import replace

from tests.simulation.estate.branches import (
    ledger_branch,
    lose_traces,
    move_head,
    revert,
    rewind,
    set_push_address,
)
from tests.simulation.estate.layout import KEYS, ORGANISATIONS, Home, moved, without
from tests.simulation.estate.peace import restore
from tests.simulation.estate.world import Change, World


def maybe_change(world: World) -> None:
    """Somebody may change something now."""
    if world.chance(world.change):
        change(world)


def change(world: World) -> None:
    """Somebody changes something now."""
    if not world.changes:
        return
    noticed = world.is_whole() or world.is_remembered()
    one = world.random.choice(world.changes if noticed else [mend])
    done = one(world)
    if done:
        world.drawn.add(done)
        world.note(f"others: {done}; {sorted(world.layout.homes)} on {world.branch}")


def _new(world: World, kind: str) -> str:
    return f"{kind}-{len(world.layouts)}"


def _home(world: World) -> tuple[str, Home]:
    name = world.random.choice(sorted(world.layout.homes))
    return name, world.layout.homes[name]


# Environments


def rename(world: World) -> str | None:
    """Rename an environment, with its ledger's folder or without, or leave the ledger behind."""
    name, home = _home(world)
    renamed, files = _new(world, "place"), world.own_ledgers()
    how = world.random.choice(["in place", "with its ledger", "without its ledger"])
    new = home if how == "in place" else replace(home, state=f"state/{renamed}")
    layout = world.layout.without_home(name).with_home(renamed, new)
    if how == "with its ledger":
        files = moved(files, home.state, new.state)
    world.publish(layout, {world.ledger_branch: files})
    return f"rename {how}"


def split(world: World) -> str | None:
    """Make another environment of the same service, with some of the manifests of one."""
    _, home = _home(world)
    if len(world.layout.homes) > 3:
        return None
    other = _new(world, "place")
    new = replace(home, manifests=f"triggers/{other}", state=f"state/{other}")
    layout = world.layout.with_home(other, new)
    how = world.random.choice(["split", "copy", "copy with the ledger", "nest"])
    if how == "nest":
        organisation = world.random.choice(ORGANISATIONS)
        service = home.service if organisation == home.organisation else None
        inner = f"{home.manifests}/inner"
        apart = home.apart and organisation == home.organisation
        new = replace(new, manifests=inner, organisation=organisation, service=service, apart=apart)
        layout = layout.with_home(other, new)
    for path, (run, key) in world.layout.of_home(home).items():
        if how == "split" and world.chance(0.5):
            continue
        if how in {"split", "nest"}:
            layout = layout.withdrawing([path])
        layout = layout.declaring(f"{new.manifests}/{_base(path)}", run, key)
    files = world.own_ledgers()
    if how == "copy with the ledger":
        files |= moved(files, home.state, new.state)
    world.publish(layout, {world.ledger_branch: files})
    return how


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def remove(world: World) -> str | None:
    """Take an environment away; its ledger is left, retired, or deleted as well."""
    name, home = _home(world)
    if len(world.layout.homes) == 1:
        return None
    how = world.random.choice(["left", "retired", "deleted"])
    layout, files = world.layout.without_home(name), world.own_ledgers()
    if how == "deleted":
        if not world.is_remembered():
            return None
        files = without(files, home.state)
    if how == "retired":
        layout = replace(layout, retired=layout.retired | {home.state})
    heirs = sorted(set(layout.homes))
    heir = layout.homes[world.random.choice(heirs)]
    for path, (run, key) in world.layout.of_home(home).items():
        layout = layout.withdrawing([path])
        layout = layout.declaring(f"{heir.manifests}/{name}-{_base(path)}", run, key)
    world.publish(layout, {world.ledger_branch: files})
    return f"remove, its ledger {how}"


def start_anew(world: World) -> str | None:
    """Retire an environment's ledger, and give it another folder."""
    name, home = _home(world)
    layout = world.layout.with_home(name, replace(home, state=f"state/{_new(world, 'env')}"))
    world.publish(replace(layout, retired=layout.retired | {home.state}))
    return "retire"


def share_a_ledger(world: World) -> str | None:
    """Let two environments name one folder of state, or one in the other's."""
    if len(world.layout.homes) < 2:
        return None
    name, other = world.random.sample(sorted(world.layout.homes), 2)
    state = world.layout.homes[other].state + world.random.choice(["", "/inner"])
    world.publish(world.layout.with_home(name, replace(world.layout.homes[name], state=state)))
    return "share a ledger"


def forget_retired(world: World) -> str | None:
    """Drop a folder from `retired`."""
    if not world.layout.retired:
        return None
    gone = world.random.choice(sorted(world.layout.retired))
    world.publish(replace(world.layout, retired=world.layout.retired - {gone}))
    return "retired no more"


def rehome(world: World) -> str | None:
    """Change the organisation or the service under a ledger."""
    name, home = _home(world)
    if not home.apart and world.chance(0.3):
        home = replace(home, service=None if home.service else f"at {home.organisation}")
        how = "another name"
    elif not home.apart and home.service is None and world.chance(0.5):
        other = ORGANISATIONS[home.organisation == ORGANISATIONS[0]]
        home, how = replace(home, organisation=other), "another organisation"
    else:
        # The name says that it really is another service.
        apart = None if home.apart else f"apart from {home.organisation}"
        home = replace(home, service=apart, apart=not home.apart)
        how = "another service"
    world.publish(world.layout.with_home(name, home))
    return how


def limit(world: World) -> str | None:
    """Allow fewer runs than there may be, or as many as ever."""
    few = world.random.choice([1, 2, 200_000])
    if few == world.layout.max_runs:
        return None
    world.publish(replace(world.layout, max_runs=few))
    return "maxRuns"


# Manifests


def move_manifest(world: World) -> str | None:
    """Move a manifest to another environment, or copy it, or call its run otherwise."""
    declared = sorted(world.layout.declared)
    if not declared:
        return None
    path = world.random.choice(declared)
    run, key = world.layout.declared[path]
    _, home = _home(world)
    how = world.random.choice(["move", "copy", "rename", "rename, with its former name,"])
    former = world.layout.former.get(path, ())
    layout = world.layout if how == "copy" else world.layout.withdrawing([path])
    if how.startswith("rename"):
        former = (run, *former) if "former" in how else ()
        layout = layout.declaring(path, f"run-{key}-{len(world.layouts)}", key, former)
    else:
        layout = layout.declaring(f"{home.manifests}/{_new(world, 'm')}.yaml", run, key, former)
    world.publish(layout)
    return f"{how} a manifest"


def declare(world: World) -> str | None:
    """Write a manifest for a run that is new, or that was withdrawn, or withdraw one."""
    _, home = _home(world)
    if world.layout.declared and world.chance(0.3):
        world.publish(world.layout.withdrawing([world.random.choice([*world.layout.declared])]))
        return "withdraw a manifest"
    key = world.random.randrange(KEYS)
    path = f"{home.manifests}/{_new(world, 'm')}.yaml"
    world.publish(world.layout.declaring(path, f"run-{key}", key))
    return "declare a manifest"


def mend(world: World) -> str | None:
    """Do all that the messages ask for."""
    if world.alive:
        return None
    restore(world)
    return "mend"


CHANGES: list[Change] = [
    *(rename, split, split, remove, start_anew, share_a_ledger, forget_retired, rehome, limit),
    *(move_manifest, move_manifest, declare, declare),
    *(ledger_branch, revert, rewind, move_head, lose_traces, set_push_address),
    *(mend, mend, mend),
]
