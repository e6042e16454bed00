"""Runs of one backfill, shown as one."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import tzinfo
from typing import TypeVar

from reconciler.counting import counted
from reconciler.model import RunId, run_attempt
from reconciler.plan import PlannedRun
from reconciler.render.moments import processed_date

T = TypeVar("T")


def together(items: Iterable[T], key: Callable[[T], Hashable | None]) -> list[list[T]]:
    """The items in their order, those of one key where its first stands; each alone without one."""
    found: dict[tuple[Hashable | None, int], list[T]] = {}
    for number, item in enumerate(items):
        its_key = key(item)
        found.setdefault((its_key, number if its_key is None else -1), []).append(item)
    return list(found.values())


def runs_in_words(runs: Sequence[PlannedRun], zone: tzinfo) -> str:
    """`1,240 runs of flow 3377, business dates 2024-03-01 to 2024-03-31`.

    Neither flow nor dates where they are not known.
    """
    flows = {run.flow_id for run in runs if run.flow_id is not None}
    words = counted(len(runs), "run")
    if flows:
        words += f" of flow {flows.pop()}" if len(flows) == 1 else f" of {len(flows):,} flows"
    times = [run.trigger_time for run in runs]
    first, last = processed_date(min(times), zone), processed_date(max(times), zone)
    if not first or not last:
        return words
    dates = f"date {first}" if first == last else f"dates {first} to {last}"
    return f"{words}, business {dates}"


def reason_in_words(runs: Sequence[PlannedRun]) -> str:
    """Why the action is what it is: of several runs what they have in common, and the first's."""
    first = runs[0]
    if len(runs) == 1 or not first.gist:
        return first.reason
    return f"{first.gist}; the first {first.reason}"


def attempt_of(run: RunId) -> int:
    """Which attempt the id means; 1 as well where somebody wrote an id by hand that says none."""
    try:
        return run_attempt(run)
    except ValueError:
        return 1


def natural_order(value: str) -> list[tuple[bool, int, str]]:
    """Sorts numbers within names by their size: `site-9` before `site-10`."""
    return [
        (False, int(one), one) if number % 2 else (True, 0, one)
        for number, one in enumerate(_DIGITS.split(value))  # every other one is a number
        if one
    ]


_DIGITS = re.compile(r"([0-9]{1,18})")  # longer ones are in pieces: Python refuses huge numbers
