"""One seed: applies and changes on a server that may lie, then peace, and an account."""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from msgspec import Struct

from reconciler.configuration import parse_configuration
from reconciler.git import CompletedGit, command, gitconfig, lasting, retrying
from reconciler.git import push as git_push
from reconciler.git import remote as git_remote
from reconciler.ledger import files as ledger_files
from reconciler.ledger.files import SEAL_BYTES
from reconciler.manifest import read_file
from reconciler.repository import committed_files, together
from tests.simulation.chances import Freezes, drawn_freezes
from tests.simulation.estate.appliers import Appliers
from tests.simulation.estate.layout import KEYS, ORGANISATIONS, Home, Layout
from tests.simulation.estate.people import CHANGES
from tests.simulation.estate.remote import Manners, drawn_manners
from tests.simulation.estate.world import Change, World
from tests.simulation.loop import VirtualLoop
from tests.simulation.simulate import BrokenPromiseError

_FOLD_FILES = 3  # sealed files become one: a seed has no time for as many as the product waits for


class Life(Struct, frozen=True, kw_only=True):
    """What one seed came to, and how."""

    started: int
    crashes: int
    problems: int  # applies that said that something is wrong
    adopted: int  # runs that were started by hand
    # Environments with a run in doubt of which a copy of the ledger tells, or with a late start.
    left_to_people: int
    overdue: int  # starts that left after their claim, from a process that was frozen
    drawn: frozenset[str]
    trace: list[str]


def simulate(
    seed: int,
    *,
    changes: Sequence[Change] | None = None,
    manners: Manners | None = None,
    adopting: float | None = None,
    freezes: Freezes | None = None,
) -> Life:
    """Live through one seed. Raises BrokenPromiseError if anything happened that must not.

    `changes` (that others make), `manners` (of the server), `adopting` (how often a person does)
    and `freezes` (of processes) stand in for what it would draw.
    """
    rng = random.Random(f"estate {seed}")
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)
    # A chance of its own, as what people do: so it leaves all else that is drawn as it was.
    seal_bytes = random.Random(f"files of {seed}").choice([SEAL_BYTES, 1, 800])
    world = _drawn_world(loop, rng, CHANGES if changes is None else changes, manners, seal_bytes)
    # Where others make one change only, a broken rule is looked for, and nobody freezes.
    frozen = random.Random(f"freezes of {seed}")
    drawn = drawn_freezes(frozen) if changes is None else Freezes(random=frozen)
    world.freezes = freezes or drawn
    world.adopting = random.Random(f"people of {seed}").choice([0.0, 0.0, 0.3, 0.6])
    world.adopting = world.adopting if adopting is None else adopting
    if world.adopting:
        world.start_by_hand()
    appliers = Appliers(world)
    try:
        with _installed(world):
            try:
                loop.run_until_complete(appliers.live())
            finally:
                loop.run_until_complete(_end_all(loop))
        return Life(
            started=len(world.instances),
            crashes=appliers.crashes,
            problems=appliers.problems,
            adopted=len(world.adopted),
            left_to_people=appliers.left_to_people,
            overdue=len(world.overdue),
            drawn=frozenset(world.drawn),
            trace=world.trace,
        )
    except Exception as error:
        raise BrokenPromiseError(seed, error, world.trace) from error
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _drawn_world(
    loop: VirtualLoop,
    rng: random.Random,
    changes: Sequence[Change],
    manners: Manners | None,
    seal_bytes: int,
) -> World:
    layout = Layout(
        homes={},
        claim_seconds=rng.choice([30, 60, 120]),
        correlation=rng.choice([None, None, "RECONCILER"]),
        branch=rng.choice([None, None, "main"]),
        ledger_branch=rng.choice([None, None, "ledgers"]),
    )
    drawn = drawn_manners(rng)
    for index in range(rng.choice([1, 2, 2, 3])):
        name = f"env-{index}"
        organisation = ORGANISATIONS[rng.random() < 0.25]
        home = Home(manifests=f"triggers/{name}", state=f"state/{name}", organisation=organisation)
        layout = layout.with_home(name, home)
    for key in rng.sample(range(KEYS), rng.randint(1, 5)):
        home = layout.homes[rng.choice(sorted(layout.homes))]
        layout = layout.declaring(f"{home.manifests}/{key}.yaml", f"run-{key}", key)
    return World(
        loop=loop,
        random=rng,
        layout=layout,
        manners=manners or drawn,
        freezes=Freezes(random=rng),
        changes=changes,
        crash=rng.choice([0.0, 0.0, 0.015, 0.04]),
        lost_answer=rng.choice([0.0, 0.2]),
        change=rng.choice([0.0, 0.003, 0.015, 0.06] if changes is CHANGES else [0.06]),
        shallow=rng.random() < 0.5,
        seal_bytes=seal_bytes,
    )


@contextmanager
def _installed(world: World) -> Iterator[None]:
    """Have the product's git layer run in this world, by its time and its chance."""
    time = SimpleNamespace(sleep=world.aside.wait)
    lasting.forget_answers()  # other seeds have clones of the same names
    gitconfig.forget_variables()

    def complete(
        folder: Path,
        args: Sequence[str],
        stdin: bytes | None,
        timeout: float,
        variables: Mapping[str, str],
    ) -> CompletedGit:
        return world.clones[folder.name].complete(args, stdin, timeout, variables)

    with (
        patch.object(command, "complete_git", complete),
        # What a file says depends on nothing else, and many applies read the same ones.
        patch.object(together, "read_file", lru_cache(read_file)),
        patch.object(committed_files, "parse_configuration", lru_cache(parse_configuration)),
        patch.object(git_push, "time", time),
        patch.object(git_remote, "time", time),
        patch.object(retrying, "time", time),
        patch.object(git_push, "random", world.random),
        patch.object(git_remote, "random", world.random),
        patch.object(retrying, "random", world.random),
        patch.object(ledger_files, "SEAL_BYTES", world.seal_bytes),
        patch.object(ledger_files, "FOLD_FILES", _FOLD_FILES),
    ):
        yield


async def _end_all(loop: VirtualLoop) -> None:
    """End what a violation has left at work."""
    left = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
