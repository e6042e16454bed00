"""What violates a schema, found by jsonschema, in our own terms."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from msgspec import Struct

from reconciler.schema import SchemaName, load_schema
from reconciler.schema.formats import FORMATS
from reconciler.schema.paths import Path, Where


class Violation(Struct, frozen=True, kw_only=True):
    """What matters here of one of jsonschema's errors."""

    path: Path
    keyword: str  # of the schema, which the value violates
    limit: Any  # the value of the keyword in the schema
    schema: Mapping[str, Any]  # the subschema that has the keyword
    value: Any  # the value that violates it
    cause: str  # for a wrong format, the words of its error
    where: Where

    @classmethod
    def of(cls, error: ValidationError) -> "Violation":
        """The violation for an error of jsonschema's; for one of `propertyNames`, at the key."""
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
    """Every violation of the schema in the value, in the order of the schema's keywords."""
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
