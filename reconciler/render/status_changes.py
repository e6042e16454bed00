"""What has changed between two views of an environment's runs, one line for each change."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.counting import format_count
from reconciler.ledger import RunState
from reconciler.model import RunId, backfill_of
from reconciler.plan import Reason
from reconciler.render.backfills import group_items
from reconciler.render.safe import escape_message
from reconciler.render.status_row import StatusRow
from reconciler.render.status_table import state_counts
from reconciler.render.words import status_words

_MOST_ALONE = 20  # changes at a time: if there are more, a backfill's share a line


def may_change_soon(row: StatusRow) -> bool:
    """Whether the run is being started, or was started and is due: its state may change soon."""
    match row.state:
        case RunState.CLAIMED:
            return True
        case RunState.TRIGGERED:
            return row.reason is not Reason.NOT_DUE
        case (
            RunState.PENDING
            | RunState.IN_DOUBT
            | RunState.REJECTED
            | RunState.SUCCEEDED
            | RunState.FAILED
        ):
            return False


def numbers_line(environment: str, rows: Sequence[StatusRow]) -> str:
    """`prod: 31 pending, 9 failed`."""
    return escape_message(f"{environment}: {state_counts(rows)}")


def change_lines(
    environment: str, before: Sequence[StatusRow], after: Sequence[StatusRow]
) -> Iterator[str]:
    """Each run whose state has changed; if there are many, those of a backfill share a line."""
    was: Mapping[RunId, str] = {row.run: _words(row) for row in before}
    now = {row.run: _words(row) for row in after}
    changed = [(run, _change(was.get(run), words)) for run, words in now.items()]
    changed += [(run, f"{words} → not shown") for run, words in was.items() if run not in now]
    changed = [(run, change) for run, change in changed if change]
    is_long = len(changed) > _MOST_ALONE
    groups = group_items(changed, lambda one: (backfill_of(one[0]), one[1]) if is_long else None)
    for group in groups:
        run, change = group[0]
        number = format_count(len(group), "run")
        which = run if len(group) == 1 else f"{backfill_of(run) or 'others'}: {number}"
        yield escape_message(f"{environment}: {which}: {change}")


def _change(was: str | None, now: str) -> str:
    """The change from one to the other; empty where nothing has changed."""
    if was is None:
        return now
    return "" if was == now else f"{was} → {now}"


def _words(row: StatusRow) -> str:
    state = row.state.replace("-", " ")
    return state if row.status is None else f"{state} ({status_words(row.status)})"
