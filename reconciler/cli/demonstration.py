"""What `demo` shows: a team's whole loop, in a real repository with a real remote."""

import os
import shlex
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree, rmtree, which

from click.exceptions import Exit

from reconciler.cli.main import run
from reconciler.cli.saying import ReaderGoneError, announce, show
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.git.command import run_git
from reconciler.sandbox import Sandbox, environment, run_sandbox

BRANCH = "main"
_EXAMPLE_URL = "http://127.0.0.1:8765"


def demonstrate() -> ExitCode:
    """Make a repository and its remote, and run the commands that a user would run.

    Both stay for the user to look at, but not if it was interrupted, or nobody reads on.
    """
    base = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    try:
        _demonstrate(base)
    except (KeyboardInterrupt, ReaderGoneError, Exit):
        rmtree(base, ignore_errors=True)  # what cannot be removed is left among temporary files
        raise
    return ExitCode.OK


def _demonstrate(base: Path) -> None:
    sandbox = Sandbox()
    with run_sandbox(sandbox) as url:
        repository = _make_repository(base, url)
        os.environ.update(environment(sandbox))
        _say(f"A repository with the example manifests is in {repository}, its remote beside it.")
        _say("A reviewer looks at the pull request:")
        _run_reconciler(repository, "validate")
        _run_reconciler(repository, "plan")
        _say("It is merged, and the pipeline applies it, and waits until everything has ended:")
        _run_reconciler(repository, "apply", "--wait")
        _say("Applied once more, it starts nothing: the ledger knows every run.")
        _run_reconciler(repository, "plan")
        _run_reconciler(repository, "status")
        _say("The record is in the repository:")
        _run_git(repository, "log", "--oneline", "--stat", "--format=%h %s")
        started = [one for one in sandbox.requests if one.operation == "trigger"]
    _say(f"The gateway was asked {len(started)} times to start a run, once for each that was due.")
    _say_next_steps(repository, url, sandbox)


def _make_repository(base: Path, url: str) -> Path:
    remote, repository = base / "origin.git", base / "repository"
    repository.mkdir()
    with as_file(files("reconciler") / "example") as example:
        copytree(example / "triggers", repository / "triggers")
        configuration = (example / "reconciler.yaml").read_text(encoding="utf-8")
    with as_file(files("reconciler") / "schemas") as schemas:
        copytree(schemas, repository / "schemas")
    (repository / "reconciler.yaml").write_text(
        configuration.replace(_EXAMPLE_URL, url), encoding="utf-8"
    )
    run_git(base, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(remote))
    run_git(repository, "init", "--quiet", f"--initial-branch={BRANCH}")
    for name, value in (
        ("user.name", "Demo"),
        ("user.email", "demo@example.test"),
        ("commit.gpgSign", "false"),
    ):
        run_git(repository, "config", name, value)
    run_git(repository, "add", "--all")
    run_git(repository, "commit", "--quiet", "--message=Declare the first runs")
    run_git(repository, "remote", "add", "origin", str(remote))
    run_git(repository, "push", "--quiet", "--set-upstream", "origin", BRANCH)
    return repository


def _run_reconciler(repository: Path, *arguments: str) -> None:
    announce(f"$ reconciler {shlex.join(arguments)}", "bold")
    code = run([*arguments, "--repo", str(repository)])
    show("\n")
    if code in (ExitCode.INTERRUPTED, ExitCode.UNREAD):  # which it has said, or nobody reads
        raise Exit(code)
    if code != ExitCode.OK:
        raise ReconcilerError(f"`reconciler {shlex.join(arguments)}` ended with exit code {code}")


def _run_git(repository: Path, *arguments: str) -> None:
    announce(f"$ git {shlex.join(arguments)}", "bold")
    show(f"{run_git(repository, *arguments).text}\n\n")


def _say(text: str) -> None:
    announce(f"# {text}", "cyan")
    show("\n")


def _say_next_steps(repository: Path, url: str, sandbox: Sandbox) -> None:
    port = url.rpartition(":")[2]
    exports = " ".join(f"{name}={value}" for name, value in environment(sandbox).items())
    _say("Try next:")
    command = (
        "reconciler" if which("reconciler") else f"{shlex.quote(sys.executable)} -m reconciler"
    )
    show(
        f"  {command} sandbox --port {port}        # in another terminal\n"
        f"  cd {shlex.quote(str(repository))}\n"
        f"  export {exports}\n"
        "  # change `revision: 2` to 3 in triggers/reports/monthly-yield-report.yaml, then:\n"
        "  git commit --all --message='Run the report again' && git push\n"
        f"  {command} plan && {command} apply\n"
        f"  rm -r {shlex.quote(str(repository.parent))}        # when you have seen enough\n\n"
    )
