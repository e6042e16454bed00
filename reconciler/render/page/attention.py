"""What the page is made from, and what in it needs a person, with the actions that help."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct, field

from reconciler.counting import format_count
from reconciler.enos.statuses import NOT_FOUND
from reconciler.git.origins import Origin
from reconciler.ledger import RunState
from reconciler.ledger.events import WHY
from reconciler.model import Problem, backfill_of
from reconciler.plan import Reason
from reconciler.render.backfills import group_items
from reconciler.render.safe import escape_line, escape_message
from reconciler.render.status_row import StatusRow, caution, outlook, ways_to_settle
from reconciler.render.words import command, explicit_retry_status, local_times


class Reported(Struct, frozen=True, kw_only=True):
    """One environment: its runs as `status` has them, and what else the page shows of them."""

    environment: str
    zone: tzinfo  # the gateway's
    rows: Sequence[StatusRow]
    problems: Sequence[Problem] = ()  # of its manifests: nothing starts while there are any
    origins: Mapping[str, Origin] = field(default_factory=dict)  # by path: what added the file
    commit: str | None = None  # of the ledger; None: it is the working tree's
    instance_template: str | None = None  # `gateway.instanceUrl`


SHOWN_ITEMS = 20  # of a kind: for more, a person filters the list
SHOWN_RUNS = 5  # of an item


class Item(Struct, frozen=True, kw_only=True):
    """One thing to look at: a run, several of a backfill with one cause, or a manifest."""

    title: str
    words: str
    environment: str
    runs: tuple[str, ...] = ()  # the first of its runs, as the page's script names them
    more: int = 0  # how many other runs it has
    commands: tuple[str, ...] = ()
    edit: str = ""  # the edit that helps, in words


class Concern(Struct, frozen=True, kw_only=True):
    """Items that need the same action."""

    name: str  # a word that the style sheet knows
    title: str
    words: str  # what to do about it
    number: int  # of runs, or of problems
    items: tuple[Item, ...]
    more: int = 0  # items that are not shown
    state: str = ""  # the filter that lists these runs
    reason: str = ""


def list_concerns(told: Sequence[Reported]) -> list[Concern]:
    """The concerns that have items, the most urgent first."""
    needing: dict[str, list[tuple[Reported, list[StatusRow]]]] = {}
    for one in told:
        of_kind: dict[str, list[StatusRow]] = {}
        for row in one.rows:
            of_kind.setdefault(attention_kind(row), []).append(row)
        for name, rows in of_kind.items():
            needing.setdefault(name, []).append((one, rows))
    kinds = [_kind(kind, needing.get(kind.name, [])) for kind in _KINDS]
    kinds[_BEFORE_PROBLEMS:_BEFORE_PROBLEMS] = [_problems(told)]
    return [kind for kind in kinds if kind.number]


_TWICE = (
    "Two claims have each started it, or perhaps have: one start may have left too late, and its "
    "answer is not known. Look at both instances, undo what one of them has done where that "
    "matters, and say which one speaks for the run."
)
_DOUBT = (
    "Each may have been started. The next apply looks for its instance. If that settles nothing, "
    "look at the service, and say what you found."
)
_FAILED = "The instance failed, and no retry follows. Mend the cause, then start it again."
_LOST = (
    "Of an instance that the service no longer knows nobody can tell how it ended: look there "
    "before anything is started again, because it may have succeeded."
)
_REJECTED = "Nothing was started. Mend what the service names: the next apply tries again."
_BLOCKED = "What it waits for failed, or will never start as things are. Mend that first."
_STOPPED = "So many runs failed that spec.stopAfter lets nothing more start. Mend the cause first."
_MISSED = "Its notAfter has passed, so it is never started. Raise that if the run is still wanted."
_OVER = "An apply refuses them. Raise limits.maxRunsPerApply, or allow it once."
_PROBLEMS = "Nothing of the environment is started until these manifests are mended."


class _Kind(Struct, frozen=True, kw_only=True):
    """A kind of attention that runs may need, and the filter that lists them."""

    name: str
    title: str
    words: str
    state: str = ""
    reason: str = ""


_KINDS = (
    _Kind(name="twice", title="Started twice", words=_TWICE),
    _Kind(name="in-doubt", title="In doubt", words=_DOUBT, state="in-doubt"),
    _Kind(name="failed", title="Failed", words=_FAILED, state="failed"),
    _Kind(name="rejected", title="Refused by the service", words=_REJECTED, state="rejected"),
    _Kind(name="blocked", title="Blocked", words=_BLOCKED, reason="blocked"),
    _Kind(name="stopped", title="Stopped", words=_STOPPED, reason="stopped"),
    _Kind(name="missed", title="Missed", words=_MISSED, reason="missed"),
    _Kind(name="over", title="More than one apply may start", words=_OVER, reason="over-limit"),
)  # the most urgent first
_BEFORE_PROBLEMS = 2  # so many kinds are more urgent than a manifest's problem


def _kind(kind: _Kind, needing: Sequence[tuple[Reported, list[StatusRow]]]) -> Concern:
    groups = [(one, those) for one, rows in needing for those in group_items(rows, _cause)]
    return Concern(
        name=kind.name,
        title=kind.title,
        words=_words(kind, [row for _, rows in groups for row in rows]),
        number=sum(len(rows) for _, rows in groups),
        items=tuple(_item(one, rows, kind.name) for one, rows in groups[:SHOWN_ITEMS]),
        more=sum(len(rows) for _, rows in groups[SHOWN_ITEMS:]),
        state=kind.state,
        reason=kind.reason,
    )


def _words(kind: _Kind, rows: Sequence[StatusRow]) -> str:
    """What to do about the runs: look first, where the service has forgotten their instances."""
    lost = sum(map(_is_lost, rows)) if kind.words is _FAILED else 0
    if not lost:
        return kind.words
    return _LOST if lost == len(rows) else f"{kind.words} {_LOST}"


def _cause(row: StatusRow) -> tuple[str, str] | None:
    """The key by which runs of one backfill with the same cause share an item; None: alone."""
    backfill = backfill_of(row.run)
    return None if backfill is None or row.started_twice else (backfill, _obstacle_words(row))


def _obstacle_words(row: StatusRow) -> str:
    """Why the run does not go on: its error, if known, unless its reason has its own kind."""
    return row.why if row.reason in _BY_REASON else row.error or row.why


def _item(one: Reported, rows: Sequence[StatusRow], kind: str) -> Item:
    first = rows[0]
    backfill = backfill_of(first.run)
    title = f"{backfill}: {format_count(len(rows), 'run')}" if len(rows) > 1 else first.run
    return Item(
        title=escape_line(title),
        words=escape_message(local_times(_obstacle_words(first), one.zone)),
        environment=one.environment,
        runs=tuple(escape_line(row.run) for row in rows[:SHOWN_RUNS]),
        more=len(rows[SHOWN_RUNS:]),
        commands=tuple(helpful_commands(one, first, kind, len(rows))),
        edit=edit(first, kind),
    )


def attention_kind(row: StatusRow) -> str:
    """The kind of attention that the run needs; `problem` for a manifest's; empty for none."""
    if row.started_twice:
        return "twice"
    if not outlook(row).needs_person:
        return ""
    if row.state is RunState.IN_DOUBT:
        return "in-doubt"
    if row.reason in _BY_REASON:
        return _BY_REASON[row.reason]
    return "failed" if row.state is RunState.FAILED else "rejected"


_BY_REASON: Mapping[Reason | None, str] = {
    Reason.BLOCKED: "blocked",
    Reason.STOPPED: "stopped",
    Reason.MISSED: "missed",
    Reason.OVER_LIMIT: "over",
    Reason.CHANGED: "problem",
    Reason.DUPLICATE: "problem",
    Reason.COLLISION: "problem",
    Reason.PROBLEM: "problem",
}


def helpful_commands(one: Reported, row: StatusRow, kind: str, number: int = 1) -> Iterator[str]:
    """The command lines that help with the run, or with `number` runs of its backfill."""
    here, said_why = ("--env", one.environment), ("--reason", WHY)
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
        case "rejected" if not row.is_suspended:
            yield command("apply", *here)
        case "over":
            starts = sum(each.reason is Reason.OVER_LIMIT for each in one.rows)
            yield command("apply", "--max-runs", str(starts), *here)
        case _:
            return


def edit(row: StatusRow, kind: str) -> str:
    """The edit that helps, or what to know before a command is run, in words; empty if neither."""
    if kind == "in-doubt":
        return f"{told}." if (told := caution(row)) else ""
    if row.place is None:
        return ""
    where = f"{escape_line(row.place.file)}:{row.place.line}"
    match kind:
        case "failed":
            words = _rerun_advice(row, where)
            return f"{words} Take spec.suspend away as well." if row.is_suspended else words
        case "rejected" if row.is_suspended:
            return f"Take spec.suspend in {where} away as well: it starts nothing."
        case "missed":
            return f"Raise spec.notAfter in {where}, or take it away."
        case "blocked":
            return f"{where} says what it waits for."
        case "stopped":
            return f"Raise spec.stopAfter in {where}, or spec.revision to run all of it again."
        case _:
            return ""


def _rerun_advice(row: StatusRow, where: str) -> str:
    if backfill_of(row.run) is None:
        raising = f"aise spec.revision in {where}."
        return f"If it did not succeed, r{raising}" if _is_lost(row) else f"R{raising}"
    whole = "starts every run of the backfill again, also those that succeeded."
    if _is_lost(row):
        return (
            "If it did not succeed: no spec.retry starts it again, so declare it in a backfill of "
            "its own with spec.again. "
            f"Another spec.revision in {where} {whole}"
        )
    named = explicit_retry_status(row.status)
    which = (
        f"start again what ended with {named} (its `on`)" if named else "start failed runs again"
    )
    return f"Let spec.retry in {where} {which}: another spec.revision {whole}"


def _is_lost(row: StatusRow) -> bool:
    """Whether the service no longer knows the instance: the run may have succeeded."""
    return row.status is not None and row.status.upper() == NOT_FOUND


def _problems(told: Iterable[Reported]) -> Concern:
    found = [(one, problem) for one in told for problem in one.problems]
    items = tuple(
        Item(
            title=escape_line(f"{problem.place.file}:{problem.place.line}:{problem.place.column}"),
            words=escape_message(f"{problem.code}: {problem.message}"),
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
