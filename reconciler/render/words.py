"""Words that several renderings share: numbers of things, actions, commands to type."""

import shlex
from collections.abc import Mapping

from reconciler.plan import Action, Plan, PlannedRun
from reconciler.render.safe import visible

COMMIT_DIGITS = 12

_ACTION_WORDS: Mapping[Action, str] = {
    Action.TRIGGER: "to trigger",
    Action.RESOLVE: "in doubt",
    Action.HOLD: "claimed by another apply",
    Action.WAIT: "waiting",
    Action.DONE: "done",
    Action.CHANGED: "changed",
    Action.DUPLICATE: "duplicate",
    Action.ORPHANED: "no longer declared",
}


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def action_counts(plan: Plan) -> list[str]:
    """`3 to trigger`, `24 done`: one for each action that some run has, or `no runs`."""
    counts = [f"{number} {_ACTION_WORDS[Action(name)]}" for name, number in plan.summary.items()]
    return counts or ["no runs"]


def needs_attention(run: PlannedRun) -> bool:
    """Whether a person wants to see the run: all but those that are done and well.

    A run that was started twice is done, and has the error in its record.
    """
    return run.action is not Action.DONE or bool(run.record and run.record.error)


def command(*words: str) -> str:
    """A `reconciler` command line to be typed, quoted for a POSIX shell, and safe to show."""
    return visible(shlex.join(("reconciler", *words)))
