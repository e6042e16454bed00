"""What other environments have to do with our runs: a duplicate's original, and what is in doubt.

A declared duplicate waits for its original in other environments as it would within its own.
"""

from collections import defaultdict
from collections.abc import Iterable

from reconciler.identity import Surroundings
from reconciler.model import Digest, EpochMs, Run, RunId, covers, run_name


class Beside:
    """Other environments and ledgers of the service, as far as they carry the same as our runs."""

    def __init__(self, runs: Iterable[Run], surroundings: Surroundings) -> None:
        copies = {run.digest for run in runs if run.duplicate_of is not None}
        self._ledgers = list(surroundings.elsewhere.values())
        self._unsettled: dict[str, RunId] = {}  # by digest and by name
        for ledger in self._ledgers:
            for record in ledger.unsettled:
                self._unsettled.setdefault(record.digest, record.run)
                self._unsettled.setdefault(run_name(record.run), record.run)
        self._originals: dict[Digest, list[tuple[str, Run]]] = defaultdict(list)
        for environment, others in surroundings.declared.items() if copies else ():
            for run in others:
                if run.digest in copies:
                    self._originals[run.digest].append((environment, run))

    def unsettled_twin(self, run: Run) -> RunId | None:
        """A run of which nobody knows yet whether it was started, and that this one could be.

        Names mean nothing across environments, but for the one that `duplicateOf` says.
        """
        found = self._unsettled.get(run.digest)
        if found is None and run.duplicate_of is not None:
            found = self._unsettled.get(run.duplicate_of)
        return found

    def unstarted_original(self, run: Run, now: EpochMs) -> str | None:
        """What this one is a duplicate of, if that starts before it, in words.

        As within one environment, an original that something else holds back is not waited for.
        """
        of = run.duplicate_of
        for environment, one in self._originals.get(run.digest, ()) if of is not None else ():
            held = one.suspend or one.cancel or one.depends_on or one.after
            missed = one.not_after is not None and now > one.not_after
            if of is None or not covers(of, one.name) or held or missed:
                continue
            if not any(ledger.may_have_started(one.id) for ledger in self._ledgers):
                return f"{one.id}, which environment {environment} has not started yet"
        return None
