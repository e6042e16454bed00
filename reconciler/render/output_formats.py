"""The formats that a command can report in."""

from enum import StrEnum


class Format(StrEnum):
    """How `status` and `apply` report."""

    TEXT = "text"  # for people
    JSON = "json"  # for scripts
    MARKDOWN = "markdown"  # for a pipeline's summary of a job
