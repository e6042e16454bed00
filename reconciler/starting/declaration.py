"""A new manifest as a person describes it in a few words, and the YAML of it."""

import re
from collections.abc import Mapping

from msgspec import Struct, field

from reconciler.manifest.write import Node, write_manifest

_NO_TIME = (
    "is neither a date, such as 2024-03-02, nor a date and time with an offset, such as "
    "2024-03-02T08:00:00+08:00"
)
_BEGINNING = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOST_DIGITS = 20  # of an instant


class TriggerTimes(Struct, frozen=True, kw_only=True):
    """When the one run of a `Trigger` starts: its business date or its trigger time."""

    business_date: str | None = None
    trigger_time: str | None = None

    def fields(self) -> dict[str, Node]:
        """The fields of `spec`."""
        if self.trigger_time is not None:
            return {"triggerTime": manifest_instant(self.trigger_time)}
        return {"businessDate": self.business_date or ""}


class BackfillTimes(Struct, frozen=True, kw_only=True):
    """When the runs of a `Backfill` start: on dates or at instants; at regular steps or by cron."""

    first: str
    last: str
    every: str | None = None
    cron: str | None = None

    def fields(self) -> dict[str, Node]:
        """The fields of `spec`."""
        is_dates = is_date(self.first) and is_date(self.last)
        step: dict[str, Node] = (
            {"cron": self.cron} if self.cron is not None else {"every": self.every or "1d"}
        )
        if is_dates:
            return {"businessDates": {"from": self.first, "to": self.last, **step}}
        between = {"from": manifest_instant(self.first), "to": manifest_instant(self.last)}
        return {"triggerTimes": {**between, **step}}


class Declaration(Struct, frozen=True, kw_only=True):
    """What a person says of a new manifest; the reader of manifests checks it, not this class."""

    name: str
    flow_id: int
    times: TriggerTimes | BackfillTimes
    at: str | None = None
    description: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    suspend: bool = False
    # Only for a backfill.
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stagger: str | None = None
    sequential: bool = False
    max_active: int | None = None

    def text(self, schema: str) -> str:
        """The manifest; `schema`: the path from its folder to its schema."""
        kind = "Trigger" if isinstance(self.times, TriggerTimes) else "Backfill"
        metadata: dict[str, Node] = {"name": self.name}
        if self.description is not None:
            metadata["description"] = self.description
        document: dict[str, Node] = {
            "apiVersion": "reconciler/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": self._spec(),
        }
        return write_manifest(document, schema=schema)

    def _spec(self) -> dict[str, Node]:
        given: dict[str, Node | None] = {
            "suspend": self.suspend or None,
            "flowId": self.flow_id,
            **self.times.fields(),
            "at": self.at,
            "matrix": dict(self.matrix) or None,
            "stagger": self.stagger,
            "sequential": self.sequential or None,
            "maxActive": self.max_active,
            "parameters": dict(self.parameters),
        }
        return {name: value for name, value in given.items() if value is not None}


def wrong_time_message(text: str, *, or_number: bool) -> str | None:
    """Why the text is neither a date nor an instant; None if it may be, which the reader judges.

    `or_number`: whether a number of milliseconds is an instant as well.
    """
    is_number = or_number and isinstance(manifest_instant(text), int)
    return None if is_number or _BEGINNING.match(text) else f"{text!r} {_NO_TIME}"


def is_date(text: str) -> bool:
    """Whether the text is as long as a date, not an instant; the reader judges the rest."""
    return len(text) == len("2024-03-01")


def manifest_instant(text: str) -> str | int:
    """The instant in the form that a manifest has: digits are a number of milliseconds."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else text
