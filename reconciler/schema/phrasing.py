"""jsonschema's errors, in words for the person who wrote the file, one finding for each cause."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from msgspec import Struct

from reconciler.schema import SchemaName, load_schema
from reconciler.schema.formats import FORMATS
from reconciler.schema.paths import Finding, Path, Where, quotable_text
from reconciler.schema.spacing import is_glued, lacks_space, space_hint

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_MOST_COMPARED = 20  # unknown fields of one mapping; comparing words is slow
_LONGEST_COMPARED = 40  # characters
_ALIKE = 0.8  # similarity of a mere misspelling; at 0.6, SITE would be `sensitive`
_NEVER = re.compile(r"(?!)")
# Text that would be of the type without its quotes.
_UNQUOTED = dict.fromkeys(_TYPES, _NEVER) | {
    "integer": re.compile(r"-?[0-9]+"),
    "number": re.compile(r"-?[0-9]+(\.[0-9]+)?"),
    "boolean": re.compile(r"true|false"),
}


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


def schema_findings(name: SchemaName, value: Any) -> tuple[Finding, ...]:
    """Everything that is wrong with the value, in the order of the schema's keywords."""
    findings: dict[Finding, None] = {}
    for violation in violations(name, value):
        findings.update(dict.fromkeys(_findings(violation)))
    mistyped = {one.path for one in findings if one.code == "type"}
    malformed = {one.path for one in findings if one.code == "format"}
    # A value of the wrong type may be out of range as well, and a value that does not follow its
    # format may miss the pattern, which editors check in its place: that is no second mistake.
    told = {"range": mistyped, "pattern": malformed}
    return tuple(one for one in findings if one.path not in told.get(one.code, ()))


def _findings(violation: Violation) -> Iterator[Finding]:
    match violation.keyword:
        case "required":
            yield from _missing_findings(violation)
        case "additionalProperties":
            yield from _unknown_field_findings(violation)
        case "oneOf":
            yield from _alternative_findings(violation)
        case "dependentRequired":
            yield from _dependent_findings(violation)
        case "type":
            yield _finding(violation, "type", _type_words(violation))
        case "format":
            yield _finding(violation, "format", _format_words(violation))
        case "pattern":
            yield _finding(violation, "pattern", _pattern_words(violation))
        case "enum" | "const":
            yield _finding(violation, "enum", _choice_words(violation))
        case _:
            yield _finding(violation, "range", _range_words(violation))


def _finding(violation: Violation, code: str, words: str) -> Finding:
    return Finding(path=violation.path, code=code, words=words, where=violation.where)


def _missing_findings(violation: Violation) -> Iterator[Finding]:
    properties = violation.schema.get("properties", {})
    misspelt = _meant_fields(violation).values()
    for name in violation.limit:
        if name not in violation.value and name not in misspelt:
            words = f"is missing{_example(name, properties.get(name, {}))}"
            yield _missing_field_finding(violation, name, words)


def _missing_field_finding(violation: Violation, name: str, words: str) -> Finding:
    return Finding(path=(*violation.path, name), code="required", words=words, where="parent")


def _example(name: str, schema: Mapping[str, Any]) -> str:
    examples = schema.get("examples", [None])
    if {} in examples:
        return f": write `{name}: {{}}` for none"
    return f", for example `{name}: {examples[0]}`" if isinstance(examples[0], str | int) else ""


def _unknown_field_findings(violation: Violation) -> Iterator[Finding]:
    known = ", ".join(violation.schema["properties"])
    for name, similar in _meant_fields(violation).items():
        if lacks_space(name, violation.value[name]):
            hint = space_hint(name)
        elif _is_parameter(name, violation):
            hint = "it looks like a parameter: indent it, under `parameters:`"
        else:
            hint = f"did you mean {similar}?" if similar else f"known are {known}"
        words = f"is not a known field; {hint}"
        yield Finding(path=(*violation.path, name), code="unknown-field", words=words, where="key")


def _meant_fields(violation: Violation) -> dict[str, str | None]:
    """The unknown fields where only known ones are allowed, each with the field it may mean."""
    if violation.schema.get("additionalProperties") is not False:
        return {}
    known = violation.schema["properties"]
    unknown = [name for name in violation.value if name not in known]
    free = [name for name in known if name not in violation.value]
    compared = {
        name: None if _is_parameter(name, violation) else _similar_name(name, free)
        for name in unknown[:_MOST_COMPARED]
    }
    return dict.fromkeys(unknown) | compared


def _is_parameter(name: str, violation: Violation) -> bool:
    """Whether an unknown field looks like a parameter that was not indented.

    Such a field has a single value. It is beside an empty `parameters:`, or in capitals, as no
    field is. And it is not a misspelt field.
    """
    known, beside = violation.schema["properties"], violation.value
    if "parameters" not in known or isinstance(beside[name], dict | list):
        return False
    is_empty = beside.get("parameters", {}) is None
    return (is_empty or name.isupper()) and not _similar_name(name, list(known), _ALIKE)


def _similar_name(name: str, known: list[str], cutoff: float = 0.6) -> str | None:
    plain = {_plain_name(one): one for one in known}
    close = difflib.get_close_matches(
        _plain_name(name[:_LONGEST_COMPARED]), plain, n=1, cutoff=cutoff
    )
    return plain[close[0]] if close else None


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _alternative_findings(violation: Violation) -> Iterator[Finding]:
    """Findings for alternative fields of which none is there, or several."""
    names = _alternatives(violation.schema)
    if not isinstance(violation.value, dict):
        return  # the wrong type has a finding of its own
    given = [name for name in violation.value if name in names]
    if not given and not set(names) & set(_meant_fields(violation).values()):
        words = f"is missing, and so is {' and '.join(names[1:])}: give one of them"
        yield _missing_field_finding(violation, names[0], words)
    for name in given[1:]:
        words = f"cannot stand beside {given[0]}: give one of them"
        yield Finding(path=(*violation.path, name), code="exclusive", words=words, where="key")


def _alternatives(schema: Mapping[str, Any]) -> list[str]:
    return [branch["required"][0] for branch in schema.get("oneOf", ())]


def _dependent_findings(violation: Violation) -> Iterator[Finding]:
    alternatives = _alternatives(violation.schema)
    if alternatives and not any(name in violation.value for name in alternatives):
        return  # the missing alternatives have a finding of their own
    for name, needed in violation.limit.items():
        missing = [other for other in needed if other not in violation.value]
        if name in violation.value and missing:
            words = f"goes only together with {' and '.join(missing)}"
            yield Finding(path=(*violation.path, name), code="exclusive", words=words, where="key")


def _type_words(violation: Violation) -> str:
    value, wanted = violation.value, violation.limit
    types = [wanted] if isinstance(wanted, str) else list(wanted)
    needed = (", " if "boolean" in types else " or ").join(_TYPES[one] for one in types)
    if violation.path and lacks_space(violation.path[-1], value):
        return f"is empty: {space_hint(str(violation.path[-1]))}"
    if value is None and _may_be_empty_text(types, violation.schema):
        return 'is empty: write "" for an empty text'
    if value is None:
        return f"is empty: it must be {needed}"
    if types == ["string"] and not isinstance(value, list | dict):
        form = None if "examples" in violation.schema else _form_words(violation)
        return form or f"must be text, in quotes{_example_hint(violation.schema)}"
    if types == ["object"] and isinstance(value, str) and is_glued(value):
        return f"must be a mapping, not text: {space_hint(value)}"
    if types == ["array"]:
        return f"must be a list{_list_hint(value)}"
    if isinstance(value, str) and any(_UNQUOTED[one].fullmatch(value) for one in types):
        return f"must be {needed}, not text: take the quotes away"
    return f"must be {needed}, not {_describe_value(value, violation.schema)}"


def _form_words(violation: Violation) -> str | None:
    """Which form the text needs, for a value that would not have it in quotes either."""
    text, schema = _describe_value(violation.value, {}), violation.schema
    if "pattern" in schema and not re.search(schema["pattern"], text):
        return _pattern_words(violation)
    if "format" in schema:
        try:
            FORMATS[schema["format"]](text)
        except ValueError as error:
            return str(error)
    return None


def _format_words(violation: Violation) -> str:
    if "integer" in violation.schema.get("type", ()) and _UNQUOTED["integer"].fullmatch(
        violation.value
    ):
        return "is a number in quotes: take them away if it is Unix epoch in milliseconds"
    return violation.cause


def _list_hint(value: Any) -> str:
    if isinstance(value, dict):
        return ", not a mapping: begin each of its items with `- `"
    return (
        f", also of a single item: [{quotable_text(str(value))}]" if isinstance(value, str) else ""
    )


def _example_hint(schema: Mapping[str, Any]) -> str:
    return f', such as "{schema["examples"][0]}"' if "examples" in schema else ""


def _may_be_empty_text(types: list[str], schema: Mapping[str, Any]) -> bool:
    return "string" in types and not schema.keys() & {"pattern", "format", "minLength"}


def _pattern_words(violation: Violation) -> str:
    words = violation.schema.get("patternErrorMessage", "is not of the form that is needed here")
    value = _describe_value(violation.value, violation.schema)
    return words if violation.schema.get("writeOnly") else f"{words}; it is {value}"


def _choice_words(violation: Violation) -> str:
    allowed = violation.limit if violation.keyword == "enum" else [violation.limit]
    *others, last = (_describe_value(value, {}) for value in allowed)
    choice = f"{', '.join(others)} or {last}" if others else last
    return f"must be {choice}, not {_describe_value(violation.value, violation.schema)}"


def _describe_value(value: Any, schema: Mapping[str, Any]) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str() if schema.get("writeOnly"):
            return "this text"
        case str():
            return f'"{quotable_text(value)}"'
        case _:
            return quotable_text(str(value))


def _range_words(violation: Violation) -> str:
    limit, value = violation.limit, violation.value
    match violation.keyword:
        case "minimum":
            return f"must be at least {limit}, not {_describe_value(value, {})}"
        case "maximum" | "minItems" as keyword if f"{keyword}ErrorMessage" in violation.schema:
            return str(violation.schema[f"{keyword}ErrorMessage"])
        case "maximum":
            return f"must be at most {limit}, not {_describe_value(value, {})}"
        case "exclusiveMinimum":
            return f"must be more than {limit}, not {_describe_value(value, {})}"
        case "maxLength":
            return f"must have at most {limit} characters, not {len(value)}"
        case _:  # minLength, minProperties, minItems: always 1 here, as a test ensures
            return "must not be empty"
