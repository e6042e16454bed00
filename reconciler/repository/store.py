"""The shared branch in git: manifests to read, the ledger to append to by compare-and-swap."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from reconciler.apply.ports import Appended, Declined, Landed, Raced, Snapshot, Unclear
from reconciler.configuration import CONFIGURATION, Configuration, Environment
from reconciler.errors import ConfigurationError, GitError, ReconcilerError
from reconciler.git import CommitId, Git, ObjectId
from reconciler.git import push as pushed
from reconciler.git.kept_refs import Traces
from reconciler.git.remote import Others
from reconciler.git.traces import Trace
from reconciler.identity import Book, surroundings
from reconciler.ledger import Event, Ledger, append_events
from reconciler.ledger.events import Adopted, Claim
from reconciler.model import Declared, EpochMs, Run
from reconciler.repository.books import CommittedBooks, books_of, naming_of
from reconciler.repository.committed import CommittedLedger
from reconciler.repository.committed_files import CommittedFiles
from reconciler.repository.continuity import (
    LedgerPlace,
    LedgerTraces,
    check_continuity,
    lost_or_late_error,
)
from reconciler.repository.declaring import Ceiling, read_service
from reconciler.repository.settings import choose_environment, find_shared, other_branch_hint

PUSH_SECONDS = 60.0  # then the answer counts as lost, and the remote shows if the push landed


class GitSnapshot(Snapshot, frozen=True, kw_only=True):
    """A snapshot together with what a commit on top of it needs."""

    parent: CommitId | None  # of the ledger's branch; None where that has no commit yet
    files: CommittedLedger
    others: Others  # the traces of other ledgers


class GitStore:
    """One environment of a repository, as its remote branch has it.

    A blob always says the same, so each is read and validated once in the life of a store. The
    methods of one store must be called one after another.
    """

    def __init__(
        self,
        git: Git,
        local: Configuration,
        environment: str,
        *,
        now: EpochMs,
        cached: bool = False,  # whether manifests may be known from the cache
        aside: Callable[..., Awaitable[Any]] = asyncio.to_thread,  # runs calls that block
    ) -> None:
        self._git = git
        self._local = local
        self._name = environment
        self._now = now  # one time for a whole apply, so that each blob is judged once
        self._aside = aside
        self.branch = local.git.branch or ""  # the named one; else the default one, once fetched
        self.tip: CommitId | None = None  # of the branch, once fetched
        self._files = CommittedFiles(git, cached=cached)
        self._is_cached = cached
        self._tree: tuple[CommitId, CommittedBooks] | None = None  # the last one that was read
        self._branches: list[Book] = []  # what other branches record, as traces show it
        self._traces: dict[ObjectId, CommittedLedger] = {}  # that were read, by their trees
        # The tips of both branches, and the traces of other ledgers, with which all ledgers were
        # last found to hold everything that they ever held.
        self._checked: tuple[CommitId, CommitId | None, Others] | None = None
        self._ledger: tuple[CommittedLedger, Ledger] | None = None
        self._memory = LedgerTraces(git, local.git.remote, environment)

    def read_ahead(self) -> None:
        """Read what the checked out commit declares.

        Most of that is the same on the branch, and is not read again. Before any other thread runs,
        several processes can share the reading (`together`). A file that cannot be read here may be
        different on the branch, so errors are ignored here; `fetch` reports those of the branch.
        """
        with suppress(ReconcilerError):
            commit = self._git.read_worktree_commit()
            if commit is not None:
                tree = CommittedBooks(self._git, commit)
                self._tree = commit, tree
                here = choose_environment(self._local, self._name)
                tree.read_ahead(self._git.prefix + here.manifests)
                self._read_declared(tree, self._read_configuration(tree))

    async def fetch(self) -> GitSnapshot:
        """The branch as the remote has it now.

        Raises GitError, LedgerError, TooManyRunsError, and ConfigurationError, also if the branch
        has no environment of that name or keeps its ledger elsewhere than this checkout says.
        """
        snapshot: GitSnapshot = await self._aside(self._fetch)
        return snapshot

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        """Commit the events on top of the snapshot and push, if the branch still is where it was.

        Raises GitError if no commit could be made: then nothing has left this machine.
        """
        if not isinstance(base, GitSnapshot):
            raise TypeError("a GitStore appends to its own snapshots")
        appended: Appended = await self._aside(self._append, base, events, message)
        return appended

    async def confirm(self, base: Snapshot, runs: Sequence[Run]) -> bool:
        """See `Store`. Only a store that asks the cache has anything to read again."""
        if not runs or not self._is_cached:
            return True
        confirmed: bool = await self._aside(self._files.confirm, base.environment.name, runs)
        return confirmed

    def keep_readings(self) -> None:
        """Keep what manifests say, for the next command, if the store asks the cache at all."""
        self._files.keep()

    def keep(self) -> str | None:
        """Have the remote keep the ledger's tree, so that a new clone notices if it is lost.

        Returns the reason if the remote does not keep it. Raises GitError and LedgerError.
        """
        return self._memory.keep()

    @property
    def _remote(self) -> str:
        return self._local.git.remote

    @property
    def _ledger_branch(self) -> str:
        return self._local.git.ledger_branch or self.branch

    def _fetch(self) -> GitSnapshot:
        commit, parent, traces = self._fetch_tips()
        self._memory.hear(traces)
        others_kept = self._memory.list_others(self.branch, traces)
        if self._tree is None or self._tree[0] != commit:
            self._tree = commit, CommittedBooks(self._git, commit)
        tree = self._tree[1]
        ledgers = self._ledgers_at(parent) if parent != commit else tree
        configuration = self._read_configuration(tree)
        environment, declared = self._read_declared(tree, configuration)
        folder = self._git.prefix + environment.state
        if ledgers is not None:
            ledgers.check_folder(folder)
        files = ledgers.ledger(folder) if ledgers else CommittedLedger.read(self._git, folder, ())
        others = self._other_books(configuration, tree, ledgers or tree, environment)
        place = LedgerPlace(
            remote=self._remote,
            branch=self.branch,
            environment=environment,
            commit=commit,
            ledger_branch=self._ledger_branch,
            parent=parent,
        )
        self._check_continuity(place, files, others, traces, others_kept)
        ledger = self._fold(files)
        own = Book(folder=folder, ledger=ledger, files=files.content, environment=environment.name)
        return GitSnapshot(
            commit=commit,
            environment=environment,
            declared=declared.pop(environment.name),
            ledger=ledger,
            parent=parent,
            files=files,
            others=others_kept,
            surroundings=surroundings(
                environment,
                [own, *others, *self._branches],
                {name: other.runs for name, other in declared.items()},
                own=folder,
            ),
        )

    def _ledgers_at(self, commit: CommitId | None) -> CommittedBooks | None:
        return None if commit is None else CommittedBooks(self._git, commit)

    def _read_declared(
        self, tree: CommittedBooks, configuration: Configuration
    ) -> tuple[Environment, dict[str, Declared]]:
        """The environment in the tree, and what each environment of its service declares, by name.

        Raises ConfigurationError, TooManyRunsError.
        """
        read = f"{CONFIGURATION} on {self._remote}'s {self.branch}"
        environment = choose_environment(configuration, self._name, read)

        def read_declared(one: Environment, ceiling: Ceiling) -> Declared:
            return self._files.read_declared(one, tree, ceiling)

        return environment, read_service(configuration, environment, read_declared, now=self._now)

    def _check_continuity(
        self,
        place: LedgerPlace,
        files: CommittedLedger,
        others: Sequence[Book],
        traces: Traces,
        kept: Others,
    ) -> None:
        """Raise unless every ledger still holds everything that is remembered of it.

        This is checked at each reading: a push meanwhile may have removed lines from any ledger.
        """
        state = place.commit, place.parent, kept
        if self._checked != state:
            with files.report_unreadable():
                self._branches = check_continuity(
                    self._git, place, files, others, traces, read=self._traces
                )
            self._checked = state
        if self._ledger is None and place.parent is not None:
            self._memory.see(self.branch, place.parent, files)

    def _fetch_tips(self) -> tuple[CommitId, CommitId | None, Traces]:
        """The tips of the branch and of the ledger's branch, and all traces. Raises GitError."""
        named = self._local.git
        ledger_branch = [named.ledger_branch] if named.ledger_branch else []
        fetched = self._git.fetch_shared(self._remote, named.branch, ledger_branch)
        branch = fetched.name
        if self.branch and branch != self.branch:
            raise GitError(
                f"{branch} is now the default branch of {self._remote}, and {self.branch} no "
                "longer is",
                hint="Run it again: it works on the new one then.",
            )
        self.branch = branch
        self.tip = fetched.tips[branch]
        if self.tip is None:
            raise GitError(
                f"{self._remote} has no branch {branch}",
                hint=f"Push it first, or {other_branch_hint()}.",
            )
        return self.tip, fetched.tips[self._ledger_branch], fetched.traces

    def _other_books(
        self,
        configuration: Configuration,
        tree: CommittedBooks,
        ledgers: CommittedBooks,
        environment: Environment,
    ) -> list[Book]:
        """Every other ledger of the repository, on either branch."""
        path = self._git.prefix + CONFIGURATION
        naming = naming_of(self._git.prefix, configuration, tree.read_configurations(path))
        naming.check_own(self._git.prefix, environment)
        found = tree.read_by_folder() | ledgers.read_by_folder()
        found.pop(self._git.prefix + environment.state, None)
        return books_of(naming, ((folder, one.content) for folder, one in found.items()))

    def _read_configuration(self, tree: CommittedBooks) -> Configuration:
        place = f"{self._remote}/{self.branch}"
        configuration = self._files.configuration(tree, place)
        if find_shared(configuration.git) != self._local.git:
            raise ConfigurationError(
                f"{self._git.prefix}{CONFIGURATION} on {place} has another `git` section than here",
                hint="Bring this checkout up to date (git pull), or push the change of it first.",
            )
        return configuration

    def _fold(self, files: CommittedLedger) -> Ledger:
        if self._ledger is not None:
            if self._ledger[0].content == files.content:
                return self._ledger[1]
            if not files.continues(self._ledger[0]):
                before, words = self._ledger[0], "this apply has read before"
                with files.report_unreadable():
                    raise lost_or_late_error(self._git, self._remote, files, before, words)
        self._ledger = files, files.ledger()
        return self._ledger[1]

    def _append(self, base: GitSnapshot, events: Sequence[Event], message: str) -> Appended:
        files = base.files
        changes = append_events(files.content, files.active, events, files.content.__getitem__)
        commit = self._git.commit_files(
            base.parent,
            {f"{files.folder}/{name}": content for name, content in changes.items()},
            message,
        )
        claims = any(isinstance(event, Claim | Adopted) for event in events)
        trace = self._memory.make_next_trace(self.branch, commit, files.folder)
        answer = self._git.push(
            self._remote,
            commit,
            self._ledger_branch,
            expected=base.parent,
            timeout=PUSH_SECONDS,
            # Also with a claim: whoever reads another branch must know what the claim starts, even
            # if this apply never gets to record it.
            trace=trace,
            # If HEAD has moved, an apply that asks for the default branch now claims on another.
            is_default=claims and self._local.git.branch is self._local.git.ledger_branch is None,
            others=base.others if claims else None,
        )
        match answer:
            case pushed.PushLanded(with_trace):
                taken = trace if with_trace else None
                return Landed(snapshot=self._note_landing(base, commit, changes, events, taken))
            case pushed.PushRaced():
                return Raced()
            case pushed.PushUnclear():
                return Unclear(message=answer.message)
            case pushed.PushDeclined():
                return Declined(message=answer.message, hint=answer.hint)

    def _note_landing(
        self,
        base: GitSnapshot,
        commit: CommitId,
        changes: dict[str, bytes | None],
        events: Sequence[Event],
        trace: Trace | None,
    ) -> GitSnapshot:
        files, ledger = base.files.with_changes(changes), base.ledger.with_events(events)
        self._memory.see_own(self.branch, commit, files, trace)
        self._ledger = files, ledger
        manifests = commit if self._ledger_branch == self.branch else CommitId(base.commit)
        self._checked = manifests, commit, base.others
        return GitSnapshot(
            commit=manifests,
            environment=base.environment,
            declared=base.declared,
            ledger=ledger,
            parent=commit,
            files=files,
            others=base.others,
            surroundings=base.surroundings,
        )
