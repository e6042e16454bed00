"""Requests as the sandbox knows them: which operation, on which flow, with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.sandbox.answers import unusable

TOKEN_SERVICE = "/apim-token-service/v2.0/token"
BATCH_SERVICE = "/batch-processing-service/v2.1"


class Operation(StrEnum):
    """By the names that a fault file uses."""

    TOKEN = "token"
    REFRESH = "refresh"
    TRIGGER = "trigger"
    SEARCH = "search"
    INSTANCE = "instance"
    CANCEL = "cancel"
    FLOW = "flow"
    TIME = "time"
    TIMEZONE = "timezone"


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {  # method, path, `action`
    ("POST", f"{TOKEN_SERVICE}/get", ""): Operation.TOKEN,
    ("POST", f"{TOKEN_SERVICE}/refresh", ""): Operation.REFRESH,
    ("POST", f"{BATCH_SERVICE}/flows", "updateAndTrigger"): Operation.TRIGGER,
    ("GET", f"{BATCH_SERVICE}/flows", "get"): Operation.FLOW,
    ("POST", f"{BATCH_SERVICE}/flowInstances", "search"): Operation.SEARCH,
    ("GET", f"{BATCH_SERVICE}/flowInstances", "get"): Operation.INSTANCE,
    ("POST", f"{BATCH_SERVICE}/flowInstances", "cancel"): Operation.CANCEL,
    ("GET", f"{BATCH_SERVICE}/time", "getCurrentTime"): Operation.TIME,
    ("GET", f"{BATCH_SERVICE}/time", "getTimeZone"): Operation.TIMEZONE,
}
OF_TOKENS = frozenset({Operation.TOKEN, Operation.REFRESH})
OF_A_FLOW = frozenset({Operation.TRIGGER, Operation.INSTANCE, Operation.CANCEL, Operation.FLOW})


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
