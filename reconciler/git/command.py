"""The one function that runs git. `retrying` has the questions to a remote, which are repeated."""

import os
import select
import signal
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.said import MOST_BYTES, clean_words, keep_both_ends

LOCAL_SECONDS = 60.0  # a command that needs no network
NETWORK_SECONDS = 120.0  # a command that needs it
_GRACE_SECONDS = 5.0  # for git to remove its lock files once it has been told to stop

# Variables that a hook, or a wrapper around git, sets for a repository that may not be ours. They
# are those of `git rev-parse --local-env-vars` without GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS,
# which carry the user's own settings, plus those that change how a path or a ref is read.
_INHERITED = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
_OURS = {
    "GIT_NO_REPLACE_OBJECTS": "1",  # what was pushed counts, not what replaces it in this clone
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # messages are recognised by their English words
}
# With these, git runs no file of a checkout, however the clone is configured. Hooks and a file
# system monitor are often named by a path in the working tree, where a pull request can write.
_SETTINGS = (
    "'safe.bareRepository'='explicit' 'core.hooksPath'='/dev/null' 'core.fsmonitor'='false' "
    "'submodule.recurse'='false'"
)

NOTHING_MORE: Mapping[str, str] = {}


class GitTimeoutError(GitError):
    """Git was stopped because it took too long; what it had done by then is not known."""


class CompletedGit(Struct, frozen=True, kw_only=True):
    """What a git command said. `stderr` is safe to show: no credentials, no control characters."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text without the newline at its end."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


class _Process(subprocess.Popen[bytes]):
    """A process whose end the system tells, where it can.

    `Popen.wait` looks whether it has ended, sleeps for a millisecond, and looks again: git closes
    its output a moment before it ends, so nearly every call would sleep once.
    """

    def wait(self, timeout: float | None = None) -> int:
        """As `Popen.wait`. Raises TimeoutExpired."""
        if timeout is not None and self.returncode is None and not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        return super().wait(timeout)

    def _has_ended(self, seconds: float) -> bool:
        """Wait for the end; True as well where the system cannot tell, as others than Linux."""
        try:
            told = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return True
        try:
            poll = select.poll()
            poll.register(told, select.POLLIN)
            return bool(poll.poll(max(0, seconds) * 1000))
        finally:
            os.close(told)


def run_git(
    folder: Path,
    *args: str,
    stdin: bytes | None = None,
    timeout: float = LOCAL_SECONDS,
    accept: Collection[int] | None = (0,),
    variables: Mapping[str, str] = NOTHING_MORE,
) -> CompletedGit:
    """Run `git args…` in the folder and wait for it, at most `timeout` seconds.

    Git runs in a session of its own, so that a Ctrl-C at the terminal does not stop a push half
    way and ssh has no terminal to ask for a passphrase on. `variables` are added to its
    environment.

    Raises GitError for an exit code that is not in `accept` (None accepts all) or if git cannot be
    run at all, and GitTimeoutError.
    """
    completed = complete_git(folder, args, stdin, timeout, variables)
    if accept is not None and completed.exit_code not in accept:
        from reconciler.git.causes import advice

        raise GitError(_failure(args, completed), hint=advice(completed.stderr))
    return completed


def complete_git(
    folder: Path,
    args: tuple[str, ...],
    stdin: bytes | None,
    timeout: float,
    variables: Mapping[str, str],
) -> CompletedGit:
    """Run git and return the result, whatever the exit code. Nothing else runs git.

    Raises GitError if git cannot be run, and GitTimeoutError.
    """
    # Standard error goes to a file. A process that ssh leaves behind to share its connection keeps
    # standard error open, so a pipe would not end before that process does.
    with _open_errors() as errors:
        environment = {**_environment(folder), **variables}
        process = _start(folder, args, errors, environment, has_input=stdin is not None)
        try:
            stdout, _ = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            _stop(process)
            raise GitTimeoutError(
                f"{_name(args)} took longer than {timeout:g} s{_quote_errors(errors)}",
                hint="try again; if it stays slow, run the same command by hand",
            ) from None
        except BaseException:
            _stop(process)
            raise
        said = "\n".join(filter(None, (_contents(errors), _signal_words(args, process.returncode))))
        return CompletedGit(exit_code=process.returncode, stdout=stdout, stderr=said)


def _signal_words(args: tuple[str, ...], exit_code: int) -> str:
    """What to say if a signal ended git, which then had no time to say anything itself."""
    if exit_code >= 0:
        return ""
    number = -exit_code
    return f"{_name(args)} was ended by signal {number} ({signal.strsignal(number) or 'unknown'})"


def _open_errors() -> IO[bytes]:
    from tempfile import TemporaryFile  # outside a repository, no git is run

    try:
        return TemporaryFile()
    except OSError as error:
        raise GitError(
            f"git cannot be run: no temporary file can be made: {error.strerror}",
            hint="make room, or set TMPDIR to a folder that can be written",
        ) from None


def _start(
    folder: Path,
    args: tuple[str, ...],
    errors: IO[bytes],
    environment: Mapping[str, str],
    *,
    has_input: bool,
) -> _Process:
    try:
        return _Process(
            [b"git", *(arg.encode("utf-8", "surrogateescape") for arg in args)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        if not folder.is_dir():
            raise GitError(f"{folder} is not a folder") from None
        if isinstance(error, FileNotFoundError):
            raise GitError("git is not on PATH", hint="install git 2.34 or newer") from None
        raise GitError(f"git cannot be run in {folder}: {error.strerror}") from None


def names_repository(folder: Path) -> bool:
    """Whether the environment says which repository the folder belongs to.

    GIT_DIR and GIT_WORK_TREE together say so for the folders of that working tree. If only one is
    set, or the folder lies elsewhere, they come from a hook that runs for another repository.
    """
    return bool(_named_repository(folder))


def _named_repository(folder: Path) -> dict[str, str]:
    own, tree = os.environ.get("GIT_DIR"), os.environ.get("GIT_WORK_TREE")
    if not own or not tree:
        return {}
    top = os.path.realpath(tree)
    if not Path(os.path.realpath(folder)).is_relative_to(top):
        return {}
    return {"GIT_DIR": os.path.realpath(own), "GIT_WORK_TREE": top}


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    # Relative folders would be looked up in the checkout, and a `git` there would run.
    path = filter(os.path.isabs, kept.get("PATH", os.defpath).split(os.pathsep))
    given = kept.get("GIT_CONFIG_PARAMETERS", "")
    ours = {
        "GIT_CONFIG_PARAMETERS": f"{given} {_SETTINGS}".lstrip(),
        "PATH": os.pathsep.join(path) or os.defpath,
    }
    return kept | _OURS | ours | _named_repository(folder)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started: politely at first, so that git removes its lock files."""
    with process:
        for order in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(process, order)
            try:
                process.communicate(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return


def _signal_group(process: subprocess.Popen[bytes], order: signal.Signals) -> None:
    try:
        os.killpg(process.pid, order)
    except ProcessLookupError:
        return  # the process has ended by itself meanwhile


def _contents(errors: IO[bytes]) -> str:
    # What git has left behind, such as `git receive-pack`, may still write, where the file's offset
    # is. All share that offset, so it is not moved to read: the words would be written over.
    file = errors.fileno()
    size = os.fstat(file).st_size
    if size <= MOST_BYTES:
        return clean_words(os.pread(file, size, 0)) if size else ""
    half = MOST_BYTES // 2
    end = os.pread(file, half, size - half)
    return clean_words(keep_both_ends(os.pread(file, half, 0), end, size - MOST_BYTES))


def _quote_errors(errors: IO[bytes]) -> str:
    said = _contents(errors)
    return f": {said}" if said else ""


def _failure(args: tuple[str, ...], completed: CompletedGit) -> str:
    said = completed.stderr.removeprefix("fatal: ").removeprefix("error: ")
    return f"{_name(args)} failed: {said or f'exit code {completed.exit_code}'}"


def _name(args: tuple[str, ...]) -> str:
    """`git push` for a push: options before the command and their values are left out."""
    return f"git {next(arg for arg in args if not arg.startswith('-') and '=' not in arg)}"
