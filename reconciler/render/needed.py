"""What in an environment needs a person, as the text of an issue."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.forge.posts import Needed
from reconciler.render.markdown import finish_text, marker, prose
from reconciler.render.safe import escape_line
from reconciler.render.status_markdown import MOST_BYTES, status_markdown
from reconciler.render.status_row import StatusRow, outlook

_ENDED = "The apply itself has ended with an error: the job's log says which."


def attention_marker(environment: str) -> str:
    """The invisible marker by which the environment's issue is found again."""
    return marker("attention", environment)


def find_needed(
    environment: str, zone: tzinfo, rows: Sequence[StatusRow], *, apply_failed: bool
) -> Needed | None:
    """What needs a person: runs in doubt, started twice or amiss, and a failed apply; or None."""
    found = [row for row in rows if outlook(row).needs_person]
    if not found and not apply_failed:
        return None
    gist = prose(_needs_sentence(found) if found else _ENDED)
    told = [gist, ""]
    if found:
        told += [_ENDED, ""] if apply_failed else []
        told.append(status_markdown([(environment, zone, found)], MOST_BYTES - 1_000))
    return Needed(
        title=_title(environment),
        gist=gist,
        text=finish_text([*told, "", _ADVICE]),
        digest=_digest([sorted(map(_facts, found)), apply_failed]),
    )


def unreadable_state_issue(environment: str, message: str) -> Needed:
    """The issue for an environment whose state cannot be read; `message` says why."""
    gist = f"How it stands cannot be told: {prose(message)}"
    return Needed(
        title=_title(environment), gist=gist, text=finish_text([gist]), digest=_digest([message])
    )


_ADVICE = "`reconciler status RUN` says what is known of one, and what settles it."


def _title(environment: str) -> str:
    return f"reconciler: {escape_line(environment)} needs a person"


def _needs_sentence(rows: Sequence[StatusRow]) -> str:
    """`3 runs need a person: 2 failed, 1 in doubt`."""
    numbers = Counter("started twice" if row.started_twice else _state(row) for row in rows)
    told = ", ".join(f"{number:,} {word}" for word, number in numbers.most_common())
    verb = "needs" if len(rows) == 1 else "need"
    return f"{format_count(len(rows), 'run')} {verb} a person: {told}"


def _state(row: StatusRow) -> str:
    word = row.reason.value if row.reason is not None else row.state.value
    return word.replace("-", " ")


def _facts(row: StatusRow) -> tuple[str, ...]:
    starts = (f"{start.claim} {start.instance}" for start in row.starts)
    return (row.run, row.state.value, _state(row), row.status or "", *starts)


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
