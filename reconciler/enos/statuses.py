"""The statuses of an instance in the EnOS reference, and which of them are final."""

# EnOS reference, FlowInstance status.
_NAMES = {-1: "FAIL", 0: "INIT", 1: "SUCCESS", 2: "RUNNING", 3: "SUSPEND", 4: "INTERNAL_ERROR"}
_NAMES |= {5: "WAIT", 6: "READY", 7: "TIMEOUT", 8: "CANCEL", 9: "RERUN", 10: "SKIP"}

_CODES = {name: code for code, name in _NAMES.items()}

NOT_FOUND = "NOT_FOUND"  # our own, not EnOS's: the service no longer knows the instance
CANCELLED = "CANCEL"
SUCCEEDED = frozenset({"SUCCESS"})
FAILED = frozenset({"FAIL", "INTERNAL_ERROR", "TIMEOUT", "CANCEL", "SKIP", NOT_FOUND})
FINAL = SUCCEEDED | FAILED
FAILED_BY_ITSELF = frozenset(
    {"FAIL", "INTERNAL_ERROR", "TIMEOUT"}
)  # what `retry` without `on` means

_MEANINGS = {
    "FAIL": "a task of the flow failed",
    "INTERNAL_ERROR": "the service failed to run it",
    "TIMEOUT": "it ran longer than the flow allows",
    "CANCEL": "it was cancelled",
    "SKIP": "the service skipped it: nothing ran",
    NOT_FOUND: "the service no longer knows the instance: nobody can tell how it ended",
}


def status_name(status: int | str) -> str:
    """EnOS's name for the status; for a number that is not in the reference, the number as text."""
    return status.upper() if isinstance(status, str) else _NAMES.get(status, str(status))


def status_code(name: str) -> int | None:
    """EnOS's number for the status of that name, in any case; None if the reference has none."""
    return _CODES.get(name.strip().upper())


def is_documented(name: str) -> bool:
    """Whether a status of that name is in the reference, or is NOT_FOUND."""
    return name == NOT_FOUND or name in _NAMES.values()


def status_meaning(name: str) -> str | None:
    """What a final status other than success means, in words; None for other statuses."""
    return _MEANINGS.get(name)
