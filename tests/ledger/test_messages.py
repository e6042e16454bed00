"""The messages of the reconciler's own commits, as git reads them."""

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.ledger import Event, events
from reconciler.ledger.files import commit_message
from tests.building import (
    a_claim,
    a_rejected,
    a_resolved,
    a_triggered,
    an_absent,
    an_observed,
    an_unknown,
    runs_apart,
)
from tests.ledger.histories import histories

FIRST, SECOND, THIRD = runs_apart(3)


def trailers(message: str) -> list[str]:
    """The trailers that git finds."""
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().splitlines()


def test_a_claims_message_says_how_many_runs_and_carries_its_nonce() -> None:
    message = commit_message("prod", [a_claim(FIRST, SECOND, claim="5f0c")])
    assert message == "reconciler: prod: 2 claimed [skip ci]\n\nReconciler-Claim: 5f0c\n"


def test_outcomes_are_counted_by_kind_before_the_next_claim() -> None:
    recorded: list[Event] = [
        a_triggered(FIRST, "1", "c1"),
        a_triggered(SECOND, "2", "c1"),
        a_rejected(THIRD, "c1"),
        a_claim(THIRD, claim="c2"),
    ]
    message = commit_message("prod", recorded)
    assert message.splitlines()[0] == (
        "reconciler: prod: 2 triggered, 1 rejected, 1 claimed [skip ci]"
    )
    assert trailers(message) == ["Reconciler-Claim: c1", "Reconciler-Claim: c2"]


def test_outcomes_of_one_claim_name_it_once() -> None:
    recorded: list[Event] = [an_unknown(FIRST), an_absent(SECOND), a_rejected(THIRD)]
    assert trailers(commit_message("prod", recorded)) == ["Reconciler-Claim: c1"]


def test_events_under_no_claim_have_no_trailer() -> None:
    recorded: list[Event] = [an_observed(FIRST), a_resolved(SECOND), a_triggered(THIRD, claim=None)]
    assert commit_message("prod", recorded) == (
        "reconciler: prod: 1 observed, 1 resolved, 1 triggered [skip ci]\n"
    )


@settings(max_examples=15)  # each asks git
@given(histories().filter(bool))
def test_git_finds_every_claim_among_the_trailers(history: list[Event]) -> None:
    message = commit_message("prod", history)
    claims = {
        event.claim
        for event in history
        if not isinstance(event, events.Observed | events.Resolved) and event.claim
    }
    found = trailers(message)
    assert sorted(found) == sorted(f"Reconciler-Claim: {claim}" for claim in claims)


@given(st.text("abc-", min_size=1, max_size=10), histories().filter(bool))
def test_every_message_has_a_subject_that_skips_ci_and_a_line_end(
    environment: str, history: list[Event]
) -> None:
    message = commit_message(environment, history)
    subject, _, rest = message.partition("\n")
    assert subject.startswith(f"reconciler: {environment}: ")
    assert subject.endswith(" [skip ci]")
    assert message.endswith("\n")
    assert not message.endswith("\n\n")
    assert rest == "" or rest.startswith("\nReconciler-Claim: ")
