"""What an apply still records of what others have recorded meanwhile."""

import msgspec
import pytest

from reconciler.apply import branch
from reconciler.ledger import Event
from tests.building import a_claim, a_ledger, a_run, a_triggered, an_absent, an_observed

RUN = a_run()
INFERRED = msgspec.structs.replace(a_triggered(RUN, "3377-1", "c1"), inferred=True)


@pytest.mark.parametrize(
    ("since", "is_dropped"),
    [
        ([], False),
        ([an_absent(RUN, "c1")], True),  # whatever followed may have its instance
        ([an_absent(RUN, "c1"), a_claim(RUN, claim="c2")], True),
        ([a_triggered(RUN, "3377-1", "c1")], True),  # the answer, which came after all
    ],
)
def test_what_was_inferred_is_dropped_once_the_run_was_settled_otherwise(
    since: list[Event], *, is_dropped: bool
) -> None:
    ledger = a_ledger(a_claim(RUN), *since)
    assert branch._is_known(INFERRED, ledger) is is_dropped
    answered = msgspec.structs.replace(INFERRED, inferred=False)
    assert not branch._is_known(answered, ledger)  # a start counts however late it becomes known


def test_an_end_is_recorded_once() -> None:
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN, "3377-1", "c1"))
    assert not branch._is_known(an_observed(RUN), ledger)
    assert branch._is_known(an_observed(RUN), ledger.extended([an_observed(RUN)]))
