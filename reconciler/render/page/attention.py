"""What the page tells of an environment, and what needs a person first, with what helps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from reconciler.counting import counted
from reconciler.enos.statuses import NOT_FOUND
from reconciler.git import Origin
from reconciler.ledger import RunState
from reconciler.model import Problem, backfill_of
from reconciler.plan import Reason
from reconciler.render.backfills import together
from reconciler.render.safe import said, visible
from reconciler.render.status_row import StatusRow, ways_to_settle
from reconciler.render.words import command


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


SHOWN_ITEMS = 20  # of a kind: more is filtered for, not read
SHOWN_RUNS = 5  # of an item


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to look at: a run, several of a backfill with one cause, or a manifest."""

    title: str
    words: str
    environment: str
    runs: tuple[str, ...] = ()  # the first of them, as the page's script calls them
    more: int = 0  # how many others
    commands: tuple[str, ...] = ()
    edit: str = ""  # what to write where, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Items that ask for the same."""

    name: str  # a word that the style sheet knows
    title: str
    words: str  # what to do about it
    number: int  # of runs, or of problems
    items: tuple[Item, ...]
    more: int = 0  # items that are not shown
    state: str = ""  # what to filter the list by
    reason: str = ""


def attention(told: Sequence[Reported]) -> list[Concern]:
    """The kinds that there are, the most urgent first."""
    kinds = [
        _kind(told, "twice", "Started twice", _TWICE, lambda _, row: row.started_twice),
        _kind(told, "in-doubt", "In doubt", _DOUBT, _is(RunState.IN_DOUBT), state="in-doubt"),
        _problems(told),
        _kind(told, "failed", "Failed", _FAILED, _has_failed, state="failed"),
        _kind(told, "rejected", "Refused by the service", _REJECTED, _is(RunState.REJECTED)),
        _kind(told, "blocked", "Blocked", _BLOCKED, _for(Reason.BLOCKED), reason="blocked"),
        _kind(told, "stopped", "Stopped", _STOPPED, _for(Reason.STOPPED), reason="stopped"),
        _kind(told, "missed", "Missed", _MISSED, _for(Reason.MISSED), reason="missed"),
        _kind(told, "over", "More than one apply may start", _OVER, _for(Reason.OVER_LIMIT)),
    ]
    return [kind for kind in kinds if kind.number]


_TWICE = (
    "Two claims have each started it. Look at both instances, undo what one of them has done where "
    "that matters, and say which one speaks for the run."
)
_DOUBT = (
    "Each may have been started. The next apply looks for its instance. If that settles nothing, "
    "look at the service, and say what you found."
)
_FAILED = "The instance failed, and no retry follows. Mend the cause, then start it again."
_REJECTED = "Nothing was started. Mend what the service names: the next apply tries again."
_BLOCKED = "What it waits for failed, or will never start as things are. Mend that first."
_STOPPED = "So many runs failed that spec.stopAfter lets nothing more start. Mend the cause first."
_MISSED = "Its notAfter has passed, so it is never started. Raise that if the run is still wanted."
_OVER = "An apply refuses them. Raise limits.maxRunsPerApply, or allow it once."
_PROBLEMS = "Nothing of the environment is started until these manifests are mended."

_Test = Callable[[Reported, StatusRow], bool]


def _is(state: RunState) -> _Test:
    return lambda _, row: row.state is state and not row.started_twice


def _for(reason: Reason) -> _Test:
    return lambda _, row: row.reason is reason and row.state is RunState.PENDING


def _has_failed(_: Reported, row: StatusRow) -> bool:
    """Whether it ended badly, is still declared and wanted, and no later attempt is or comes."""
    ended_badly = row.state is RunState.FAILED and row.reason is Reason.FAILED
    is_over = row.place is None or row.started_twice or row.followed_by is not None
    return ended_badly and not is_over


def _kind(
    told: Sequence[Reported],
    name: str,
    title: str,
    words: str,
    is_one: _Test,
    *,
    state: str = "",
    reason: str = "",
) -> Concern:
    groups: list[tuple[Reported, list[StatusRow]]] = []
    for one in told:
        rows = [row for row in one.rows if is_one(one, row)]
        groups += [(one, those) for those in together(rows, _cause)]
    return Concern(
        name=name,
        title=title,
        words=words,
        number=sum(len(rows) for _, rows in groups),
        items=tuple(_item(one, rows, name) for one, rows in groups[:SHOWN_ITEMS]),
        more=sum(len(rows) for _, rows in groups[SHOWN_ITEMS:]),
        state=state or (name if name == RunState.REJECTED else ""),
        reason=reason or ("over-limit" if name == "over" else ""),
    )


def _cause(row: StatusRow) -> tuple[str, str] | None:
    """What runs of one backfill have in common that need the same; None for any other run."""
    backfill = backfill_of(row.run)
    return None if backfill is None or row.started_twice else (backfill, _why(row))


def _why(row: StatusRow) -> str:
    return row.error or row.why


def _item(one: Reported, rows: Sequence[StatusRow], kind: str) -> Item:
    first = rows[0]
    backfill = backfill_of(first.run)
    title = f"{backfill}: {counted(len(rows), 'run')}" if len(rows) > 1 else first.run
    return Item(
        title=visible(title),
        words=said(_why(first)),
        environment=one.environment,
        runs=tuple(visible(row.run) for row in rows[:SHOWN_RUNS]),
        more=len(rows[SHOWN_RUNS:]),
        commands=tuple(commands(one, first, kind, len(rows))),
        edit=edit(first, kind),
    )


def kind_of(one: Reported, row: StatusRow) -> str:
    """Which kind of attention the run needs; empty for none."""
    if row.started_twice:
        return "twice"
    match row.state:
        case RunState.IN_DOUBT | RunState.REJECTED:
            return row.state.value
        case RunState.FAILED:
            return "failed" if _has_failed(one, row) else ""
        case RunState.PENDING:
            return _PENDING.get(row.reason, "") if row.reason else ""
        case _:
            return ""


_PENDING = {
    Reason.BLOCKED: "blocked",
    Reason.STOPPED: "stopped",
    Reason.MISSED: "missed",
    Reason.OVER_LIMIT: "over",
}


def commands(one: Reported, row: StatusRow, kind: str, number: int = 1) -> Iterator[str]:
    """The command lines that help with the run, or with it and others of its backfill."""
    here, said_why = ("--env", one.environment), ("--reason", "WHY")
    match kind:
        case "twice":
            for instance in dict.fromkeys(start.instance for start in row.starts):
                yield command("resolve", row.run, "--triggered", instance, *said_why, *here)
        case "in-doubt":
            yield command("apply", *here)
            if number > 1:
                yield command("status", backfill_of(row.run) or row.run, "--state", kind, *here)
            for found in ways_to_settle(row):
                yield command("resolve", row.run, *found, *here)
        case "rejected":
            yield command("apply", *here)
        case "over":
            starts = sum(each.reason is Reason.OVER_LIMIT for each in one.rows)
            yield command("apply", "--max-runs", str(starts), *here)
        case _:
            return


def edit(row: StatusRow, kind: str) -> str:
    """What to write where, in words; empty where no edit helps."""
    if row.place is None:
        return ""
    where = f"{visible(row.place.file)}:{row.place.line}"
    match kind:
        case "failed":
            words = _to_start_again(row, where)
            return f"{words} Take spec.suspend away as well." if row.is_suspended else words
        case "missed":
            return f"Raise spec.notAfter in {where}, or take it away."
        case "blocked":
            return f"{where} says what it waits for."
        case "stopped":
            return f"Raise spec.stopAfter in {where}, or spec.revision to run all of it again."
        case _:
            return ""


def _to_start_again(row: StatusRow, where: str) -> str:
    if backfill_of(row.run) is None:
        return f"Raise spec.revision in {where}."
    whole = "starts every run of the backfill again, also those that succeeded."
    if row.status == NOT_FOUND:
        return (
            "No spec.retry starts it again: declare it in a backfill of its own with spec.again. "
            f"Another spec.revision in {where} {whole}"
        )
    return f"Let spec.retry in {where} start failed runs again: another spec.revision {whole}"


def _problems(told: Iterable[Reported]) -> Concern:
    found = [(one, problem) for one in told for problem in one.problems]
    items = tuple(
        Item(
            title=visible(f"{problem.place.file}:{problem.place.line}:{problem.place.column}"),
            words=said(f"{problem.code}: {problem.message}"),
            environment=one.environment,
        )
        for one, problem in found[:SHOWN_ITEMS]
    )
    more = len(found[SHOWN_ITEMS:])
    return Concern(
        name="problem",
        title="Manifests with problems",
        words=_PROBLEMS,
        number=len(found),
        items=items,
        more=more,
    )
