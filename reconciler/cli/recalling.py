"""Find what a recorded run was started with, in the manifests of the commit that its claim names.

A claim records a digest of what was sent, and the commit whose manifests declared it. A clone has
the blobs of that commit as long as it has its history, so nothing else must be recorded. The digest
tells for certain which of the declared runs was started.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.configuration import Environment
from reconciler.errors import GitError
from reconciler.expansion import Bounds
from reconciler.git import CommitId, Git, ObjectId
from reconciler.ledger import Ledger, Record
from reconciler.manifest import CrowdedError, is_manifest_path, read_file
from reconciler.model import Declared, Digest, Run, RunId, Source, first_attempt
from reconciler.plan import Action, Plan
from reconciler.plan.by_manifest import OfManifest, group_by_manifest
from reconciler.plan.changes import Change, Kind
from reconciler.plan.review import Compared
from reconciler.render.words import COMMIT_DIGITS
from reconciler.repository.worktree import MOST_BYTES

_MOST_COMMITS = 100  # reading one takes several processes; 100 take two seconds
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Recall(Struct, frozen=True, kw_only=True):
    """Looks up what recorded runs were started with, if they were edited since."""

    git: Git | None
    environment: Environment
    ledger: Ledger
    _runs: dict[ObjectId, tuple[Run, ...]] = field(default_factory=dict)  # by blob

    def complete_changes(self, compared: Compared) -> Compared:
        """The same, with what edited runs were started with as the state before the change."""
        asked = {
            change.id: change.run
            for change in compared.changes
            if change.kind is Kind.REFUSED and not self._is_known(change)
        }
        if not asked:
            return compared
        found = self._recall_changes(asked)
        known = [found.get(change.id, change) for change in compared.changes]
        manifests = [
            replace(one, changes=tuple(found.get(change.id, change) for change in one.changes))
            for one in compared.manifests
        ]
        return replace(compared, changes=tuple(known), manifests=tuple(manifests))

    def find_edited(
        self, plan: Plan, declared: Declared, compared: Compared | None
    ) -> tuple[OfManifest, ...]:
        """The runs that have started and were edited since, but not by the change.

        Either no base is compared, or the branch has the edit already. `declared`: what the plan is
        made of.
        """
        changed = compared.changes if compared is not None else ()
        told = {change.id for change in changed}
        asked: dict[RunId, Run] = {}
        for planned in plan.runs_of_action(Action.CHANGED):
            id_ = first_attempt(planned.id)
            if planned.run is not None and id_ not in told and self._record(id_) is not None:
                asked[id_] = planned.run
        if not asked:
            return ()
        found = self._recall_changes(asked)
        return group_by_manifest(tuple(found[id_] for id_ in sorted(found)), declared, declared)

    def _record(self, id_: RunId) -> Record | None:
        record = self.ledger.records.get(id_)
        return record if record is not None and record.may_have_started else None

    def _is_known(self, change: Change) -> bool:
        """Whether `before` is what was started, or nothing was started: a revision was lowered."""
        record = self._record(change.id)
        before = change.before
        return record is None or (before is not None and before.digest == record.digest)

    def _recall_changes(self, asked: Mapping[RunId, Run]) -> dict[RunId, Change]:
        by_commit: dict[str, list[Record]] = defaultdict(list)
        for id_ in asked:
            record = self.ledger.records[id_]
            claim = self.ledger.claims.get(record.claim) if record.claim else None
            by_commit[claim.commit if claim else ""].append(record)
        found: dict[RunId, Change] = {}
        for number, (commit, records) in enumerate(by_commit.items()):
            files = {asked[record.run].place.file for record in records}
            wanted = {record.digest for record in records}
            runs = self._find_runs(commit, wanted, files) if number < _MOST_COMMITS else _TOO_MANY
            for record in records:
                before = runs if isinstance(runs, str) else runs.get(record.digest)
                found[record.run] = _change(record, before, asked[record.run], commit)
        return found

    def _find_runs(
        self, commit: str, wanted: Collection[Digest], likely: Collection[str]
    ) -> dict[Digest, Run] | str:
        """The runs of these digests that the commit's manifests declare; or why nobody can tell.

        `likely`: the files that declare the runs now, which are read first.
        """
        if not commit:
            return "no claim says which commit it was started from"
        is_id = _COMMIT.fullmatch(commit) is not None
        here = self.git.resolve_commit(commit) if self.git is not None and is_id else None
        if self.git is None or here is None:
            return _UNREACHABLE.format(commit[:COMMIT_DIGITS])
        try:
            return self._read_declared(self.git, here, wanted, likely)
        except GitError:  # a partial clone that cannot fetch the blobs
            return _UNREACHABLE.format(here[:COMMIT_DIGITS])

    def _read_declared(
        self, git: Git, commit: CommitId, wanted: Collection[Digest], likely: Collection[str]
    ) -> dict[Digest, Run]:
        folder = git.prefix + self.environment.manifests
        files = {
            entry.path.removeprefix(git.prefix): entry.oid
            for entry in git.list_tree(commit, [folder])
            if entry.is_file and is_manifest_path(entry.path, folder)
        }
        found: dict[Digest, Run] = {}
        there = [path for path in files if path in likely]
        for paths in (there, [path for path in files if path not in likely]):
            self._read(git, {path: files[path] for path in paths})
            for path in paths:
                runs = self._runs[files[path]]
                found |= {run.digest: run for run in runs if run.digest in wanted}
            if found.keys() >= set(wanted):
                break
        return found

    def _read(self, git: Git, files: Mapping[str, ObjectId]) -> None:
        unread = {path: oid for path, oid in files.items() if oid not in self._runs}
        blobs, _ = git.read_bounded_blobs(unread.values(), MOST_BYTES)
        for path, oid in unread.items():
            self._runs[oid] = self._parse_runs(path, blobs[oid]) if oid in blobs else ()

    def _parse_runs(self, path: str, content: bytes) -> tuple[Run, ...]:
        limits = self.environment.limits
        bounds = Bounds(
            backfill=limits.max_runs_per_backfill,
            left=limits.max_runs,
            sensitive=limits.sensitive_parameters,
        )
        source = Source(path=path, content=content)
        try:
            return read_file(source, self.environment.gateway.zone, bounds).runs
        except CrowdedError:
            return ()


_TOO_MANY = f"what it was started with was not looked for, past {_MOST_COMMITS} commits"
_UNREACHABLE = (
    "its parameters are in commit {}, which this clone does not have: fetch more of the history"
)


def _change(record: Record, before: Run | str | None, after: Run, commit: str) -> Change:
    if before is None:
        before = (
            f"the manifests of commit {commit[:COMMIT_DIGITS]} do not show what it was started with"
        )
    if isinstance(before, str):
        return Change(id=record.run, kind=Kind.REFUSED, before=None, after=after, unseen=before)
    delay = record.trigger_time - before.trigger_time
    started = before.but(trigger_time=record.trigger_time, delay=delay)
    return Change(id=record.run, kind=Kind.REFUSED, before=started, after=after)
