"""Runs by their digests."""

from hypothesis import given

from reconciler.ledger import Event
from reconciler.ledger.brief import ByDigest
from reconciler.ledger.records import MAY_HAVE_STARTED
from reconciler.model import Digest
from tests.building import a_claim, a_digest, a_ledger, a_run
from tests.ledger.histories import histories
from tests.render.values import a_record

ONE, TWIN, OTHER = (a_run(name, digest=a_digest(name[0])) for name in ("a-1", "a-2", "b-1"))


@given(histories())
def test_each_digest_has_the_runs_of_it_that_may_have_been_started(history: list[Event]) -> None:
    ledger = a_ledger(*history)
    expected: dict[Digest, list[str]] = {}
    for run, record in ledger.records.items():
        if record.phase in MAY_HAVE_STARTED:
            expected.setdefault(record.digest, []).append(run)
    assert {digest: list(runs) for digest, runs in ledger.started.items()} == expected
    assert len(ledger.started) == len(expected)


def test_runs_of_one_digest_stand_together_in_the_order_of_the_ledger() -> None:
    found = ByDigest(a_ledger(a_claim(TWIN, OTHER), a_claim(ONE, claim="c2")).records.values())
    shown = {digest: list(runs) for digest, runs in found.items()}
    assert shown == {ONE.digest: ["a-2", "a-1"], OTHER.digest: ["b-1"]}


def test_digests_of_one_hash_are_told_apart() -> None:
    class Alike(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 7

    digests = [Digest(Alike(letter * 64)) for letter in "abc"]
    records = [a_record(str(number), digest=one) for number, one in enumerate(digests[:2])]
    found = ByDigest(records)
    assert [list(found.get(digest, ())) for digest in digests] == [["0"], ["1"], []]
    assert list(found) == digests[:2]
