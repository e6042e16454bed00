"""Writing manifests: the one place that turns what a manifest says into YAML.

Every reader must get back what was written. So text that some YAML reader could take for something
else (`012`, `NO`, `1e3`, a date) is quoted, although our own reader does not need the quotes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

Scalar = str | int | bool
Node = Scalar | Sequence["Node"] | Mapping[str, "Node"]

_MODELINE = "# yaml-language-server: $schema="
# No number or date in YAML 1.1 or 1.2; `/` and `=` are there for the names of runs.
_PLAIN = re.compile(r"[A-Za-z_][\w./=-]*", re.ASCII)
_KNOWN_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
_NAMED_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TWO_DIGITS, _FOUR_DIGITS = 0xFF, 0xFFFF  # the highest code for an escape of so many digits


def modeline(schema: str) -> str:
    """The line that tells editors the path to a document's schema, relative to the file."""
    return f"{_MODELINE}{schema}"


def write_manifest(
    document: Mapping[str, Node], *, schema: str | None = None, comments: Sequence[str] = ()
) -> str:
    """The document as YAML. `comments`: lines above it. `schema`: the path to it, for editors."""
    head = [modeline(schema)] if schema is not None else []
    head += [f"# {line}" for line in comments]
    return "".join(f"{line}\n" for line in (*head, *_mapping(document, "")))


def scalar(value: Scalar) -> str:
    """One value, written so that every YAML reader reads the same value back."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            is_plain = _PLAIN.fullmatch(value) and value.lower() not in _KNOWN_WORDS
            return value if is_plain else f'"{"".join(map(_escape_character, value))}"'


def _escape_character(character: str) -> str:
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code <= _TWO_DIGITS:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= _FOUR_DIGITS else f"\\U{code:08X}"


def _mapping(value: Mapping[str, Node], indent: str) -> Iterator[str]:
    for key, inner in value.items():
        match inner:
            case str() | int():
                yield f"{indent}{scalar(key)}: {scalar(inner)}"
            case Mapping() if inner:
                yield f"{indent}{scalar(key)}:"
                yield from _mapping(inner, f"{indent}  ")
            case _:
                yield f"{indent}{scalar(key)}: {_flow(inner)}"


def _flow(value: Node) -> str:
    """The value on one line, in brackets: lists, and mappings in them, are short here."""
    match value:
        case str() | int():
            return scalar(value)
        case Mapping():
            inner = ", ".join(f"{scalar(key)}: {_flow(one)}" for key, one in value.items())
            return f"{{{inner}}}"
        case _:
            return f"[{', '.join(map(_flow, value))}]"
