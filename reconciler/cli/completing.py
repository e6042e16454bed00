"""Answer a shell that completes a command line, by click's protocol, from local files alone.

A person's shell calls this at each press of a key. So it asks no network, prints nothing but its
answer, and completes nothing where anything is wrong. A name from the repository is offered only if
no shell reads any of it as more than a name, because what is offered is soon executed.
"""

import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from reconciler.cli.options import CommonOptions

COMPLETE_VARIABLE = "_RECONCILER_COMPLETE"
PROGRAM = "reconciler"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/=@+#-]*", re.ASCII)
_MOST = 500  # names that a shell is offered at once
_SECONDS = 3.0  # of processor time: a person who must wait longer types on


def script(shell: str) -> str:
    """The script that a shell loads."""
    # The subclass for bash has a method of its own, which runs bash to ask for its version.
    return ShellComplete.source(_adapter(shell))


def _adapter(shell: str) -> ShellComplete:
    from reconciler.cli.main import reconciler

    found = get_completion_class(shell)
    if found is None:
        raise LookupError(shell)
    return found(reconciler, {}, PROGRAM, COMPLETE_VARIABLE)


def answer_shell(instruction: str) -> None:
    """Answer an instruction of the shell, such as `bash_complete`. Never fails, and ends soon."""
    signal.signal(signal.SIGPROF, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    shell, _, wish = instruction.partition("_")
    with Path(os.devnull).open("w", encoding="utf-8") as silence, redirect_stderr(silence):
        try:
            answer = script(shell) if wish == "source" else _adapter(shell).complete()
        except Exception:  # noqa: BLE001 - a shell must not be told of an error at the press of a key
            answer = ""
    signal.setitimer(signal.ITIMER_PROF, 0)
    if answer:
        from reconciler.cli.saying import show

        show(f"{answer}\n")


def run_words(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The names of runs that begin with the text, each up to its next slash."""
    return _offer_items(_levels(_run_names(_options(context)), incomplete), incomplete)


def environments(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The names of the environments."""
    from reconciler.repository.settings import find_root, read_configuration

    configuration = read_configuration(find_root(_options(context).repo))
    return _offer_items(configuration.environments, incomplete)


def codes(_: click.Context, incomplete: str) -> list[CompletionItem]:
    """The codes that `explain` knows."""
    from reconciler.explained import explanations

    return _offer_items(explanations(), incomplete)


def _options(context: click.Context) -> CommonOptions:
    return context.find_object(CommonOptions) or CommonOptions()


def _offer_items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    found = (one for one in names if one.startswith(incomplete) and _PLAIN.fullmatch(one))
    return [CompletionItem(one) for one in sorted(set(found))[:_MOST]]


def _levels(names: Iterable[str], incomplete: str) -> Iterator[str]:
    """The part of each name up to its next slash; if that part is typed in full, one more."""
    depth = incomplete.count("/")
    for name in names:
        parts = name.split("/")
        part = "/".join(parts[: depth + 1])
        yield part
        if part == incomplete:
            yield "/".join(parts[: depth + 2])


def _run_names(options: CommonOptions) -> Iterator[str]:
    """The ids of the runs that manifests here declare, and of those that ledgers here record."""
    from reconciler.cli.reading import Workspace
    from reconciler.errors import ReconcilerError

    workspace = Workspace.find(options)
    for environment in workspace.environments:
        try:
            yield from (run.id for run in workspace.read_declared(environment).runs)
            yield from workspace.local_book(environment).ledger.records
        except ReconcilerError:
            continue  # another environment may be readable
