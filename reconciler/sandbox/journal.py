"""The record of what was asked and what it did, for tests to count."""

import json
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import ConfigurationError
from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox.calls import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request, written down the moment that it had its effect or was refused."""

    at: EpochMs
    operation: Operation
    flow_id: int | None
    effect: bool  # an instance was created or cancelled
    instance: InstanceId | None  # that the request is about
    status: int | None  # HTTP; None: the connection is dropped without an answer
    code: int | None  # in the answer's body


def open_journal(path: Path) -> None:
    """Make sure that the file is there and can be written. Raises ConfigurationError."""
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigurationError(
            f"the journal {path} cannot be written: {error.strerror}",
            hint="Name a file in a folder that exists.",
        ) from None


def write_journal(path: Path, served: Served) -> None:
    """Append the line; when this returns, other processes can read it."""
    line = {
        "at": served.at,
        "operation": served.operation,
        "flowId": served.flow_id,
        "effect": served.effect,
        "instance": served.instance,
        "status": served.status,
        "code": served.code,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
