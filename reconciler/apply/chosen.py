"""The runs that an apply was called for: it starts and cancels these, and no others.

Everything else is as if it were suspended. What is in doubt is settled all the same, and ends are
observed: that starts nothing, and what is recorded of one run decides on others.
"""

from collections.abc import Collection, Sequence

from reconciler.ledger import Ledger
from reconciler.model import Declared, Run, RunId
from reconciler.selection import meaning, nothing_meant


class Chosen:
    """What the words of a command line mean among the runs that there are when it is called.

    They go on to mean that: a word that meant one run does not come to mean all that begin with it
    because somebody takes that run away.
    """

    def __init__(self, words: Sequence[str], declared: Declared, ledger: Ledger) -> None:
        self._all = not words
        there_are = {run.id for run in declared.runs} | ledger.records.keys() if words else ()
        self._meanings = {word: meaning(word, there_are) for word in words}
        self._there_are: Collection[RunId] = there_are

    def check(self) -> None:
        """Raise ReconcilerError for a word that means no run at all."""
        for word, means in self._meanings.items():
            if not any(map(means, self._there_are)):
                raise nothing_meant(word)

    def has(self, run: Run) -> bool:
        """Whether the run is meant, by the attempt that it is; by its present or recorded name."""
        return self.names(run.id) or (
            run.declared_as != "" and self.names(run.declared_id(run.attempt))
        )

    def names(self, run: RunId) -> bool:
        """Whether the run of that id is meant."""
        return self._all or any(means(run) for means in self._meanings.values())
