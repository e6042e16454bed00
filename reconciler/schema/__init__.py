"""The JSON Schemas of everything that people write by hand or other programs read."""

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from reconciler.bundled import read_bundled
from reconciler.schema.formats import FORMATS, conforms
from reconciler.schema.paths import Finding, Where

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

__all__ = [
    "SCHEMAS",
    "Finding",
    "SchemaName",
    "Where",
    "is_valid",
    "load_schema",
    "schema_text",
    "validate",
]


SchemaName = Literal[
    "trigger",
    "config",
    "ledger",
    "plan",
    "status",
    "apply",
    "resolve",
    "doctor",
    "notification",
    "log",
]
SCHEMAS: tuple[SchemaName, ...] = get_args(SchemaName)


def schema_text(name: SchemaName) -> str:
    """The text of the schema's file."""
    return read_bundled("reconciler", f"schemas/{name}.schema.json").decode()


@cache
def load_schema(name: SchemaName) -> dict[str, Any]:
    """The schema, parsed. It is shared: do not change it."""
    schema: dict[str, Any] = msgspec.json.decode(schema_text(name))
    return schema


def validate(name: SchemaName, value: Any) -> tuple[Finding, ...]:
    """Everything that is wrong with a value of JSON's types, in the order of the schema.

    jsonschema-rs decides whether the value conforms. jsonschema, which is fifty times slower, runs
    only to find the words.
    """
    try:
        if _validator(name).is_valid(value):
            return ()
    except ValueError:  # the value has text that UTF-8 cannot hold; jsonschema can still judge it
        decided = False
    else:
        decided = True
    from reconciler.schema.phrasing import schema_findings

    findings = schema_findings(name, value)
    if decided and not findings:
        return (Finding(path=(), code="schema", words=f"does not conform to the {name} schema"),)
    return findings


def is_valid(name: SchemaName, value: Any) -> bool:
    """Whether `validate` certainly finds nothing."""
    try:
        return _validator(name).is_valid(value)
    except ValueError:
        return False


@cache
def _validator(name: SchemaName) -> "Draft202012Validator":
    from jsonschema_rs import Draft202012Validator

    formats = {format_: conforms(format_) for format_ in FORMATS}
    return Draft202012Validator(load_schema(name), formats=formats, validate_formats=True)
