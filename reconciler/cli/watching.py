"""What `status --watch` does: look again and again, until nothing is under way.

A terminal shows only the newest look. Elsewhere a line is printed for each change, as `kubectl get
--watch` does, so that a log can be read afterwards.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from reconciler.cli.choosing import Filter
from reconciler.cli.options import CommonOptions
from reconciler.cli.reporting import StatusReport, View, report_status
from reconciler.cli.saying import Outlet, say, show
from reconciler.errors import ReconcilerError
from reconciler.render.safe import escape_message, escape_output
from reconciler.render.status_changes import change_lines, may_change_soon, numbers_line
from reconciler.render.status_row import StatusRow

if TYPE_CHECKING:
    from rich.console import Console  # rich itself is imported when a terminal is there

MOST_FAILURES = 20  # looks in a row that failed


def watch_status(
    options: CommonOptions, wanted: Filter, view: View, *, refreshed: bool, seconds: float
) -> StatusReport:
    """Look every `seconds`, and show each look; `refreshed`: ask the service each time.

    Raises what `report_status` raises.
    """
    if not refreshed and not options.quiet:
        say("note: only what is recorded is seen; with --refresh the service is asked each time")
    notes = iter([options])  # notes are told once

    def look() -> StatusReport:
        given = next(notes, options._replace(quiet=True))
        return report_status(given, wanted, offline=False, refreshed=refreshed)

    with _viewer(view, seconds) as viewer:
        return watch(look, viewer, lambda: time.sleep(seconds))


class Viewer(Protocol):
    """Shows what each look gave."""

    def show_report(self, report: StatusReport) -> None:
        """Show the report."""

    def show_failure(self, error: ReconcilerError) -> None:
        """Show that a look failed."""


def watch(
    look: Callable[[], StatusReport], viewer: Viewer, pause: Callable[[], None]
) -> StatusReport:
    """Look until nothing that is shown is under way; gives the last report.

    Raises ReconcilerError where the first look fails, or MOST_FAILURES in a row.
    """
    report, failures = look(), 0
    viewer.show_report(report)
    while any(may_change_soon(row) for _, rows in report.rows for row in rows):
        pause()
        try:
            report = look()
        except ReconcilerError as error:
            failures += 1
            if failures >= MOST_FAILURES:
                raise
            viewer.show_failure(error)
            continue
        failures = 0
        viewer.show_report(report)
    return report


class Lines:
    """Prints a line for each change."""

    def __init__(self) -> None:
        self._before: dict[str, list[StatusRow]] | None = None

    def show_report(self, report: StatusReport) -> None:
        """Print what has changed; for the first report, how many runs are in each state."""
        now = {environment.name: rows for environment, rows in report.rows}
        for name, rows in now.items():
            if self._before is None:
                show(f"{numbers_line(name, rows)}\n")
            else:
                changes = change_lines(name, self._before.get(name, []), rows)
                show("".join(f"{_clock()} {line}\n" for line in changes))
        self._before = now

    def show_failure(self, error: ReconcilerError) -> None:
        """Say on stderr that a look failed."""
        say(f"note: {_clock()}: this look came to nothing: {error}")


class Screenful:
    """Redraws the whole report, as much of it as the terminal has lines for."""

    def __init__(self, console: "Console", view: View, seconds: float) -> None:
        from rich.live import Live

        self._view = view
        self._seconds = seconds
        self._text = ""
        self.live = Live(console=console, auto_refresh=False, transient=True)

    def show_report(self, report: StatusReport) -> None:
        """Draw the report."""
        self._text = escape_output(self._view.of(report), painted=True)
        self._draw(f"{_clock()}; again every {self._seconds:g} s, until nothing is under way")

    def show_failure(self, error: ReconcilerError) -> None:
        """Keep what was drawn, and say below it that a look failed."""
        self._draw(f"{_clock()}: this look came to nothing: {escape_message(str(error))}")

    def _draw(self, below: str) -> None:
        from rich.text import Text

        lines = self._text.rstrip("\n").split("\n")
        room = max(self.live.console.height - 3, 1)
        if len(lines) > room:
            lines = [*lines[:room], f"… {len(lines) - room:,} more lines"]
        text = Text.from_ansi("\n".join([*lines, "", escape_output(below)]))
        text.no_wrap, text.overflow = True, "ellipsis"
        self.live.update(text, refresh=True)


@contextmanager
def _viewer(view: View, seconds: float) -> Iterator[Viewer]:
    """A screen on a terminal, lines elsewhere."""
    stream = sys.stdout.controllable if isinstance(sys.stdout, Outlet) else sys.stdout
    if stream is None or not stream.isatty():
        yield Lines()
        return
    from rich.console import Console

    screen = Screenful(Console(file=stream), view, seconds)
    with screen.live:
        try:
            yield screen
        except KeyboardInterrupt:
            screen.live.transient = False  # people who stop the watch want to keep what they saw
            raise


def _clock() -> str:
    return time.strftime("%H:%M:%S")
