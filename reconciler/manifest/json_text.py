r"""JSON, as any library writes it: read by JSON's own rules, into the events that YAML has.

YAML's rules would refuse some of it: escapes of surrogate pairs (`\ud83d\ude00`), U+2028 and other
characters as they are, a colon on a line of its own, tabs as indentation.
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
    Mark,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.manifest.text import LINE_END

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+')
_OPENING = {"{": MappingStartEvent, "[": SequenceStartEvent}
_CLOSING = {"}": MappingEndEvent, "]": SequenceEndEvent}


def is_json(text: str) -> bool:
    """Whether the whole text is one mapping or list in JSON."""
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return False
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def json_events(text: str) -> list[Event]:
    """The events of text that is JSON: keys and texts are quoted scalars, all others plain ones."""
    starts = [0, *(end.end() for end in LINE_END.finditer(text))]

    def mark(index: int) -> Mark:
        line = bisect_right(starts, index) - 1
        return Mark("", index, line, index - starts[line], None, 0)

    return list(chain.from_iterable(_events(found, mark) for found in _TOKEN.finditer(text)))


def _events(found: re.Match[str], mark: Any) -> list[Event]:
    token, start, end = found[0], mark(found.start()), mark(found.end())
    marks = {"start_mark": start, "end_mark": end}
    if token in _OPENING:
        return [_OPENING[token](None, None, implicit=True, flow_style=True, **marks)]
    if token in _CLOSING:
        return [_CLOSING[token](start, end)]
    quoted = token.startswith('"')
    value, style = (json.loads(token), '"') if quoted else (token, None)
    return [ScalarEvent(None, None, (not quoted, quoted), value, start, end, style)]


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
