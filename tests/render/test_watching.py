"""Looking again and again: until when, and what is shown of each look."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from rich.console import Console

from reconciler.cli.options import Format
from reconciler.cli.reporting import StatusReport, View
from reconciler.cli.watching import MOST_FAILURES, Lines, Screenful, watch
from reconciler.errors import GitError, ReconcilerError
from reconciler.ledger import RunState
from reconciler.plan import Reason
from reconciler.render.status_changes import change_lines, may_change_soon
from reconciler.render.status_row import StatusRow
from tests.render.values import OBEYED, TEST, a_report, a_row, texts
from tests.sampling import examples

RUNNING = a_row("a", RunState.TRIGGERED, reason=Reason.RUNNING)
ENDED = a_row("a", RunState.SUCCEEDED, status="SUCCESS")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (RUNNING, True),
        (a_row("a", RunState.CLAIMED), True),
        (a_row("a", RunState.TRIGGERED, reason=Reason.NOT_DUE), False),
        (a_row("a", RunState.PENDING, reason=Reason.READY), False),
        (a_row("a", RunState.IN_DOUBT), False),
        (a_row("a", RunState.FAILED), False),
        (ENDED, False),
    ],
)
def test_only_what_is_claimed_or_due_and_not_ended_is_under_way(
    row: StatusRow, *, expected: bool
) -> None:
    assert may_change_soon(row) is expected


class _Seen:
    """Keeps what it was shown."""

    def __init__(self) -> None:
        self.seen_reports: list[StatusReport] = []
        self.errors: list[ReconcilerError] = []

    def show_report(self, report: StatusReport) -> None:
        self.seen_reports.append(report)

    def show_failure(self, error: ReconcilerError) -> None:
        self.errors.append(error)


def watched(looks: Sequence[StatusReport | ReconcilerError]) -> tuple[StatusReport, _Seen, int]:
    """Watch the looks; gives the last report, what was shown, and how often it paused."""
    left, viewer, pauses = iter(looks), _Seen(), 0

    def look() -> StatusReport:
        one = next(left)
        if isinstance(one, ReconcilerError):
            raise one
        return one

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    return watch(look, viewer, pause), viewer, pauses


def test_it_ends_with_the_first_look_that_finds_nothing_under_way() -> None:
    last, viewer, pauses = watched([a_report(RUNNING), a_report(RUNNING), a_report(ENDED)])
    assert last.rows == [(TEST, [ENDED])]
    assert (len(viewer.seen_reports), pauses) == (3, 2)
    assert watched([a_report(ENDED)])[2] == 0


def test_a_look_that_comes_to_nothing_does_not_end_it_but_many_in_a_row_do() -> None:
    error = GitError("no answer")
    _, viewer, _ = watched([a_report(RUNNING), error, error, a_report(ENDED)])
    assert len(viewer.errors) == 2
    with pytest.raises(GitError):
        watched([a_report(RUNNING), *[error] * MOST_FAILURES])
    some = [error] * (MOST_FAILURES - 1)
    watched([a_report(RUNNING), *some, a_report(RUNNING), *some, a_report(ENDED)])
    with pytest.raises(GitError):
        watched([error])


def changes(before: Sequence[StatusRow], after: Sequence[StatusRow]) -> list[str]:
    return list(change_lines("prod", before, after))


def test_each_change_is_a_line_with_what_was_before() -> None:
    before = [RUNNING, a_row("gone", RunState.PENDING), a_row("same")]
    after = [ENDED, a_row("same"), a_row("new", RunState.PENDING)]
    assert changes(before, after) == [
        "prod: a: triggered → succeeded (SUCCESS)",
        "prod: new: pending",
        "prod: gone: pending → not shown",
    ]
    assert changes(after, after) == []


def march(count: int, state: RunState) -> Iterator[StatusRow]:
    return (a_row(f"march/{number}", state) for number in range(count))


def test_many_changes_of_a_backfill_at_once_share_a_line() -> None:
    few = changes([*march(20, RunState.PENDING)], [*march(20, RunState.CLAIMED)])
    assert len(few) == 20
    many = changes([*march(21, RunState.PENDING)], [*march(21, RunState.CLAIMED)])
    assert many == ["prod: march: 21 runs: pending → claimed"]
    mixed = [*march(20, RunState.CLAIMED), a_row("march/20", RunState.REJECTED)]
    assert changes([*march(21, RunState.PENDING)], mixed) == [
        "prod: march: 20 runs: pending → claimed",
        "prod: march/20: pending → rejected",
    ]


@examples(100)
@given(texts, texts)
def test_no_text_in_a_change_is_obeyed(run: str, status: str) -> None:
    for line in change_lines(run, [], [a_row(run, status=status)]):
        assert OBEYED.search(line) is None


def test_elsewhere_than_on_a_terminal_numbers_come_first_and_then_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    for one in (a_report(RUNNING), a_report(RUNNING), a_report(ENDED)):
        lines.show_report(one)
    lines.show_failure(GitError("no answer"))
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert first == "test: 1 triggered"
    assert second.endswith(" test: a: triggered → succeeded (SUCCESS)")
    assert "this look came to nothing: no answer" in said.err


def drawn(*reports: StatusReport, **more: Any) -> str:
    """What a terminal of ten lines was sent."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=60, height=10)
    screen = Screenful(console, View(form=Format.TEXT, **more), 5)
    with screen.live:
        for one in reports:
            screen.show_report(one)
        screen.show_failure(GitError("no\x1b[2J answer"))
    return stream.getvalue()


def test_a_terminal_shows_the_newest_look_and_no_more_than_it_has_lines_for() -> None:
    text = drawn(a_report(ENDED), a_report(*(a_row(f"run-{number}") for number in range(50))))
    assert "test: 1 succeeded" in text
    assert "test: 50 triggered" in text
    assert "run-1 " in text
    assert "run-3 " not in text
    assert "more lines" in text
    assert "again every 5 s, until nothing is under way" in text


def test_a_look_that_comes_to_nothing_is_said_below_and_nothing_in_it_is_obeyed() -> None:
    text = drawn(a_report(ENDED))
    assert "this look came to nothing: no\\x1b[2J answer" in text
    assert "\x1b[2J" not in text
