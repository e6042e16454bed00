"""Long lists of cases: a fixed part is lived through by every `make test`, all of it by a proof."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import settings

QUICKLY = "judge"  # the profile of `make test`
_SHARE = 5  # of so many examples, `make test` takes one, unless a property says otherwise


def sampled(cases: Iterable[Any], *, every: int, whole: bool = False) -> list[Any]:
    """The cases for `parametrize`: the first of each so many, and the others marked as long.

    Put those first that have least in common with the rest. `whole`: a case is the one argument's
    value, though it is a tuple.
    """
    return [
        case if index % every == 0 else _as_long(case, whole=whole)
        for index, case in enumerate(cases)
    ]


def _as_long(case: Any, *, whole: bool) -> Any:
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.long], id=case.id)
    values = case if isinstance(case, tuple) and not whole else (case,)
    return pytest.param(*values, marks=pytest.mark.long)


def examples(most: int, *, share: int = _SHARE, **more: Any) -> Callable[[Any], Any]:
    """So many examples of a property, and one in `share` in `make test`; `make prove` takes all.

    Of one commit they are the same ones each time. `more` are other settings of Hypothesis.
    """
    is_quick = settings.get_current_profile_name() == QUICKLY
    return settings(max_examples=most // share if is_quick else most, **more)
