"""Who works on this machine, and where it keeps what must not be lost."""

import getpass
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.cli.options import read_utf8
from reconciler.errors import ReconcilerError
from reconciler.git.said import redact_address
from reconciler.ledger import Event
from reconciler.ledger.lines import encode_events
from reconciler.model import Nonce

_LONGEST_NAME = 500  # characters of an applier's name


def new_claim() -> Nonce:
    """A nonce that no other claim has: 128 random bits."""
    return Nonce(secrets.token_hex(16))


def new_apply() -> str:
    """An id that no other apply has, for logs and messages; the ledger does not know it."""
    return secrets.token_hex(8)


def jitter() -> float:
    """A random number in [0, 1), by which waits are varied, so that appliers give way."""
    return secrets.randbelow(1 << 30) / (1 << 30)


def applier() -> str:
    """Who applies, for people who read the ledger: a pipeline's run, or user, host and process."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    run = os.environ.get("GITHUB_RUN_ID")
    if server and repository and run:
        return _limit_text(redact_address(f"{server}/{repository}/actions/runs/{run}"))
    job = os.environ.get("CI_JOB_URL") or os.environ.get("BUILD_URL")
    return _limit_text(
        redact_address(job or "") or f"{_user()}@{socket.gethostname()} pid {os.getpid()}"
    )


def _limit_text(text: str) -> str:
    """The text as each claim can repeat it: UTF-8, which every ledger takes, and not too long."""
    return read_utf8(text, "replace")[:_LONGEST_NAME]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


RESCUE_FOLDER = "RECONCILER_RESCUE_FOLDER"  # the variable


def rescue(repository: Path, recorded: Sequence[Event]) -> str:
    """Keep events in a new file beside the repository or, failing that, elsewhere. Return its path.

    A pipeline may name another folder in RECONCILER_RESCUE_FOLDER, which is made if need be.

    Raises ReconcilerError with the events themselves as its `record` if no file can be written.
    """
    content = encode_events(recorded)
    name = f"reconciler-rescue-{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}.jsonl"
    failures = []
    wanted = os.environ.get(RESCUE_FOLDER)
    first = [Path(wanted)] if wanted else []
    for folder in (*first, repository.parent, repository, Path(tempfile.gettempdir())):
        path = folder / name
        try:
            if folder in first:
                folder.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
            with suppress(OSError):
                path.unlink(missing_ok=True)
            continue
        return str(path)
    raise ReconcilerError(
        f"outcomes could be kept neither on the branch nor in a file ({'; '.join(failures)})",
        hint="Save these lines in a file and feed it back with `reconciler recover FILE`:",
        record=content.decode(),
    )
