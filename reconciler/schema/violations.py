"""What violates a schema, as jsonschema finds it, in our own terms."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from msgspec import Struct

from reconciler.schema.formats import FORMATS
from reconciler.schema.loading import SchemaName, load_schema
from reconciler.schema.paths import Path, Where


class Violation(Struct, frozen=True, kw_only=True):
    """One of jsonschema's errors, as far as it matters here."""

    path: Path
    keyword: str  # of the schema, that was violated
    limit: Any  # what the schema says under the keyword
    schema: Mapping[str, Any]  # that has the keyword
    value: Any  # what violates it
    cause: str  # of a wrong format, its words
    where: Where

    @classmethod
    def of(cls, error: ValidationError) -> "Violation":
        """Take over what jsonschema says; about a key that `propertyNames` refuses, its path."""
        path = tuple(error.absolute_path)
        is_key = "propertyNames" in error.absolute_schema_path
        return cls(
            path=(*path, str(error.instance)) if is_key else path,
            keyword=str(error.validator),
            limit=error.validator_value,
            schema=cast("Mapping[str, Any]", error.schema),
            value=error.instance,
            cause=str(error.cause),
            where="key" if is_key else "value",
        )


def violations(name: SchemaName, value: Any) -> Iterator[Violation]:
    """Everything in the value that violates the schema, in the order of the schema's keywords."""
    return map(Violation.of, _validator(name).iter_errors(value))


@cache
def _validator(name: SchemaName) -> Any:
    return Draft202012Validator(load_schema(name), format_checker=_format_checker())


@cache
def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name, raises=ValueError)(_judge(check))
    return checker


def _judge(check: Callable[[str], object]) -> Callable[[object], bool]:
    def is_valid(value: object) -> bool:
        if isinstance(value, str):
            check(value)
        return True

    return is_valid
