"""What a reviewer is told of a plan besides its runs: what the change does, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.configuration import GatewayConfiguration
from reconciler.plan.changes import Change, OfManifest
from reconciler.plan.refusals import Refused
from reconciler.reconfigured import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a change does in one environment, compared with the commit that it set out from."""

    base: str  # the commit's id
    changes: Sequence[Change]
    manifests: Sequence[OfManifest]  # the same changes, by manifest
    configuration: Sequence[Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What is said of one environment's plan."""

    refused: Sequence[Refused] = ()  # empty: an apply would go on, as far as is known here
    compared: Compared | None = None  # None: with nothing
    edited: Sequence[OfManifest] = ()  # recorded, carries something else, and not by the change
    gateway: GatewayConfiguration | None = None  # where it would start; None: is not said


NO_REVIEW = Review()
