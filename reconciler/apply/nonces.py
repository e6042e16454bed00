"""The nonce of a claim in what a service lists: proof, wherever it is whole. Pure."""

import re
from collections.abc import Sequence

from reconciler.apply.known import Known
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import Standing, Suspect
from reconciler.model import ClaimId, RunId


def nonce_standing(suspect: Suspect, one: Instance, known: Known) -> Standing | None:
    """What a nonce in it says; None if it carries none that is known.

    A whole nonce is proof, for nobody guesses 128 random bits. It counts only where the reconciler
    puts it, or what a manifest says could pass for one.
    """
    near = known.claims_near(suspect.flow_id, suspect.trigger_time)
    names = {claim.correlation for claim, _ in near} | {suspect.correlation}
    texts = _texts(one, {name.casefold() for name in names if name})
    if suspect.claim is not None:
        for text in texts:
            rest = _beside(suspect.claim, text)
            if rest is not None:
                made = known.claims.get(suspect.claim)
                return _which_run(suspect.run, tuple(made.runs) if made else (), rest)
    sent = " ".join(value.casefold() for _, value in suspect.parameters or ())
    for claim, _ in near:
        is_other = claim.claim != suspect.claim and claim.claim.casefold() not in sent
        if is_other and any(_beside(claim.claim, text) is not None for text in texts):
            return Standing.NOT_OURS
    return None


def _texts(one: Instance, names: set[str]) -> list[str]:
    """The texts in which a nonce counts: values of those parameters, or all if none is readable."""
    if one.parameters is None:
        return [one.carried.casefold().replace("\\/", "/")] if one.carried else []
    return [value.casefold() for key, value in one.parameters if key.casefold() in names]


def _beside(claim: ClaimId, text: str) -> str | None:
    """What stands beside the whole nonce, up to a quotation mark; None if it is not there."""
    nonce = rf"(?<![0-9a-z]){re.escape(claim.casefold())}(?![0-9a-z])"
    match = re.search(rf"([^\"]*){nonce}([^\"]*)", text)
    return f"{match[1]}{match[2]}".strip(" \\") if match else None


def _which_run(run: RunId, siblings: Sequence[RunId], rest: str) -> Standing:
    """Whether the nonce is this run's: a claim holds many, and the rest of the value may be cut."""
    others = [one.casefold() for one in siblings if one != run]
    if not run.casefold().startswith(rest):
        return Standing.NOT_OURS if rest in others else Standing.POSSIBLE
    # What reads `wind-1` may be all that is left of `wind-10`.
    return Standing.POSSIBLE if any(one.startswith(rest) for one in others) else Standing.OURS
