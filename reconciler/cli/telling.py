"""What `comment` and `issue` do: tell people on the forge that the job runs on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from reconciler.cli.choosing import Filter
from reconciler.cli.options import CommonOptions
from reconciler.cli.reporting import report_status
from reconciler.cli.saying import say
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.forge.gitlab import GitLab
from reconciler.forge.job import NoTokenError, forge_of
from reconciler.forge.posts import Done, Needed, NotAllowedError, keep_issue, put_comment
from reconciler.render.needed import attention_marker, find_needed, unreadable_state_issue
from reconciler.repository.named_files import read_regular

_MOST_BYTES = 4 << 20
_FAILED = "**The plan could not be made for the newest commit**: the job's log says why."


def tell_plan(file: Path, *, quiet: bool) -> ExitCode:
    """Put the file's text on the pull request, as its one comment.

    Raises ForgeError where the forge fails, and ReconcilerError for a file that cannot be read.
    """
    text = read_regular(file, _MOST_BYTES).decode("utf-8", "replace")
    try:
        forge = forge_of(os.environ)
        if isinstance(forge, GitLab):
            request, number = "merge request", forge.merge_request
        else:
            request, number = "pull request", forge.pull_request
        if number is None:
            say(f"note: this job belongs to no {request}, so there is nothing to comment on")
            return ExitCode.OK
        done = put_comment(forge, text, _FAILED)
    except (NoTokenError, NotAllowedError) as error:
        say(f"note: no comment was written: {error}")
        return ExitCode.OK
    if not quiet:
        say(f"the comment was {_words(done)}", err=False)
    return ExitCode.OK


def tell_attention(options: CommonOptions, *, apply_failed: bool) -> ExitCode:
    """Keep the environments' issues. Raises ForgeError, and ReconcilerError outside a job."""
    forge = forge_of(os.environ)
    for environment, found in _find_needs(options, apply_failed=apply_failed):
        done = keep_issue(forge, attention_marker(environment), found)
        if not options.quiet:
            say(f"{environment}: the issue was {_words(done)}", err=False)
    return ExitCode.OK


def _find_needs(
    options: CommonOptions, *, apply_failed: bool
) -> Iterator[tuple[str, Needed | None]]:
    """What each environment needs of a person. If it cannot be read, a person must see to that."""
    try:
        report = report_status(options, _ALL, offline=False)
    except ReconcilerError as error:
        if options.env is None:
            raise
        yield options.env, unreadable_state_issue(options.env, str(error))
        return
    for environment, rows in report.rows:
        zone = environment.gateway.zone
        found = find_needed(environment.name, zone, rows, apply_failed=apply_failed)
        yield environment.name, found


_ALL = Filter.of(runs=(), states=(), labels=())


def _words(done: Done) -> str:
    match done:
        case Done.WRITTEN:
            return "written"
        case Done.WRITTEN_OVER:
            return "written over"
        case Done.UNCHANGED:
            return "left as it is, because nothing has changed"
        case Done.CLOSED:
            return "closed: nothing needs a person any more"
        case Done.LEFT_CLOSED:
            return "left closed: somebody closed it, and nothing has changed since"
        case Done.NOT_NEEDED:
            return "not needed: nothing needs a person"
        case _:
            assert_never(done)
