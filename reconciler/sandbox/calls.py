"""Requests as the sandbox knows them: which operation, on which flow, with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.sandbox.answers import unusable

TOKEN_SERVICE = "/apim-token-service/v2.0/token"  # noqa: S105 - a path
BATCH_SERVICE = "/batch-processing-service/v2.1"


# By the names that a fault file uses.
Operation = Literal[
    "token", "refresh", "trigger", "search", "instance", "cancel", "flow", "time", "timezone"
]

OPERATIONS: Mapping[tuple[str, str, str], Operation] = {  # method, path, `action`
    ("POST", f"{TOKEN_SERVICE}/get", ""): "token",
    ("POST", f"{TOKEN_SERVICE}/refresh", ""): "refresh",
    ("POST", f"{BATCH_SERVICE}/flows", "updateAndTrigger"): "trigger",
    ("GET", f"{BATCH_SERVICE}/flows", "get"): "flow",
    ("POST", f"{BATCH_SERVICE}/flowInstances", "search"): "search",
    ("GET", f"{BATCH_SERVICE}/flowInstances", "get"): "instance",
    ("POST", f"{BATCH_SERVICE}/flowInstances", "cancel"): "cancel",
    ("GET", f"{BATCH_SERVICE}/time", "getCurrentTime"): "time",
    ("GET", f"{BATCH_SERVICE}/time", "getTimeZone"): "timezone",
}
OF_TOKENS: frozenset[Operation] = frozenset({"token", "refresh"})
OF_A_FLOW: frozenset[Operation] = frozenset({"trigger", "instance", "cancel", "flow"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, received whole."""

    operation: Operation
    query: tuple[tuple[str, str], ...]  # decoded, in the order of the URL
    headers: Mapping[str, str]
    body: bytes | None  # as received; None: larger than the sandbox takes

    def argument(self, name: str) -> str:
        """A mandatory query parameter. Raises RefusalError (400) if it is missing or empty."""
        value = dict(self.query).get(name, "")
        if not value:
            raise unusable(f"the query parameter {name} is missing")
        return value
