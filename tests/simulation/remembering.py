"""What an applier has kept of the manifests of a branch, where that is false.

A cache that lies may keep a run from being started, or an apply from beginning. What it must not do
is to have anything started, or cancelled, that the branch does not say (decision 0026). It never
lies of when and where runs are to start: that could hide a collision of others, which it may.
"""

import random
from collections.abc import Callable, Sequence

from msgspec import Struct

from reconciler.model import Run, manifest_of, run_digest

LYING = 0.1  # of the seeds have appliers whose caches lie
_OF_THEM = 0.5  # of their appliers

_OTHERS = (("SITE", "what nobody has declared"),)


def _another(run: Run) -> Run:
    digest = run_digest(run.flow_id, run.trigger_time, _OTHERS)
    return run.but(parameters=_OTHERS, digest=digest)


_LIES: tuple[Callable[[Run], Run], ...] = (
    _another,
    lambda run: run.but(parameters=_OTHERS),
    lambda run: run.but(digest=run_digest(run.flow_id, run.trigger_time, _OTHERS)),
    lambda run: run.but(cancel=not run.cancel),
    lambda run: run.but(suspend=not run.suspend),
    lambda run: run.but(depends_on=(), matching=()),
    lambda run: run.but(not_after=None),
    lambda run: run.but(retry=None),
    lambda run: run.but(max_active=None, stop_after=None),
)


class Remembered(Struct, frozen=True, kw_only=True):
    """What one applier takes for what a manifest declares."""

    manifest: str
    lie: Callable[[Run], Run]

    def told(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """The runs of a commit as the applier takes them."""
        return tuple(self.lie(run) if run.manifest == self.manifest else run for run in runs)

    def is_so(self, of: Sequence[Run], runs: Sequence[Run]) -> bool:
        """Whether the manifests of those runs, and of what they wait for, are taken as they are.

        `runs`: of the commit.
        """
        own = {run.manifest for run in of}
        named = [
            name
            for run in runs
            if run.manifest in own
            for name in (*run.depends_on, run.duplicate_of)
            if name is not None
        ]
        looked_at = own | {manifest_of(name) for name in named}
        return self.manifest not in looked_at or self.told(runs) == tuple(runs)


class Memory(Struct, frozen=True, kw_only=True):
    """What the appliers of a seed remember."""

    random: random.Random  # of its own, which leaves all else that a seed draws as it was
    lies: bool

    def drawn(self, runs: Sequence[Run]) -> Remembered | None:
        """What a new applier remembers falsely, if its cache lies."""
        if not self.lies or self.random.random() >= _OF_THEM:
            return None
        victim = self.random.choice(runs).manifest
        return Remembered(manifest=victim, lie=self.random.choice(_LIES))
