"""The messages of the reconciler's own commits."""

from collections import Counter
from collections.abc import Sequence

from reconciler.ledger import Event, events

TRAILER = "Reconciler-Claim"


def commit_message(environment: str, recorded: Sequence[Event]) -> str:
    """A subject that says what is recorded, `[skip ci]`, and a trailer for each claim."""
    claimed = sum(len(event.runs) for event in recorded if isinstance(event, events.Claim))
    counts = Counter(
        type(event).__name__.lower() for event in recorded if not isinstance(event, events.Claim)
    )
    parts = [f"{number} {kind}" for kind, number in counts.items()]
    if claimed:
        parts.append(f"{claimed} claimed")
    claims = dict.fromkeys(
        event.claim for event in recorded if not isinstance(event, events.Resolved) and event.claim
    )
    subject = f"reconciler: {environment}: {', '.join(parts)} [skip ci]"
    trailers = "".join(f"{TRAILER}: {claim}\n" for claim in claims)
    return f"{subject}\n\n{trailers}" if trailers else f"{subject}\n"
