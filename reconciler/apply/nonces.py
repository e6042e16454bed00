"""What the nonces of claims say of a listed instance: proof, wherever one is listed whole. Pure."""

import re
from collections.abc import Sequence

from reconciler.apply.known import Known
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import Standing, Suspect
from reconciler.model import Nonce, RunId


def nonce_standing(suspect: Suspect, one: Instance, known: Known) -> Standing | None:
    """What a nonce in the instance says; None if the instance carries no known nonce.

    A whole nonce is proof, because nobody guesses 128 random bits. It counts only where the
    reconciler puts it: anywhere else, a parameter of a manifest could pass for a nonce.
    """
    carried = _find_nonce(suspect, one, known)
    if carried is None:
        return None
    claim, rest = carried
    if claim != suspect.claim:
        return Standing.NOT_OURS
    made = known.claims.get(claim)
    return _judge_run(suspect.run, tuple(made.runs) if made else (), rest)


def claim_named_in(suspect: Suspect, one: Instance, known: Known) -> Nonce | None:
    """The claim whose whole nonce the instance carries; None if it carries no known nonce."""
    carried = _find_nonce(suspect, one, known)
    return carried[0] if carried is not None else None


def _find_nonce(suspect: Suspect, one: Instance, known: Known) -> tuple[Nonce, str] | None:
    """The claim whose nonce it carries, the suspect's before others, and the text beside it."""
    near = known.claims_near(suspect.flow_id, suspect.trigger_time)
    names = {claim.correlation for claim, _ in near} | {suspect.correlation}
    texts = _texts(one, {name.casefold() for name in names if name})
    sent = " ".join(value.casefold() for _, value in suspect.parameters or ())
    others = (claim.claim for claim, _ in near if claim.claim != suspect.claim)
    claims = [suspect.claim] if suspect.claim is not None else []
    claims += (claim for claim in others if claim.casefold() not in sent)
    for claim in claims:
        for text in texts:
            rest = _text_beside_nonce(claim, text)
            if rest is not None:
                return claim, rest
    return None


def _texts(one: Instance, names: set[str]) -> list[str]:
    """The texts in which a nonce counts: the values of `names`, or all text if none is readable."""
    if one.parameters is None:
        return [one.carried.casefold().replace("\\/", "/")] if one.carried else []
    return [value.casefold() for key, value in one.parameters if key.casefold() in names]


def _text_beside_nonce(claim: Nonce, text: str) -> str | None:
    """What stands beside the whole nonce, up to a quotation mark; None without the nonce."""
    nonce = rf"(?<![0-9a-z]){re.escape(claim.casefold())}(?![0-9a-z])"
    match = re.search(rf"([^\"]*){nonce}([^\"]*)", text)
    return f"{match[1]}{match[2]}".strip(" \\") if match else None


def _judge_run(run: RunId, siblings: Sequence[RunId], rest: str) -> Standing:
    """Whether the nonce is this run's: a claim holds many runs, and what follows it may be cut."""
    others = [one.casefold() for one in siblings if one != run]
    if not run.casefold().startswith(rest):
        return Standing.NOT_OURS if rest in others else Standing.POSSIBLE
    # What reads `wind-1` may be all that is left of `wind-10`.
    return Standing.POSSIBLE if any(one.startswith(rest) for one in others) else Standing.OURS
