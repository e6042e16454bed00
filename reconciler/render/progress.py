"""What an apply is doing, shown as lines, as a bar on a terminal, or as the records of a log.

A record of the log has a level, a message, and fields that scripts rely on.
"""

from typing import TYPE_CHECKING, Self, TextIO, TypeGuard

from reconciler.apply.ports import Claimed, Learned, Recorded, Step, Watching
from reconciler.counting import format_count
from reconciler.enos.statuses import SUCCEEDED, status_name
from reconciler.ledger import events
from reconciler.render.apply_outcomes import absence_reason, plain_step, was_not_sent
from reconciler.render.safe import escape_line, escape_message, escape_output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar  # rich itself is imported when a bar is shown

    from reconciler.model import RunId
from typing import Any, Literal, assert_never

from reconciler.apply.ports import Noted, Waiting
from reconciler.enos.statuses import FAILED
from reconciler.ledger import Event
from reconciler.render.apply_outcomes import is_done
from reconciler.times import format_instant

EVERY_RUNS = 100  # so many started runs share a line
_STARTING = "starting"
_ENDING = "waiting for ends"


class _Tally:
    """How many starts this apply has claimed, and the runs whose outcome it knows.

    A run that was certainly not started is taken off the count: it may be claimed once more.
    """

    def __init__(self) -> None:
        self.claimed = 0
        self.known: set[RunId] = set()

    def take(self, step: Step) -> None:
        """Count the step. What a search finds about other appliers' claims is not counted."""
        match step:
            case Claimed():
                self.claimed += step.runs
            case Learned(event=events.Absent() as event):
                if step.run in self.known or was_not_sent(event):
                    self.claimed -= 1
                self.known.discard(step.run)
            case Learned(event=events.Rejected() | events.Unknown()):
                self.known.add(step.run)
            case _ if _is_ordinary_start(step):
                self.known.add(step.run)


class _NotSent:
    """Consecutive runs whose start was not sent, for the same reason; they share one line.

    An interrupted apply may leave hundreds of them.
    """

    def __init__(self) -> None:
        self._steps: list[Learned] = []

    def keep(self, step: Learned) -> str | None:
        """Keep the step; if its reason differs from that of the steps before, give their line."""
        told = (
            self.take_line() if self._steps and _reason(self._steps[0]) != _reason(step) else None
        )
        self._steps.append(step)
        return told

    def take_line(self) -> str | None:
        """The line for all kept steps, which are then forgotten."""
        steps, self._steps = self._steps, []
        if len(steps) > 1:
            return f"{format_count(len(steps), 'run')} not started: {_reason(steps[0])}"
        return plain_step(steps[0]) if steps else None


class PlainProgress:
    """Writes a line for each step that says something new; it is called with each step.

    Without `verbose`, started runs are counted together, and so are runs that were not started for
    the same reason; of ends, only bad ones are shown. Leaving the context writes the last count.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._tally = _Tally()
        self._triggered = 0
        self._told = 0  # how many of the triggered runs the last line counted
        self._not_sent = _NotSent()
        self._watching: Watching | None = None  # the last one that was written

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write(self._not_sent.take_line())
        self._tell_count()

    def __call__(self, step: Step) -> None:
        """Write what there is to say of the step."""
        self._tally.take(step)
        if not self._verbose and _is_not_sent(step):
            self._write(self._not_sent.keep(step))
            return
        self._write(self._not_sent.take_line())
        if not self._verbose and _is_ordinary_start(step):
            self._triggered += 1
            if self._triggered - self._told >= EVERY_RUNS:
                self._tell_count()
            return
        if not isinstance(step, Learned):
            self._tell_count()
        if step != self._watching and (self._verbose or not _is_good_end(step)):
            self._write(plain_step(step))
        if isinstance(step, Watching):
            self._watching = step

    def _tell_count(self) -> None:
        if self._told < self._triggered:
            self._write(f"triggered {self._triggered:,} of {self._tally.claimed:,}")
            self._told = self._triggered

    def _write(self, line: str | None) -> None:
        if line is not None:
            self._stream.write(f"{line}\n")
            self._stream.flush()


class LiveProgress:
    """Shows a bar while its block runs, and above it a line for each step that did not go well.

    The bar counts starts or awaited ends, whichever came last. Where the stream is no terminal,
    there is no bar, only the lines.
    """

    def __init__(self, stream: TextIO, *, color: bool | None = None) -> None:
        self._bar = _bar(stream, color=color)
        self._task = self._bar.add_task(_STARTING, total=None)
        self._tally = _Tally()
        self._not_sent = _NotSent()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tell(self._not_sent.take_line())
        self._bar.stop()

    def __call__(self, step: Step) -> None:
        """Show the step."""
        self._tally.take(step)
        if isinstance(step, Watching):
            self._show(_ENDING, step.ended, step.total)
        elif self._tally.claimed and _is_of_starts(step):
            self._show(_STARTING, len(self._tally.known), self._tally.claimed)
        if _is_not_sent(step):
            self._tell(self._not_sent.keep(step))
            return
        self._tell(self._not_sent.take_line())
        if isinstance(step, Claimed | Recorded | Watching):
            return
        if not (_is_ordinary_start(step) or _is_good_end(step)):
            self._tell(plain_step(step))

    def _tell(self, line: str | None) -> None:
        if line is not None:
            self._bar.console.print(escape_output(line), markup=False, highlight=False, emoji=False)

    def _show(self, description: str, completed: int, total: int) -> None:
        self._bar.update(self._task, description=description, completed=completed, total=total)


def _is_of_starts(step: Step) -> bool:
    """Whether the step may change what is known of starts."""
    if isinstance(step, Learned):
        return not isinstance(step.event, events.Observed | events.Cancelled)
    return isinstance(step, Claimed)


def _is_good_end(step: Step) -> bool:
    """Whether the step is the success of an instance."""
    return (
        isinstance(step, Learned)
        and isinstance(step.event, events.Observed)
        and status_name(step.event.status) in SUCCEEDED
    )


def _is_ordinary_start(step: Step) -> TypeGuard[Learned]:
    """Whether the step is a start that the service answered with an instance id."""
    return (
        isinstance(step, Learned)
        and isinstance(step.event, events.Triggered)
        and step.event.evidence is None
    )


def _is_not_sent(step: Step) -> TypeGuard[Learned]:
    """Whether the step says that no start of a run was sent."""
    return (
        isinstance(step, Learned)
        and isinstance(step.event, events.Absent)
        and was_not_sent(step.event)
    )


def _reason(step: Learned) -> str:
    """Why no start was sent, safe to show."""
    return (
        escape_line(escape_message(absence_reason(step.event)))
        if isinstance(step.event, events.Absent)
        else ""
    )


def _bar(stream: TextIO, *, color: bool | None) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=stream, no_color=True if color is False else None)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def step_level(step: Step) -> Literal["info", "warning"]:
    """`warning` for a step that a person should look at."""
    is_amiss = isinstance(step, Noted) or (isinstance(step, Learned) and _is_amiss(step.event))
    return "warning" if is_amiss else "info"


def step_message(step: Step) -> str:
    """The step in words."""
    return plain_step(step) or "nothing to record"


def step_fields(step: Step) -> dict[str, Any]:
    """The step's fields, as defined in `schemas/log.schema.json`."""
    match step:
        case Claimed():
            until = format_instant(step.until)
            return {"event": "claimed", "claim": step.claim, "count": step.runs, "until": until}
        case Learned():
            return _event_fields(step.event)
        case Recorded():
            return {"event": "recorded", "count": step.events}
        case Waiting():
            return {"event": "waiting", "until": format_instant(step.until)}
        case Watching():
            return {"event": "watching", "count": step.ended}
        case Noted():
            return {"event": "noted"}
        case _:
            assert_never(step)


def _event_fields(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": type(event).__name__.lower()}
    if not isinstance(event, events.Claim):
        fields["run"] = event.run
    if event.claim is not None:
        fields["claim"] = event.claim
    if isinstance(event, events.Triggered | events.Adopted):
        fields["flowInstanceId"] = event.flow_instance_id
    return fields


def _is_amiss(event: Event) -> bool:
    match event:
        case events.Unknown() | events.Rejected():
            return True
        case events.Observed():
            return status_name(event.status) in FAILED
        case events.Cancelled():
            return not is_done(event)
        case _:
            return False
