"""Long lists of cases: a fixed part is lived through by every `make test`, all of it by a proof."""

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], *, every: int) -> list[Any]:
    """The cases for `parametrize`: the first of each so many, and the others marked as long."""
    return [
        case if index % every == 0 else pytest.param(*_values(case), marks=pytest.mark.long)
        for index, case in enumerate(cases)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
