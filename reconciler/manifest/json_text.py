r"""A file in JSON as the events of libyaml, by JSON's own rules.

YAML's rules would refuse some of what a library writes: escapes of surrogate pairs
(`\ud83d\ude00`), U+2028 and some other characters without an escape, a colon on a line of its own,
tabs as indentation.
"""

import json
import re
from bisect import bisect_right
from itertools import chain
from typing import Any

from yaml import (
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml import Mark as YamlMark

from reconciler.manifest.text import LINE_END

_JSON_PART = r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+'
_JSON_OPENING = {"{": MappingStartEvent, "[": SequenceStartEvent}
_JSON_CLOSING = {"}": MappingEndEvent, "]": SequenceEndEvent}


def is_json(text: str) -> bool:
    """Whether a text that begins with a bracket is, as a whole, a mapping or list in JSON."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def json_events(text: str) -> list[Event]:
    """The events of text in JSON: keys and strings are quoted scalars, all other values plain."""
    starts = [0, *(end.end() for end in LINE_END.finditer(text))]

    def mark(index: int) -> YamlMark:
        line = bisect_right(starts, index) - 1
        return YamlMark("", index, line, index - starts[line], None, 0)

    return list(
        chain.from_iterable(_events_of_json(found, mark) for found in re.finditer(_JSON_PART, text))
    )


def _events_of_json(found: re.Match[str], mark: Any) -> list[Event]:
    token, start, end = found[0], mark(found.start()), mark(found.end())
    marks = {"start_mark": start, "end_mark": end}
    if token in _JSON_OPENING:
        return [_JSON_OPENING[token](None, None, implicit=True, flow_style=True, **marks)]
    if token in _JSON_CLOSING:
        return [_JSON_CLOSING[token](start, end)]
    quoted = token.startswith('"')
    value, style = (json.loads(token), '"') if quoted else (token, None)
    return [ScalarEvent(None, None, (not quoted, quoted), value, start, end, style)]


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)
