"""The schemas' files, which lie in `schemas/` and in the wheel."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal

SchemaName = Literal["trigger", "config", "ledger", "plan", "doctor", "notification", "log"]
SCHEMAS: tuple[SchemaName, ...] = (
    *("trigger", "config", "ledger", "plan"),
    *("doctor", "notification", "log"),
)


def schema_text(name: SchemaName) -> str:
    """The text of the schema's file."""
    folder = files("reconciler") / "schemas"
    return (folder / f"{name}.schema.json").read_text(encoding="utf-8")


@cache
def load_schema(name: SchemaName) -> dict[str, Any]:
    """The schema, parsed. It is shared: do not change it."""
    schema: dict[str, Any] = json.loads(schema_text(name))
    return schema
