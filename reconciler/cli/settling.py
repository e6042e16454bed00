"""What `resolve` and `recover` do, between their options and their output."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

import click
from msgspec import Struct

from reconciler.apply.branch import Branch
from reconciler.apply.fitting import Fitting
from reconciler.apply.resolve import Recovered, recover, resolve
from reconciler.apply.spoken import PersonsDecision
from reconciler.cli.clock import LocalClock
from reconciler.cli.machine import new_claim
from reconciler.cli.opening import SharedBranch, ignore_step
from reconciler.cli.options import CommonOptions, read_utf8
from reconciler.cli.saying import format_lines, say
from reconciler.counting import format_count
from reconciler.errors import ExitCode, LedgerError, RefusedError
from reconciler.git import Git
from reconciler.ledger import Event, Record
from reconciler.ledger.lines import decode_events
from reconciler.ledger.records import UNSETTLED
from reconciler.model import InstanceId
from reconciler.render.safe import escape_line
from reconciler.render.settlements import resolved_json, shown_text
from reconciler.repository.named_files import read_regular

_MOST_BYTES = 64 << 20  # of a rescue file: the outcomes of some hundred thousand runs


class ResolveOptions(Struct, frozen=True, kw_only=True):
    """What a person says on the command line about runs."""

    runs: tuple[str, ...]
    triggered: str | None  # None: they were not started
    reason: str
    force: bool
    yes: bool
    as_json: bool = False


def resolve_runs(options: CommonOptions, saying: ResolveOptions) -> str:
    """Record what a person says about runs; gives what they are now, a line each or as JSON."""
    shared = SharedBranch.find(options)
    asks = is_terminal()
    reason = saying.reason
    if asks and not reason:
        reason = click.prompt("Why, for those who read the ledger", err=True)
    decision = PersonsDecision(
        runs=saying.runs,
        triggered=InstanceId(saying.triggered) if saying.triggered is not None else None,
        by=read_committer(shared.git),
        reason=reason,
        sure=saying.yes,
        forced=saying.force,
    )

    def confirm(shown: Sequence[Fitting]) -> None:
        if not saying.yes:
            confirm_shown(shown, shared.environment.gateway.zone, asks=asks)
        if len(shown) > 1 and not reason:
            raise RefusedError(
                f"{len(shown)} runs are not settled without a reason",
                hint="Say why, for those who read the ledger: --reason TEXT.",
            )

    records = asyncio.run(
        resolve(decision, shared.store, shared.open_gateway, LocalClock(), new_claim, confirm)
    )
    if not options.quiet:
        if not reason:
            say("note: recorded without a reason: say --reason TEXT for those who read the ledger")
        say(f"the record is {shared.whereabouts}")
    if saying.as_json:
        return resolved_json(shared.environment.name, records, reason)
    is_one = len(records) == len(saying.runs) == 1
    return format_lines(
        _settled_line(_choose_name(saying.runs[0], one) if is_one else one.run, one)
        for one in records
    )


def _choose_name(word: str, record: Record) -> str:
    """The name that a person gave for the run, or the whole id if that begins with it."""
    return record.run if record.run.startswith(word) else word


def _settled_line(run: str, record: Record) -> str:
    start = record.starts[0] if record.starts else None
    if record.phase in UNSETTLED:
        return f"{run} is in doubt about another start, which left too late: settle that as well"
    if start is None:
        return f"{run} is pending again: the next apply starts it"
    how = "started by hand" if start.by_hand else "triggered"
    return f"{run} is recorded as {how}: {start.instance}"


def confirm_shown(shown: Sequence[Fitting], zone: tzinfo, *, asks: bool) -> None:
    """Show a person what the service has, and ask; if nobody can be asked, refuse several runs.

    Raises click.Abort where the person says no, and RefusedError.
    """
    if asks:
        say(shown_text(shown, zone), lines=True)
        click.confirm(f"Record this of {format_count(len(shown), 'run')}?", abort=True, err=True)
    elif len(shown) > 1:
        say(shown_text(shown, zone), lines=True)
        raise RefusedError(
            f"nothing was recorded: {len(shown)} runs are meant, and nobody can be asked here",
            hint="Say --yes once you have read what the service has for them.",
        )


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def recover_file(options: CommonOptions, file: Path) -> tuple[str, ExitCode]:
    """Feed a rescue file back; gives a report, with what needs a person, and the exit code."""
    shared = SharedBranch.find(options)
    lost = _read_rescue(file)

    async def feed() -> Recovered:
        ports = shared.ports(ignore_step, asyncio.Event())
        return await recover(lost, await Branch.open(ports))

    recovered = asyncio.run(feed())
    what, known = format_count(len(lost), "event"), len(lost) - recovered.missing
    less_certain = (
        f" ({recovered.confirmed} had been found by a search, which is less certain)"
        if recovered.confirmed
        else ""
    )
    lines = [
        f"{what} in {file}: {recovered.missing} recorded{less_certain}; {known} known already",
        "all of it is on the branch: the file is not needed any more",
    ]
    lines += [f"{record.run}: {record.error}" for record in recovered.twice]
    lines += [f"{run}: in doubt: {_DOUBT_WORDS}" for run in recovered.doubts]
    code = ExitCode.IN_DOUBT if recovered.twice or recovered.doubts else ExitCode.OK
    return "\n".join(map(escape_line, lines)), code


_DOUBT_WORDS = "it may have been started; the next apply looks for it"


def _read_rescue(file: Path) -> list[Event]:
    try:
        return list(decode_events(read_regular(file, _MOST_BYTES), str(file)))
    except LedgerError as error:
        raise RefusedError(
            f"{file} is no rescue file: {error}", hint="Name the file that the apply named."
        ) from None


def read_committer(git: Git) -> str:
    """The committer's name and address, as git has them."""
    identity = read_utf8(git.run("var", "GIT_COMMITTER_IDENT").text, "replace")
    return identity.rsplit(" ", 2)[0]
