"""What a report tells of one environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from reconciler.git import Origin
from reconciler.model import Problem
from reconciler.render.status_row import StatusRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One environment with its runs, as `status` has them, and what else is known of them."""

    environment: str
    zone: tzinfo  # the gateway's
    rows: Sequence[StatusRow]
    problems: Sequence[Problem] = ()  # of its manifests: nothing starts while there are any
    origins: Mapping[str, Origin] = field(default_factory=dict)  # by path: what brought the file
    commit: str | None = None  # of the ledger; None: it is the working tree's
    instance_template: str | None = None  # `gateway.instanceUrl`
