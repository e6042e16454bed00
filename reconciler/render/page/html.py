"""The page as one text: the template, the style sheet, the scripts and the data.

Jinja2 escapes every value that the template shows. The data is JSON without `<`, and the script
shows it only as text. The page's own policy allows this style sheet and this script, by their
digests, and nothing else: whatever a name contains, the page sends no request.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from reconciler import __version__
from reconciler.bundled import read_bundled
from reconciler.model import EpochMs
from reconciler.render.page.attention import Reported, list_concerns
from reconciler.render.page.columns import GROUPS, group, page_data
from reconciler.render.safe import escape_line, without_harm
from reconciler.render.status_table import newest_attempts
from reconciler.render.words import COMMIT_DIGITS, clock_time, join_words, zone_name
from reconciler.repository.pages import MARKER

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS = ("data", "moments", "filters", "table", "list", "cells", "grids", "calendar", "timeline")
_LAST = ("details", "views", "start")


def report_page(told: Sequence[Reported], made: EpochMs) -> str:
    """The page. The same runs at the same time make the same page."""
    style, script = _style(), _script()
    counts = Counter(group(row) for one in told for row in newest_attempts(one.rows))
    kinds = list_concerns(told)
    return _template().render(
        marker=MARKER,
        policy=_policy(style, script),
        style=style,
        script=script,
        data=embedded_json(page_data(told, made)),
        names=join_words([one.environment for one in told]) if told else "",
        places=[_place(one, made) for one in told],
        runs=sum(len(one.rows) for one in told),
        states=[(key, words, counts[key]) for key, words in GROUPS],
        kinds=kinds,
        urgent=sum(kind.number for kind in kinds),
        version=__version__,
    )


def embedded_json(value: object) -> str:
    """JSON for a `script` element, without harmful characters.

    Without `<`, no text in it can end the element or begin a comment.
    """
    text = msgspec.json.encode(value).decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return without_harm(text)


def _place(one: Reported, made: EpochMs) -> str:
    """`prod at 2024-03-02 08:00:00 (GMT+8), ledger of 1a2b3c4d5e6f`."""
    ledger = f"the ledger of commit {one.commit[:COMMIT_DIGITS]}" if one.commit else "a ledger here"
    time = f"{clock_time(EpochMs(made // 1000 * 1000), one.zone)} ({zone_name(one.zone)})"
    return escape_line(f"{one.environment}: {time}, from {ledger}")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_read_part("report.html"))


@cache
def _style() -> str:
    return _read_part("report.css")


@cache
def _script() -> str:
    """All scripts in one function, so that none of their names is global."""
    parts = "\n".join(_read_part(f"{name}.js") for name in (*_SCRIPTS, *_LAST))
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _read_part(name: str) -> str:
    return read_bundled("reconciler.render.page", f"parts/{name}").decode()


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",  # the empty icon, so that the browser asks for none
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
