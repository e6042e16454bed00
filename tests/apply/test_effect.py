"""What an apply has put on the branch, and what of it is news."""

import asyncio
from collections.abc import Sequence

import pytest

from reconciler.apply.news import Effect, WitnessedStore, news_of
from reconciler.apply.ports import Appended, Declined, Landed, Raced, Snapshot, Unclear
from reconciler.ledger import Event, Ledger
from reconciler.model import Retry, Run
from reconciler.webhooks import Occasion
from tests.apply.test_branch import ENVIRONMENT
from tests.building import (
    Unremembering,
    a_claim,
    a_rejected,
    a_resolved,
    a_run,
    a_triggered,
    an_absent,
    an_observed,
    an_unknown,
    declared,
)

RUN = a_run()


class FakeStore(Unremembering):
    """Answers each push as told; a push that `lands` does so whatever is answered."""

    def __init__(self, *answers: Appended | None, lands: bool = True) -> None:
        self._answers = list(answers)
        self._lands = lands
        self.ledger = Ledger.of([])

    def snapshot(self) -> Snapshot:
        return Snapshot(
            commit="c0ffee", environment=ENVIRONMENT, declared=declared(RUN), ledger=self.ledger
        )

    async def fetch(self) -> Snapshot:
        return self.snapshot()

    async def append(self, base: Snapshot, recorded: Sequence[Event], _: str) -> Appended:
        answer = self._answers.pop(0)
        if answer is None or self._lands:
            self.ledger = base.ledger.with_events(recorded)
        return answer or Landed(snapshot=self.snapshot())


def after_pushing(store: FakeStore, *batches: Sequence[Event]) -> Effect:
    async def work() -> Effect | None:
        witnessed = WitnessedStore(store)
        assert witnessed.effect is None
        for batch in batches:
            await witnessed.append(await witnessed.fetch(), batch, "message")
        await witnessed.fetch()
        return witnessed.effect

    effect = asyncio.run(work())
    assert effect is not None
    return effect


CLAIM, STARTED = a_claim(RUN, claim="c1"), a_triggered(RUN, "3377-1", "c1")


def test_what_has_landed_is_recorded_and_what_the_remote_declined_is_not() -> None:
    effect = after_pushing(FakeStore(None, None), [CLAIM], [STARTED])
    assert (effect.recorded, effect.before.length) == ((CLAIM, STARTED), 0)
    assert effect.now.ledger.length == 2
    for answer in (Declined(message="no"), Raced()):
        effect = after_pushing(FakeStore(None, answer, lands=False), [CLAIM], [STARTED])
        assert effect.recorded == (CLAIM,)
        assert news_of(effect) is None


@pytest.mark.parametrize("lands", [True, False])
def test_a_push_without_an_answer_counts_once_the_branch_shows_it(*, lands: bool) -> None:
    effect = after_pushing(FakeStore(None, Unclear(message="?"), lands=lands), [CLAIM], [STARTED])
    assert effect.recorded == ((CLAIM, STARTED) if lands else (CLAIM,))


def heard(
    before: Sequence[Event], recorded: Sequence[Event], *runs: Run
) -> dict[str, list[tuple[str, str]]]:
    """What is told after an apply that has recorded these events on top of those."""
    was = Ledger.of(before)
    now = Snapshot(
        commit="c0ffee",
        environment=ENVIRONMENT,
        declared=declared(*(runs or (RUN,))),
        ledger=was.with_events(recorded),
    )
    news = news_of(Effect(before=was, now=now, recorded=recorded))
    told = {} if news is None else news.told
    return {
        occasion.value: [(one.run, one.reason) for one in those]
        for occasion, those in told.items()
        if occasion is not Occasion.ALL_DONE
    }


DOUBT, REFUSED = an_unknown(RUN, "c1"), a_rejected(RUN, "c1")
NEXT = a_claim(RUN, claim="c2")


@pytest.mark.parametrize(
    ("before", "recorded", "expected"),
    [
        ([], [CLAIM], {}),
        ([], [CLAIM, STARTED], {"started": "started"}),
        ([CLAIM], [STARTED], {"started": "started"}),
        ([], [CLAIM, DOUBT], {"in-doubt": "in-doubt"}),
        ([CLAIM], [DOUBT], {"in-doubt": "in-doubt"}),  # whose applier has died
        ([CLAIM, DOUBT], [an_unknown(RUN, "c1")], {}),
        ([CLAIM, DOUBT], [STARTED], {"started": "started"}),
        ([], [CLAIM, DOUBT, STARTED], {"started": "started"}),
        ([], [CLAIM, DOUBT, an_absent(RUN, "c1")], {}),
        (
            [CLAIM, DOUBT],
            [an_absent(RUN, "c1"), NEXT, an_unknown(RUN, "c2")],
            {"in-doubt": "in-doubt"},
        ),
        ([], [CLAIM, REFUSED], {"failed": "rejected"}),
        ([CLAIM, REFUSED], [NEXT, a_rejected(RUN, "c2")], {}),
        ([CLAIM, STARTED], [an_observed(RUN, -1)], {"failed": "failed"}),
        ([CLAIM, STARTED], [an_observed(RUN, 1)], {}),
        ([CLAIM, STARTED, an_observed(RUN, -1)], [an_observed(RUN, 7)], {}),
        ([], [CLAIM, STARTED, an_observed(RUN, -1)], {"started": "started", "failed": "failed"}),
        (
            [CLAIM, DOUBT, a_resolved(RUN), NEXT],
            [STARTED, a_triggered(RUN, "3377-2", "c2")],
            {"in-doubt": "started-twice", "started": "started"},
        ),
    ],
)
def test_only_what_this_apply_has_changed_is_news(
    before: Sequence[Event], recorded: Sequence[Event], expected: dict[str, str]
) -> None:
    assert heard(before, recorded) == {
        occasion: [(RUN.id, reason)] for occasion, reason in expected.items()
    }


def test_a_bad_end_is_no_failure_while_another_attempt_follows_or_where_it_is_wanted() -> None:
    first = a_run(retry=Retry(max=1, on=frozenset({"FAIL"})))
    second = first.but(attempt=2)
    before: list[Event] = [a_claim(first, claim="c1"), a_triggered(first, "3377-1", "c1")]
    assert heard(before, [an_observed(first, -1)], first) == {}
    before += [an_observed(first, -1), a_claim(second, claim="c2")]
    before += [a_triggered(second, "3377-2", "c2")]
    last = heard(before, [an_observed(second, -1)], first)
    assert last == {"failed": [("wind#2", "failed")]}
    unwanted = a_run(cancel=True)
    assert heard([CLAIM, STARTED], [an_observed(RUN, 8)], unwanted) == {}
    assert heard([CLAIM], [REFUSED], unwanted) == {}


def test_how_a_run_ended_that_nothing_declares_any_more_is_no_news() -> None:
    other = a_run("solar", flow_id=8)
    assert heard([CLAIM, STARTED], [an_observed(RUN, -1)], other) == {}
    assert heard([CLAIM], [REFUSED], other) == {}
    assert heard([CLAIM], [DOUBT], other) == {"in-doubt": [(RUN.id, "in-doubt")]}


def test_what_a_failure_blocks_is_news_once_and_not_what_was_blocked_before() -> None:
    other, idle = a_run("solar", flow_id=8), a_run("idle", flow_id=9, suspend=True)
    by_wind = a_run("x", flow_id=10, depends_on=("wind",))
    by_idle = a_run("y", flow_id=11, depends_on=("idle",))
    runs = (RUN, other, idle, by_wind, by_idle)
    failed: list[Event] = [CLAIM, STARTED, an_observed(RUN, -1)]
    told = heard(failed[:2], failed[2:], *runs)
    assert told["failed"] == [("wind", "failed")]
    assert told["blocked"] == [("x", "blocked")]
    theirs: list[Event] = [a_claim(other, claim="c2"), a_triggered(other, "8-1", "c2")]
    assert heard(failed, theirs, *runs) == {"started": [("solar", "started")]}
