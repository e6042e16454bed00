"""What `doctor` does: make one check after the other, and let no failure end the rest.

The checks here are the first: of git, the configuration, this clone, and its remote.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

from msgspec import Struct

from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace
from reconciler.configuration import Environment, GitConfiguration
from reconciler.errors import ExitCode, GitError, ReconcilerError
from reconciler.git import CommitId, Git, survey
from reconciler.git.remote import HEADS, read_refs
from reconciler.git.sending import Heard, PushAnswer
from reconciler.ledger.files import TRAILER
from reconciler.render.diagnosis import (
    Checked,
    Diagnosis,
    Health,
    failed_diagnosis,
    ok_diagnosis,
    skipped_diagnosis,
    warning_diagnosis,
)
from reconciler.repository.settings import other_branch_hint

OFFLINE = "it needs the network, and --offline was given"
_AGAIN = "Mend that, then run it again: reconciler doctor"
_BUG = "This check has a bug: please report it with these words; the other checks stand."


class Examination:
    """The report of `doctor`: the checks that were made, in their order."""

    def __init__(self) -> None:
        self.checks: list[Checked] = []

    @property
    def exit_code(self) -> ExitCode:
        """OK unless a check failed."""
        broken = any(one.diagnosis.health is Health.FAILED for one in self.checks)
        return ExitCode.PROBLEM if broken else ExitCode.OK

    def check(
        self, name: str, look: Callable[[], Diagnosis], environment: str | None = None
    ) -> None:
        """Make the check. An error that it raises is its finding."""
        try:
            diagnosis = look()
        except Exception as error:  # noqa: BLE001 - one broken check must not end the others
            diagnosis = _diagnose_error(error)
        self._add(name, diagnosis, environment)

    async def ask(
        self, name: str, look: Callable[[], Awaitable[Diagnosis]], environment: str | None = None
    ) -> None:
        """The same for a check that asks a gateway."""
        try:
            diagnosis = await look()
        except Exception as error:  # noqa: BLE001 - as above
            diagnosis = _diagnose_error(error)
        self._add(name, diagnosis, environment)

    def check_together(self, look: Callable[[], None], environment: str | None = None) -> None:
        """Make checks that build on one another; an error between them counts as one more check."""
        try:
            look()
        except Exception as error:  # noqa: BLE001 - as above
            self._add("examination", _diagnose_error(error), environment)

    def skip(self, names: Iterable[str], why: str, environment: str | None = None) -> None:
        """Record that each of these checks was not made, and why."""
        for name in names:
            self._add(name, skipped_diagnosis(why), environment)

    def _add(self, name: str, diagnosis: Diagnosis, environment: str | None) -> None:
        self.checks.append(Checked(name=name, environment=environment, diagnosis=diagnosis))


def _diagnose_error(error: Exception) -> Diagnosis:
    if isinstance(error, ReconcilerError):
        return failed_diagnosis(str(error), error.hint or _AGAIN)
    return failed_diagnosis(f"{type(error).__name__}: {error}", _BUG)


def examine(options: CommonOptions, *, offline: bool) -> Examination:
    """Check everything around the program. Raises nothing that a person can cause."""
    from reconciler.cli.examining_gateway import examine_gateway
    from reconciler.cli.examining_ledger import examine_code_owners, examine_ledger

    examination = Examination()
    clone = ClonePatient(examination=examination, options=options)
    examination.check_together(lambda: clone.examine(offline=offline))
    examine_code_owners(examination, clone)

    def examine_environment(environment: Environment) -> None:
        declared = examine_ledger(examination, clone, environment, offline=offline)
        examine_gateway(examination, clone, environment, declared, offline=offline)

    for one in clone.workspace.environments if clone.workspace is not None else ():
        examination.check_together(partial(examine_environment, one), one.name)
    return examination


_SECONDS = 60.0  # for each question to the remote
_NO_CLONE = "there is no clone to look at"
_NO_REMOTE = "no remote branch could be read"
_FIRST = "Commit the configuration and push it: git push {} HEAD"
_PROTECTED = (
    "If the branch is protected, let the reconciler's identity push to it, or keep the ledger on a "
    "branch of its own: git.ledgerBranch in reconciler.yaml"
)

_APART = (
    "Have the server's rules for branches leave {0} out, or let the reconciler's identity push to "
    "it; then see: reconciler apply"
)


class ClonePatient(Struct, kw_only=True):
    """What is known so far of the clone; None: it could not be found out."""

    examination: Examination
    options: CommonOptions
    workspace: Workspace | None = None
    git: Git | None = None
    branch: str | None = None  # the shared one
    tip: CommitId | None = None  # of the shared branch
    ledger_tip: CommitId | None = None  # of the branch that holds the ledger

    def examine(self, *, offline: bool) -> None:
        """Check the clone, and keep what was found out for the checks that follow."""
        examination, check = self.examination, self.examination.check
        check("git", self._check_version)
        check("configuration", self._check_configuration)
        check("repository", self._check_repository)
        if self.git is None:
            examination.skip(("identity", "clone", "remote", "push", "protection"), _NO_CLONE)
            return
        check(
            "identity", lambda: ok_diagnosis(f"commits are by {survey.read_identity(self._root)}")
        )
        check("clone", self._check_kind)
        if offline:
            check("remote", self._check_remote_offline)
            examination.skip(("push", "protection"), OFFLINE)
            return
        check("remote", self._check_remote)
        if self.branch is None:
            examination.skip(("push", "protection"), _NO_REMOTE)
            return
        check("push", self._check_push)
        check("protection", self._check_protection)

    @property
    def named(self) -> GitConfiguration:
        """What the configuration says of git; the defaults where there is none."""
        return GitConfiguration() if self.workspace is None else self.workspace.configuration.git

    @property
    def _root(self) -> Path:
        if self.git is None:
            raise GitError(_NO_CLONE)
        return self.git.root

    @property
    def _folder(self) -> Path:
        if self.workspace is not None:
            return self.workspace.root
        return self.options.repo or Path.cwd()

    def _check_version(self) -> Diagnosis:
        version, new_enough = survey.read_version(Path("/"))
        if new_enough:
            return ok_diagnosis(f"version {version}")
        oldest = ".".join(map(str, survey.OLDEST))
        return failed_diagnosis(f"version {version} is too old", f"Install git {oldest} or newer.")

    def _check_configuration(self) -> Diagnosis:
        workspace = Workspace.find(self.options)
        self.workspace = workspace
        names = ", ".join(workspace.configuration.environments)
        return ok_diagnosis(f"{workspace.root / 'reconciler.yaml'}: {names}")

    def _check_repository(self) -> Diagnosis:
        self.git = Git.at(self._folder)
        current = self.git.read_current_branch()
        return ok_diagnosis(f"{self.git.root}, on {current or 'no branch: HEAD is detached'}")

    def _check_kind(self) -> Diagnosis:
        kind, remote = survey.read_clone_kind(self._root), self.named.remote
        if kind.shallow:
            return warning_diagnosis(
                "shallow: an apply works, but what is older is not known here, as which merge "
                "changed a manifest, or what a run was started with",
                f"Fetch the rest: git fetch --unshallow {remote} (in GitHub's checkout: "
                "fetch-depth: 0)",
            )
        if kind.partial:
            return warning_diagnosis(
                "partial: objects are fetched when they are needed, so that --offline may fail",
                f"To have them all: git config --unset remote.{remote}.partialclonefilter && "
                f"git fetch --refetch {remote}",
            )
        if kind.sparse:
            return ok_diagnosis("sparse: files that are not checked out are read from the commit")
        return ok_diagnosis("whole")

    def _check_remote_offline(self) -> Diagnosis:
        remote = self.named.remote
        git = Git.at(self._folder)
        git.check_remote(remote)
        return skipped_diagnosis(
            f"{remote} is {git.read_addresses(remote).fetched}; not asked: --offline"
        )

    def _check_remote(self) -> Diagnosis:
        git, named = Git.at(self._folder), self.named
        git.check_remote(named.remote)
        where = git.read_addresses(named.remote)
        seen = read_refs(git.root, named.remote, [f"{HEADS}*"], timeout=_SECONDS)
        if not any(ref.startswith(HEADS) for ref in seen.tips):
            return failed_diagnosis(
                f"{named.remote} answers, and has no branch yet", _FIRST.format(named.remote)
            )
        ledger = [named.ledger_branch] if named.ledger_branch else []
        fetched = git.fetch_shared(named.remote, named.branch, ledger)
        self.branch = fetched.name
        self.tip = fetched.tips[self.branch]
        self.ledger_tip = fetched.tips[named.ledger_branch or self.branch]
        if self.tip is None:
            return failed_diagnosis(
                f"{named.remote} has no branch {self.branch}",
                f"Push it, or {other_branch_hint()}.",
            )
        if where.differ:
            return warning_diagnosis(where.difference, where.hint)
        found = f"{named.remote} ({where.fetched}) answers, with the branch {self.branch}"
        if self.ledger_tip is None and fetched.traces.trees:
            return failed_diagnosis(
                f"{named.remote} has no branch {named.ledger_branch}, and there was a ledger",
                "See how to bring it back: reconciler status",
            )
        if self.ledger_tip is None:
            return ok_diagnosis(
                f"{found}; the first apply makes {named.ledger_branch}, for the ledger"
            )
        return ok_diagnosis(found)

    def _check_push(self) -> Diagnosis:
        git, named = Git.at(self._folder), self.named
        commit = self.ledger_tip or self.tip or git.read_worktree_commit()
        if commit is None:
            return skipped_diagnosis("nothing is committed yet", _FIRST.format(named.remote))
        branch = named.ledger_branch or self.branch or ""
        scratch = f"{HEADS}reconciler-doctor-{secrets.token_hex(4)}"
        tried: list[tuple[str, CommitId | None]] = [(scratch, None)]
        if self.ledger_tip is not None:
            tried.insert(0, (f"{HEADS}{branch}", self.ledger_tip))
        for ref, expected in tried:
            heard = survey.rehearse(git.root, named.remote, ref, commit, expected, timeout=_SECONDS)
            if heard.heard is not Heard.TAKEN:
                return _declined_push_diagnosis(ref, heard)
        to = f"{branch} and to a new branch" if self.ledger_tip is not None else "a new branch"
        return ok_diagnosis(f"git push --dry-run to {to} is let in; nothing was pushed")

    def _check_protection(self) -> Diagnosis:
        branch = self.named.ledger_branch or self.branch
        last = None
        if self.ledger_tip is not None:
            last = survey.find_last_push(self._root, self.ledger_tip, TRAILER)
        if last is not None:
            return ok_diagnosis(f"{branch} took the reconciler's commit of {last}")
        return skipped_diagnosis(
            f"not known: no rule of the server is asked by a dry run, and no commit of the "
            f"reconciler's is on {branch}, as far as this clone's history goes",
            _APART.format(branch) if self.named.ledger_branch else _PROTECTED,
        )


def _declined_push_diagnosis(ref: str, heard: PushAnswer) -> Diagnosis:
    name = ref.removeprefix(HEADS)
    return failed_diagnosis(
        f"git push --dry-run to {name} is not let in: {heard.message}",
        heard.hint or "Give git access for a push, then see: git push --dry-run",
    )
