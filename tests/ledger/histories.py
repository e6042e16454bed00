"""Random histories of a ledger: every claim and outcome that appliers and people can leave."""

from hypothesis import strategies as st

from reconciler.ledger import Event, Ledger, RunState
from reconciler.ledger.records import STARTED, UNSETTLED
from reconciler.model import EpochMs, Run
from tests.building import (
    CLAIM_MS,
    NOW,
    a_claim,
    a_rejected,
    a_resolved,
    a_triggered,
    after,
    an_absent,
    an_adopted,
    an_observed,
    an_unknown,
    runs_apart,
)

RUNS = runs_apart(3)
LATER = after(NOW, 10 * CLAIM_MS)  # every claim has expired
INSTANCES = ("3377-1", "3377-2", "3377-3")
STATUSES = (-1, 0, 1, 2, 8, 10, "SUCCESS", "running", "something new")


def possible_events(ledger: Ledger, run: Run, claim: str) -> list[Event]:
    """Everything that may be appended next about the run, under that nonce or a new one."""
    made: list[Event] = [a_triggered(run, instance, claim) for instance in INSTANCES]
    made.append(a_triggered(run, INSTANCES[0], claim, inferred=True))
    record = ledger.records.get(run.id)
    if record is None or record.phase not in UNSETTLED:
        made += [an_adopted(run, one, f"a{len(ledger.claims)}") for one in INSTANCES[:2]]
    if claim not in ledger.claims:
        if record is not None and record.phase in UNSETTLED:
            return made  # no applier claims what another claim has left open
        return [*made, a_claim(run, claim=claim, at=after(NOW, len(ledger.claims) * 1000))]
    if run.id in ledger.claims[a_claim(claim=claim).claim].runs:
        made += [a_rejected(run, claim), an_unknown(run, claim), an_absent(run, claim)]
        made.append(an_unknown(run, claim, late=True))
    if record is not None:
        made += [a_resolved(run), a_resolved(run, "3377-3")]
        if record.phase in STARTED:
            made += [an_observed(run, status) for status in STATUSES]
    return made


@st.composite
def histories(draw: st.DrawFn, longest: int = 12, runs: tuple[Run, ...] = RUNS) -> list[Event]:
    """Events that may follow one another, also in ways that only a late applier brings about."""
    history: list[Event] = []
    ledger = Ledger.of([])
    for _ in range(draw(st.integers(0, longest))):
        run, claim = draw(st.sampled_from(runs)), draw(st.sampled_from(["c1", "c2", "c3"]))
        event = draw(st.sampled_from(possible_events(ledger, run, claim)))
        history.append(event)
        ledger = ledger.with_events([event])
    return history


def states(ledger: Ledger, now: EpochMs = LATER) -> dict[str, RunState]:
    """Each recorded run's state once every claim has expired."""
    return {run: record.state(now) for run, record in ledger.records.items()}
