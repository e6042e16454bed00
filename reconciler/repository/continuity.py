"""Whether the ledgers still hold everything that they are known to have held.

A rewritten branch, a revert, a merge that took the wrong side, a configuration that names another
folder or another branch: each would make started runs look new, and have them started again.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from shlex import quote as quoted
from urllib.parse import quote, unquote

from msgspec import Struct

from reconciler.configuration import Environment
from reconciler.errors import GitError, LedgerError
from reconciler.git import CommitId, Git, ObjectId
from reconciler.git.kept_refs import BRANCH_MARK, MEMORY, Traces, ref_there
from reconciler.git.remote import Others
from reconciler.git.traces import Trace
from reconciler.identity import Book, service_of
from reconciler.ledger.files import TRAILER, ledger_text
from reconciler.repository.committed import CommittedLedger

LONGEST_NAME = 200  # of a trace; a ref's lock is a few characters longer than the ref


class LedgerPlace(Struct, frozen=True, kw_only=True):
    """Where a ledger is looked for, and what its traces are called."""

    remote: str
    branch: str  # of the manifests
    environment: Environment
    commit: CommitId  # the tip of the manifests' branch
    ledger_branch: str  # often the same branch
    parent: CommitId | None  # the tip of the ledger's branch; None: the remote has no such branch


def trace_name(git: Git, environment: str, branch: str) -> str:
    """The name of the environment's traces: one for each branch and each folder of a monorepo."""
    name = _quote_name(f"{branch}:{git.prefix}{environment}")
    if len(name) <= LONGEST_NAME:
        return name
    # A ref is a file, and no file can have a longer name. The branch still tells where to look.
    digest = sha256(name.encode()).hexdigest()
    short = _quote_name(f"{branch}:{environment[:20]} {digest}")
    return short if len(short) <= LONGEST_NAME else digest


def _quote_name(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")


class LedgerTraces:
    """What this clone, and the remote for other clones, must remember of a ledger."""

    def __init__(self, git: Git, remote: str, environment: str) -> None:
        self._git = git
        self._remote = remote
        self._environment = environment
        # The trace's name, and the commit and folder where the ledger was last read or written.
        self._seen: tuple[str, CommitId, str] | None = None
        # All traces, as they were after the last fetch or push; None: not read yet.
        self._traces: Traces | None = None

    def hear(self, traces: Traces) -> None:
        """Take over which traces there are since a fetch."""
        self._traces = traces

    def see(self, branch: str, commit: CommitId, files: CommittedLedger) -> None:
        """Have this clone remember the ledger as the commit has it; `branch`: of the manifests."""
        if files.content:
            name = trace_name(self._git, self._environment, branch)
            seen = None if self._traces is None else self._traces.trees.get(f"seen/{name}")
            if seen is None or seen != self._git.folder(commit, files.folder):
                self._git.remember(name, commit, files.folder)
            self._seen = name, commit, files.folder

    def see_own(
        self, branch: str, commit: CommitId, files: CommittedLedger, trace: Trace | None = None
    ) -> None:
        """As `see`, after a push, unless another process of this clone has seen more since.

        `trace`: what the remote has taken along.
        """
        if self._traces is not None and trace is not None:
            key, oid = trace.here.removeprefix(f"{MEMORY}/"), ObjectId(trace.move.commit)
            self._traces = self._traces.with_kept(self._remote, key, oid, trace.tree)
        name = trace_name(self._git, self._environment, branch)
        tree = self._git.folder(commit, files.folder)
        before = self._seen and self._git.folder(*self._seen[1:])
        if tree is not None and self._git.remember_next(name, tree, before, trace):
            self._seen = name, commit, files.folder
            return
        seen = self._git.read_remembered(name)
        if seen is None or tree is None or not self._continues(seen, tree):
            self._git.remember(name, commit, files.folder)
            self._seen = name, commit, files.folder

    def keep(self) -> str | None:
        """Have the remote keep the ledger. Returns the reason if it does not."""
        if self._seen is None:
            return None
        return self._git.keep(self._remote, *self._seen, self._continues, self._traces)

    def make_next_trace(self, branch: str, commit: CommitId, folder: str) -> Trace | None:
        """The trace to push together with the commit; None if there is none, or it cannot be."""
        name = trace_name(self._git, self._environment, branch)
        return self._git.make_next_trace(
            self._remote, name, commit, folder, self._continues, self._traces
        )

    def list_others(self, branch: str, traces: Traces) -> Others:
        """The remote's traces of other ledgers."""
        name = trace_name(self._git, self._environment, branch)
        return Others.from_traces(name, traces.kept)

    def _continues(self, new: ObjectId, old: ObjectId) -> bool:
        after, before = (
            CommittedLedger.read(self._git, "", self._git.list_tree(tree)) for tree in (new, old)
        )
        return after.continues(before)


def check_continuity(
    git: Git,
    place: LedgerPlace,
    files: CommittedLedger,
    others: Sequence[Book],
    traces: Traces,
    *,
    read: dict[ObjectId, CommittedLedger],
) -> list[Book]:
    """Compare the ledgers with every trace of an earlier one, whatever its name.

    Returns the traces of other branches, as books: what they record counts as well. `read` keeps
    the traces that were read, by their trees, for the next call. Raises LedgerError if the ledger
    has lost events, if a trace cannot be read, or if no ledger continues a trace that concerns this
    service, unless that trace is of another branch that exists.
    """
    if place.parent is not None:
        written = git.find_last_written(place.parent, files.folder, TRAILER)
        if written != git.folder(place.parent, files.folder):
            _check(git, files, written, "was recorded")
    if place.parent != place.commit:
        beside = git.folder(place.commit, files.folder)
        _check(git, files, beside, "lies beside the manifests")
    ledgers = [(files.content, files.folder), *((book.files, book.folder) for book in others)]
    elsewhere = []
    for trace in _ledger_traces(git, place, traces, read):
        if any(_goes_on(git, place, trace, *ledger) for ledger in ledgers):
            continue
        if trace.name == trace_name(git, place.environment.name, place.branch):
            raise _lost_trace_error(git, place, files, trace)
        try:
            book = trace.book()
        except LedgerError as error:
            raise _unreadable_error(git, place.remote, trace.key, error) from None
        if not book.concerns(service_of(place.environment.gateway)):
            continue
        if trace.branch in {None, place.branch} or not _exists(git, place.remote, trace.branch):
            raise _homeless_error(book, _deletion_advice(git, place.remote, trace.key))
        elsewhere.append(book)
    return elsewhere


def _goes_on(
    git: Git, place: LedgerPlace, trace: "_LedgerTrace", files: Mapping[str, bytes], folder: str
) -> bool:
    """Whether the ledger of these files still holds all that the trace remembers."""
    try:
        alike = trace.files.alike(files, folder)
        before = trace.files.text(without=alike)
    except GitError as error:
        raise _unreadable_error(git, place.remote, trace.key, error) from None
    return ledger_text(files, folder, without=alike).startswith(before)


class _LedgerTrace(Struct, frozen=True, kw_only=True):
    key: str  # as `Traces` has it
    name: str
    branch: str | None  # None: written before names held the branch
    words: str  # who has the trace, for messages
    files: CommittedLedger

    def book(self) -> Book:
        """The ledger that the trace holds. Raises LedgerError."""
        _, separator, title = unquote(self.name).partition(":")
        shown = f"{title} on {self.branch}" if separator else unquote(self.name)
        return Book(
            folder=f"{shown} ({self.words})", ledger=self.files.ledger(), files=self.files.content
        )


def _ledger_traces(
    git: Git, place: LedgerPlace, traces: Traces, read: dict[ObjectId, CommittedLedger]
) -> Iterator[_LedgerTrace]:
    for key, tree in traces.trees.items():
        where, _, rest = key.partition("/")
        name = rest if where == "seen" else rest.removeprefix(f"{place.remote}/")
        name = name.removeprefix(f"{BRANCH_MARK}/")
        branch, separator, _ = unquote(name).partition(":")
        try:
            if tree not in read:
                read[tree] = CommittedLedger.read(git, "", git.list_tree(tree))
        except (LedgerError, GitError) as error:
            raise _unreadable_error(git, place.remote, key, error) from None
        before = read[tree]
        if not before.content:
            continue
        yield _LedgerTrace(
            key=key,
            name=name,
            branch=branch if separator else None,
            words="this clone has read before" if where == "seen" else f"{place.remote} keeps",
            files=before,
        )


def _exists(git: Git, remote: str, branch: str | None) -> bool:
    if branch is None or not git.may_be_branch(branch):
        return False
    return git.fetch(remote, [branch])[branch] is not None


def _unreadable_error(
    git: Git, remote: str, key: str, error: LedgerError | GitError
) -> LedgerError:
    """The error for a trace that cannot be read: runs that it hides may have been started."""
    shown = ref_there(remote, key) or f"{MEMORY}/{key}"
    where = f"{remote} keeps" if ref_there(remote, key) else "this clone has"
    return LedgerError(
        f"the trace of a ledger that {where} as {shown} cannot be read: {error}",
        hint="Nothing is started until it can be read. If a newer reconciler has written it, use "
        f"that one. Only if it never was a ledger: {_deletion_advice(git, remote, key)}.",
    )


def _check(git: Git, files: CommittedLedger, tree: ObjectId | None, trace: str) -> None:
    if tree is None:
        return
    before = CommittedLedger.read(git, "", git.list_tree(tree))
    if not files.continues(before):
        raise _lost_error(files, trace)


def _lost_error(files: CommittedLedger, trace: str, way_back: str = "") -> LedgerError:
    """The error for a ledger that does not continue the trace's ledger."""
    return LedgerError(
        f"{files.folder}: the ledger has lost events: it does not continue the one that {trace}",
        hint="The branch was rewritten, a revert, an edit or a merge took lines away, or `state` "
        "or `git.ledgerBranch` was changed without moving the ledger along. Put it back; nothing "
        f"is started until then (reconciler explain lost-ledger).{way_back}",
    )


def lost_or_late_error(
    git: Git,
    remote: str,
    files: CommittedLedger,
    before: CommittedLedger,
    trace: str,
    way_back: str = "",
) -> LedgerError:
    """As `_lost_error`; if the ledger is only shorter, it says that what is fetched may lag."""
    error = _lost_error(files, trace, way_back)
    if not before.continues(files):
        return error
    where = git.read_addresses(remote)
    if not where.differ:
        return error
    return LedgerError(
        f"{files.folder}: what is fetched from {where.fetched} lags behind what is pushed to "
        f"{where.pushed} ({where.setting}), or the ledger has lost events: it does not continue "
        f"the one that {trace}",
        hint="Wait a little and run it again. Better, fetch from where it is pushed to: "
        f"{where.hint}. If that changes nothing: {error.hint}",
    )


def _lost_trace_error(
    git: Git, place: LedgerPlace, files: CommittedLedger, trace: _LedgerTrace
) -> LedgerError:
    """The error for a ledger that does not continue a trace of its own name."""
    if trace.files.continues(files):
        way_back = _restore_commands(place, files.folder, trace)
        if place.parent is not None:
            return lost_or_late_error(git, place.remote, files, trace.files, trace.words, way_back)
        return LedgerError(
            f"{files.folder}: {place.remote} has no branch {place.ledger_branch}, so the ledger "
            f"has lost events: it does not continue the one that {trace.words}",
            hint="Put the branch back, or name the one that has the ledger (`git.ledgerBranch`); "
            f"nothing is started until then (reconciler explain lost-ledger).{way_back}",
        )
    return LedgerError(
        f"{files.folder}: the ledger has lost events, or a trace of it is false: neither it nor "
        f"the one that {trace.words} continues the other",
        hint="If the branch is wrong, put it back (reconciler explain lost-ledger). If the trace "
        f"is: {_deletion_advice(git, place.remote, trace.key)}. Nothing is started until then.",
    )


def _restore_commands(place: LedgerPlace, folder: str, trace: _LedgerTrace) -> str:
    """The commands that make a ledger of a trace which holds all of it, and more."""
    branch, switch = place.ledger_branch, "switch" if place.parent else "switch --orphan"
    commands = (
        f"git {switch} {quoted(branch)}",
        f"git rm -rqf --ignore-unmatch {quoted(f':/{folder}')}",
        f"git read-tree -u --prefix={quoted(f'{folder}/')} {quoted(f'{MEMORY}/{trace.key}')}",
        "git commit -qm 'Bring the ledger back'",
        f"git push {quoted(place.remote)} {quoted(branch)}",
    )
    return f" To bring back the one that {trace.words}: `{' && '.join(commands)}`."


def _deletion_advice(git: Git, remote: str, key: str) -> str:
    """Who made the trace, and how to delete it on the remote and in this clone."""
    here = f"git update-ref -d {quoted(f'{MEMORY}/{key}')}"
    there = ref_there(remote, key)
    if there is None:
        return f"it is this clone's own; forget it with `{here}`"
    author = git.author(f"{MEMORY}/{key}")
    return (
        f"it was pushed by {author}; delete it with `git push {remote} --delete {quoted(there)}`, "
        f"and in each clone `{here}`"
    )


def _homeless_error(book: Book, mending: str) -> LedgerError:
    return LedgerError(
        f"the ledger has lost events: no folder continues the one of {book.folder}",
        hint="An environment was renamed or removed without its ledger. Move the ledger to the "
        "environment that goes on with it (`git mv`), or list its folder under `retired`; nothing "
        "is started until then (reconciler explain lost-ledger). Only if it never was one: "
        f"{mending}.",
    )
