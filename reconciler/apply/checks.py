"""What an apply refuses to do, and what it asks first so that no start is claimed in vain.

Before the first claim, the gateway's zone must be what the configuration says, a local clock that
is off is reported, and the service can be asked whether it would refuse to start each flow. An
apply that was called for some runs starts and cancels these, and no others.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import tzinfo

from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Clock, Flow, Gateway, Noted, Progress, SavedRun
from reconciler.configuration import Environment
from reconciler.errors import RefusedError
from reconciler.ledger import Ledger
from reconciler.model import Declared, EpochMs, Parameters, Run, RunId, mask_value
from reconciler.plan import Action, FlowCheck, Plan, PlannedRun
from reconciler.plan.review import limit_refusal
from reconciler.refused import TooManyStartsError
from reconciler.selection import read_word, unknown_word_error
from reconciler.times import MINUTE_MS, format_instant, parse_foreign_zone, zoned_time

TOLERATED_MS = MINUTE_MS  # how far off the local clock may be unreported; it decides nothing


class UnreadableZoneError(RefusedError):
    """The service names its zone in a way that may mean any zone, or none."""

    ADVICE = (
        "Have the service's own zone set to a name such as Asia/Shanghai or an offset such as "
        "GMT+8, because business dates depend on it. No gateway.timezone can replace its answer."
    )

    def __init__(self, server: str, environment: Environment) -> None:
        super().__init__(
            f"the service answers that its zone is {server!r}, which is neither a name of IANA's "
            f"nor an offset: environment {environment.name}, configured with "
            f"{environment.gateway.timezone!r}, cannot be compared with it",
            hint=f"Nothing was started. {self.ADVICE}",
        )


def refuse_too_many(wanted: int, limit: int) -> None:
    """Refuse an apply of more runs than the limit, which is probably more than anybody meant."""
    refused = limit_refusal(wanted, limit)
    if refused is not None:
        raise TooManyStartsError(refused.message, hint=refused.hint)


def refuse_repeated_ids(runs: Iterable[RunId]) -> None:
    """Refuse a batch in which an id stands twice, however that came about.

    The ledger knows runs by their ids, so one of the two starts would be recorded as the other.
    """
    for run, number in Counter(runs).items():
        if number > 1:
            raise RefusedError(
                f"{number} declared runs are called {run}, so none of them was claimed",
                hint="Give each manifest a name, and a `formerly`, of its own.",
            )


def is_as_saved(planned: PlannedRun, saved: SavedRun | None) -> bool:
    """Whether the run would be sent as the saved plan says, at the same time."""
    if saved is None:
        return False
    return (planned.digest, planned.trigger_time) == (saved.digest, saved.trigger_time)


def refuse_stale(plan: Plan, only: Mapping[RunId, SavedRun], zone: tzinfo) -> None:
    """Refuse a saved plan if a start that it lists is no longer what an apply would make now.

    Nor may its digest be right and the rest of it not: somebody has read, and meant, the rest.
    `zone` is the gateway's: the message gives times in it.
    """
    now = {planned.id: planned for planned in plan.runs}
    stale = {
        run: how for run, saved in only.items() if (how := _difference(saved, now.get(run), zone))
    }
    for run, how in stale.items():
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        raise RefusedError(
            f"the saved plan is stale: an apply would not start {run} as planned: {how}{more}",
            hint="Make a new plan from the branch as it is now.",
        )


def _difference(saved: SavedRun, now: PlannedRun | None, zone: tzinfo) -> str | None:
    """How the run differs from what was saved; None if it does not."""
    if now is None:
        return "it is no longer declared"
    if now.action is not Action.START:
        return now.reason
    found = [
        f"{name} {before} → {after}"
        for name, before, after in (
            ("flowId", str(saved.flow_id), str(now.flow_id)),
            ("triggerTime", _time(saved.trigger_time, zone), _time(now.trigger_time, zone)),
            ("parameters", *_distinguish_parameters(saved.parameters, now.parameters)),
        )
        if before != after
    ]
    if is_as_saved(now, saved):  # so the file's own digest is not that of its other fields
        return f"{', '.join(found)}: the file was edited after it was saved" if found else None
    # Two staggers can turn two times into one: what is sent is the same, what was meant is not.
    return ", ".join(found) or "triggerTime before its stagger"


def _distinguish_parameters(saved: Parameters, now: Parameters) -> tuple[str, str]:
    """Both in words, which are equal where one may be the other with sensitive values hidden.

    A parameter may have become sensitive, or have ceased to be, since the plan was saved.
    """
    if len(saved) == len(now) and all(map(_shows_the_same, saved, now)):
        return "", ""
    before, after = _format_parameters(saved), _format_parameters(now)
    # As names and values they may be alike: their order, or how often a name is there, is not.
    return (before, after) if before != after else (f"{saved}", f"{now}")


def _shows_the_same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    (key, value), (other_key, other_value) = one, other
    values = {value, mask_value(value)} & {other_value, mask_value(other_value)}
    return key == other_key and bool(values)


def _time(instant: EpochMs, zone: tzinfo) -> str:
    try:
        return zoned_time(instant, zone).isoformat()
    except (OverflowError, ValueError):  # a saved plan can hold any number
        return f"{instant} ms"


def _format_parameters(parameters: Parameters) -> str:
    return json.dumps(dict(parameters), ensure_ascii=False)


def check_zone(
    server: str, environment: Environment, now: EpochMs, trigger_times: Iterable[EpochMs]
) -> None:
    """Refuse to go on if the service's zone shows another time than the configured one.

    They are compared at every instant that counts, not by name: GMT+8 may be Asia/Shanghai.
    """
    try:
        zone = parse_foreign_zone(server)
    except ValueError:
        raise UnreadableZoneError(server, environment) from None
    for instant in (now, *trigger_times):
        there, here = zoned_time(instant, zone), zoned_time(instant, environment.gateway.zone)
        if there.utcoffset() != here.utcoffset():
            shown = f"at {format_instant(instant)} it shows {there:%H:%M}, not {here:%H:%M}"
            raise RefusedError(
                f"the service's zone is {server!r} and environment {environment.name} is "
                f"configured with {environment.gateway.timezone!r}: {shown}",
                hint="Nothing was started. Correct gateway.timezone: business dates depend on it.",
            )


def check_clock(service: ServiceClock, clock: Clock, progress: Progress) -> None:
    """Report a local clock that is off; claims are made and judged by the gateway's."""
    off = clock.wall() - service.earliest_time()
    if abs(off) > TOLERATED_MS:
        progress(Noted(message=clock_words(off)))


def clock_words(off: int) -> str:
    """How far the local clock is ahead of the gateway's; `off` in milliseconds."""
    direction = "ahead of" if off > 0 else "behind"
    return f"this machine's clock is {abs(off) // 1000} s {direction} the gateway's"


def flows_of(plan: Plan) -> list[int]:
    """The flows of every run that an apply starts now, or will start once others have succeeded."""
    wanted = (run for run in plan.runs if run.action is Action.START or run.waits_for)
    return list(dict.fromkeys(run.flow_id for run in wanted if run.flow_id is not None))


async def check_flows(flows: Iterable[int], gateway: Gateway, user: str) -> dict[int, FlowCheck]:
    """Ask about each flow once, side by side. Raises GatewayError."""

    async def check_flow(flow_id: int) -> tuple[int, FlowCheck]:
        return flow_id, judge_flow(await gateway.flow(flow_id), user)

    return dict(await asyncio.gather(*map(check_flow, flows)))


def judge_flow(flow: Flow | None, user: str) -> FlowCheck:
    """Whether a start by that user would be refused (EnOS reference, Update And Trigger Flow).

    What the service does not say counts in the flow's favour: a start would tell.
    """
    if flow is None:
        return FlowCheck(refusal="does not exist, or is not visible to this user")
    return FlowCheck(refusal=_refusal(flow, user), parameters=flow.parameters)


def _refusal(flow: Flow, user: str) -> str | None:
    if flow.locked:
        return "is locked"
    if flow.user_locked:
        return "belongs to a user who is locked"
    if flow.tasks == 0:
        return "has no task"
    is_stranger = flow.owners is not None and user not in flow.owners
    if flow.editable is False or (flow.editable is None and is_stranger):
        return f"may not be started by {user}, who neither owns it nor may edit it"
    return None


class Chosen:
    """The runs that the words of a command line mean, of the runs that there are when it is called.

    Every other run is treated as suspended. Runs in doubt are settled all the same, and ends are
    observed: that starts nothing, and what is recorded of one run decides on others.

    The words keep their meaning: a word that meant one run does not come to mean all runs that
    begin with it because somebody takes that run away.
    """

    def __init__(self, words: Sequence[str], declared: Declared, ledger: Ledger) -> None:
        self._all = not words
        there_are = {run.id for run in declared.runs} | ledger.records.keys() if words else ()
        self._meanings = {word: read_word(word, there_are) for word in words}
        self._there_are: Collection[RunId] = there_are

    def check(self) -> None:
        """Raise ReconcilerError for a word that means no run at all."""
        for word, means in self._meanings.items():
            if not any(map(means, self._there_are)):
                raise unknown_word_error(word)

    def has(self, run: Run) -> bool:
        """Whether this attempt at the run is meant, by its present or recorded name."""
        return self.names(run.id) or (
            run.declared_as != "" and self.names(run.declared_id(run.attempt))
        )

    def names(self, run: RunId) -> bool:
        """Whether the run of that id is meant."""
        return self._all or any(means(run) for means in self._meanings.values())
