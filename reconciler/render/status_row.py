"""What `status` shows of one run, and where a person sees its instance at the service."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from reconciler.errors import ExitCode
from reconciler.ledger import RunState
from reconciler.ledger.brief import BriefRecord
from reconciler.ledger.events import INSTANCE_ID, WHY, Claim
from reconciler.ledger.records import Start
from reconciler.model import EpochMs, InstanceId, Nonce, Parameters, Place, Run, RunId
from reconciler.numerous import Brief, Numerous
from reconciler.plan import Reason
from reconciler.plan.outlook import Outlook, outlook_of

_LISTED = 3  # at most so many instances get a command each


class FullRow(Numerous, frozen=True, kw_only=True, gc=False):
    """What is known of one run, declared or recorded."""

    run: RunId
    state: RunState
    flow_id: int | None
    trigger_time: EpochMs
    instance: InstanceId | None = None
    instance_url: str | None = None  # where a person sees it
    claimed_at: str | None = None  # RFC 3339, by the gateway's clock; so is `triggered_at`
    triggered_at: str | None = None
    status: str | None = None  # the instance's, as last observed
    ended_at: str | None = None  # when its end was recorded: no earlier than the end
    cancelled: str | None = None  # what the service answered to a cancellation
    error: str | None = None
    starts: tuple[Start, ...] = ()  # the known ones; more than one: it was started twice
    started_twice: bool = False  # True until somebody has settled that
    reason: Reason | None = None  # why it is not done; None: it is done
    why: str = ""  # `reason` in words
    gist: str = ""  # the words that `why` shares with other runs
    waits_for: tuple[str, ...] = ()  # the names that it still waits for, as a plan gives them
    followed_by: RunId | None = None  # the attempt after it, where one is wanted
    is_unwanted: bool = False  # its manifest calls it off: a bad end is intended
    is_suspended: bool = False  # its manifest suspends it
    parameters: Parameters | None = None  # None: it is no longer declared
    declared_as: str | None = None  # its id in its manifest, where it was renamed
    place: Place | None = None  # of its manifest; None: it is no longer declared
    is_early: bool = False  # its claim or trigger time is not past: it may still start
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    evidence: Any = None
    until: EpochMs | None = None  # when the newest claim expires
    settled_from: EpochMs | None = None  # in doubt: a search that begins later settles it
    claim: Nonce | None = None
    by: str | None = None  # who made that claim
    commit: str | None = None  # of the manifests that the claim was made from

    @property
    def is_declared(self) -> bool:
        """Whether a manifest declares the run, in this revision."""
        return self.place is not None

    def full_value(self) -> "FullRow":
        """The row itself."""
        return self


class SuccessRow(Brief[FullRow], msgspec.Struct, frozen=True, eq=False, gc=False):
    """What is known of a succeeded run whose record and manifest hold all of it.

    There may be a million of these rows, so each value is made only when it is read.
    """

    run: RunId
    record: BriefRecord
    declared: Run | None  # None: no manifest declares it any more
    made: Claim  # the claim under which it was started
    template: str | None = None  # see `instance_url`
    state: ClassVar[RunState] = RunState.SUCCEEDED
    cancelled: ClassVar[str | None] = None
    error: ClassVar[str | None] = None
    started_twice: ClassVar[bool] = False
    reason: ClassVar[Reason | None] = None
    why: ClassVar[str] = ""
    gist: ClassVar[str] = ""
    waits_for: ClassVar[tuple[str, ...]] = ()
    followed_by: ClassVar[RunId | None] = None
    declared_as: ClassVar[str | None] = None
    is_early: ClassVar[bool] = False
    evidence: ClassVar[Any] = None
    settled_from: ClassVar[EpochMs | None] = None
    in_full: ClassVar[Any] = FullRow

    @property
    def flow_id(self) -> int | None:
        """As in FullRow; so are all properties below."""
        return self.record.flow_id or (self.declared.flow_id if self.declared is not None else None)

    @property
    def trigger_time(self) -> EpochMs:  # noqa: D102 - as in a full row, and so below
        return self.record.trigger_time

    @property
    def instance(self) -> InstanceId | None:  # noqa: D102
        return self.record.instance

    @property
    def instance_url(self) -> str | None:  # noqa: D102
        if self.template is None:
            return None
        return instance_url(self.template, self.instance, self.flow_id)

    @property
    def claimed_at(self) -> str:  # noqa: D102
        return self.record.claimed_at

    @property
    def triggered_at(self) -> str | None:  # noqa: D102
        return self.record.triggered_at

    @property
    def status(self) -> str | None:  # noqa: D102
        return self.record.status

    @property
    def ended_at(self) -> str | None:  # noqa: D102
        return self.record.ended_at

    @property
    def starts(self) -> tuple[Start, ...]:  # noqa: D102
        return self.record.starts

    @property
    def is_unwanted(self) -> bool:  # noqa: D102
        return self.declared is not None and self.declared.cancel

    @property
    def is_suspended(self) -> bool:  # noqa: D102
        return self.declared is not None and self.declared.suspend

    @property
    def is_declared(self) -> bool:  # noqa: D102
        return self.declared is not None

    @property
    def parameters(self) -> Parameters | None:  # noqa: D102
        return self.declared.shown_parameters() if self.declared is not None else None

    @property
    def place(self) -> Place | None:  # noqa: D102
        return self.declared.place if self.declared is not None else None

    @property
    def labels(self) -> Mapping[str, str]:  # noqa: D102
        return self.declared.labels if self.declared is not None else _NO_LABELS

    @property
    def until(self) -> EpochMs | None:  # noqa: D102
        return self.record.until or None

    @property
    def claim(self) -> Nonce:  # noqa: D102
        return self.record.claim

    @property
    def by(self) -> str:  # noqa: D102
        return self.made.by

    @property
    def commit(self) -> str:  # noqa: D102
        return self.made.commit


StatusRow = FullRow | SuccessRow
_NO_LABELS: Mapping[str, str] = {}


def listed_instances(row: StatusRow) -> tuple[str, ...]:
    """The instances, seen by the last search for a run in doubt, that may be the run's."""
    found = row.evidence.get("found") if isinstance(row.evidence, dict) else None
    rows = found if isinstance(found, list) else []
    return tuple(str(one["id"]) for one in rows if isinstance(one, dict) and "id" in one)


def ways_to_settle(row: StatusRow) -> list[tuple[str, ...]]:
    """The words after `resolve RUN` with which a person says what became of a run in doubt.

    As the ledger stands, `resolve` refuses none of them: `--not-triggered` comes with `--force`
    where an instance was listed that may be the run's, and with `--yes` where it may still start.
    """
    listed = listed_instances(row)
    sure = (*(("--force",) if listed else ()), *(("--yes",) if row.is_early else ()))
    instances = listed if 0 < len(listed) <= _LISTED else (INSTANCE_ID,)
    found = [*(("--triggered", instance) for instance in instances), ("--not-triggered", *sure)]
    return [(*words, "--reason", WHY) for words in found]


def caution(row: StatusRow) -> str:
    """What to know before a person says `--not-triggered` of the run; empty where nothing fits it.

    Runs were started twice on such a word.
    """
    match listed_instances(row):
        case ():
            return ""
        case (_,):
            which = "that instance is"
        case _:
            which = "each of those instances is"
    return f"Only if {which} certainly another's: --not-triggered starts the run again"


def additional_error(row: StatusRow) -> str | None:
    """What the service said of the run, unless the reason says it: `refused before (62103: …)`."""
    return None if row.error is not None and row.error in row.why else row.error


def outlook(row: StatusRow) -> Outlook:
    """What is to be expected of the run.

    A run is over, however it ended, if no manifest declares it any more, its manifest calls it off,
    or another attempt follows it.
    """
    is_over = row.followed_by is not None or row.is_unwanted or not row.is_declared
    return outlook_of(row.state, row.reason, started_twice=row.started_twice, is_over=is_over)


def urgent_exit_code(rows: Iterable[StatusRow]) -> ExitCode:
    """IN_DOUBT if one of the runs was started twice and nobody has settled that, else OK."""
    return ExitCode.IN_DOUBT if any(row.started_twice for row in rows) else ExitCode.OK


def instance_url(
    template: str | None, instance: InstanceId | None, flow_id: int | None
) -> str | None:
    """The URL of the instance; None where the template, or anything that it needs, is not known.

    `template`: `gateway.instanceUrl`. The instance's id comes from the service, so it is quoted:
    it cannot change where the URL leads.
    """
    if template is None or not instance or (flow_id is None and "{flowId}" in template):
        return None
    quoted = quote(instance.encode("utf-8", "replace"), safe="")
    if not quoted.strip("."):
        return None  # `.` and `..` would lead to another page, quoted or not
    return template.replace("{flowId}", str(flow_id)).replace("{flowInstanceId}", quoted)
