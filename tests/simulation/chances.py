"""How often what goes wrong."""

import random

from msgspec import Struct
from msgspec.structs import replace


class Chances(Struct, frozen=True, kw_only=True):
    """How often what goes wrong, each as a probability of one occasion."""

    crash: float = 0.02
    slow: float = 0.05
    lost_answer: float = 0.2
    refused: float = 0.1
    not_sent: float = 0.1
    not_processed: float = 0.1
    search_fails: float = 0.1
    push_unclear: float = 0.1
    push_declined: float = 0.03
    fetch_fails: float = 0.03
    others_commit: float = 0.1
    by_hand: float = 0.2  # that somebody has started a run by hand before it was declared
    withdrawn: float = 0.2  # of those commits: take a run's manifest away, or bring it back
    called_off: float = 0.2  # of those commits: `cancel: true` for all of a manifest, or not
    suspended: float = 0.1  # of those commits: `suspend: true`, likewise
    revised: float = 0.1  # of those commits: `revision: 2` for all of a manifest
    edited: float = 0.15  # of those commits: another hour, or one more key, for a whole backfill
    reconfigured: float = 0.3  # of those commits: another user, or correlation (`Oddities`)
    ends_badly: float = 0.3
    forgotten: float = 0.07  # that the service does not know an instance any more that has ended
    rerun: float = 0.1  # that somebody has the service run a failed instance again
    asked_by_id: float = 0.5  # that a look at many asks for one by its id, and lists nothing
    misses: float = 0.1  # that a look at many leaves one out
    unreadable: float = 0.05  # that the service says nothing readable of a status
    question_fails: float = 0.1  # one about a flow, or a cancellation
    locked: float = 0.1  # that a flow is
    stranger: float = 0.4  # that others start something in a run's minute (`Oddities.strangers`)
    adopted: float = 0.3  # that a person adopts a run that somebody has started by hand
    named: float = 0.2  # that an apply is called for some runs only
    null: float = 0.3  # that an instance is once said not to be there (`Oddities.nulls`)
    misfit: float = 0.3  # that the answer before comes once more (`Oddities.misfits`)
    loosened: float = 0.2  # of commits of others: larger limits for a manifest that has any


CALM = Chances(
    crash=0,
    slow=0,
    lost_answer=0,
    refused=0,
    not_sent=0,
    not_processed=0,
    search_fails=0,
    push_unclear=0,
    push_declined=0,
    fetch_fails=0,
    others_commit=0,
    asked_by_id=0,
    misses=0,
    unreadable=0,
    question_fails=0,
    locked=0,
    stranger=0,
    adopted=0,
    named=0,
    null=0,
    misfit=0,
)


class Freezes(Struct, frozen=True, kw_only=True):
    """How often a process stands still, as where its machine is paused, and goes on later."""

    random: random.Random  # of its own, which leaves all else that a seed draws as it was
    anywhere: float = 0.0  # at each step
    in_the_gap: float = 0.0  # between the last look at the claim and the moment when bytes leave


_HOW_OFTEN_FROZEN = 0.1


def drawn_freezes(rng: random.Random) -> Freezes:
    """For one seed in ten."""
    if rng.random() >= _HOW_OFTEN_FROZEN:
        return Freezes(random=rng)
    return Freezes(random=rng, anywhere=0.005, in_the_gap=rng.choice([0.05, 0.2, 0.5]))


def drawn_chances(rng: random.Random) -> Chances:
    """Some worlds have one kind of trouble only, some all of it, some a great deal."""
    factor = rng.choice([0.3, 1.0, 1.0, 2.5])
    crash = rng.choice([0.0, 0.01, 0.03])
    chances = Chances()
    scaled = {
        name: min(getattr(chances, name) * factor * rng.choice([0, 1, 1, 2]), 0.9)
        for name in chances.__struct_fields__
        if name not in {"crash", "loosened"}
    }
    return replace(chances, crash=crash, **scaled)
