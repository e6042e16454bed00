"""What `resolve` and `recover` do, between their options and their output."""

import asyncio
from pathlib import Path

from reconciler.apply.branch import Branch
from reconciler.apply.resolve import PersonsDecision, Recovered, recover, resolve
from reconciler.cli.machine import LocalClock
from reconciler.cli.opening import SharedBranch, silent
from reconciler.cli.options import CommonOptions, read_utf8
from reconciler.cli.saying import say
from reconciler.errors import ExitCode, LedgerError, RefusedError
from reconciler.git import Git
from reconciler.ledger import events
from reconciler.model import InstanceId, RunId
from reconciler.render.safe import visible
from reconciler.repository.worktree import read_regular

_MOST_BYTES = 64 << 20  # of a rescue file: the outcomes of some hundred thousand runs


def resolve_run(
    options: CommonOptions, run: str, triggered: str | None, reason: str, *, sure: bool
) -> str:
    """Record what a person says about a run, and say what it is now."""
    shared = SharedBranch.find(options)
    decision = PersonsDecision(
        run=RunId(run),
        triggered=InstanceId(triggered) if triggered is not None else None,
        by=_person(shared.git),
        reason=reason,
        sure=sure,
    )
    asyncio.run(resolve(decision, shared.store, shared.open_gateway, LocalClock()))
    if not options.quiet:
        say("the record is on the branch: git pull brings it here")
    if triggered is None:
        return f"{run} is pending again: the next apply starts it"
    return f"{run} is recorded as triggered: {triggered}"


def recover_file(options: CommonOptions, file: Path) -> tuple[str, ExitCode]:
    """Feed a rescue file back, and say how much of it was missing, and what was started twice."""
    shared = SharedBranch.find(options)
    lost = _read_rescue(file)

    async def feed() -> Recovered:
        ports = shared.ports(silent, asyncio.Event())
        return await recover(lost, await Branch.open(ports))

    recovered = asyncio.run(feed())
    known = len(lost) - recovered.missing
    lines = [
        f"{len(lost)} events in {file}: {recovered.missing} recorded; {known} known already",
        "all of it is on the branch: the file is not needed any more",
    ]
    lines += [f"{record.run}: {record.error}" for record in recovered.twice]
    return "\n".join(map(visible, lines)), ExitCode.IN_DOUBT if recovered.twice else ExitCode.OK


def _read_rescue(file: Path) -> list[events.Event]:
    try:
        return list(events.decode(read_regular(file, _MOST_BYTES), str(file)))
    except LedgerError as error:
        raise RefusedError(
            f"{file} is no rescue file: {error}", hint="Name the file that the apply named."
        ) from None


def _person(git: Git) -> str:
    """Whom git takes for the committer: name and address, without the time behind them."""
    identity = read_utf8(git.run("var", "GIT_COMMITTER_IDENT").text, "replace")
    return identity.rsplit(" ", 2)[0]
