"""What an apply tells while it works."""

import io
from collections.abc import Iterable

import pytest
from hypothesis import given

from reconciler.apply.ports import Claimed, Learned, Noted, Recorded, Step, Waiting, Watching
from reconciler.ledger import Event, events
from reconciler.model import InstanceId, RunId
from reconciler.render.apply_outcomes import plain_step
from reconciler.render.progress import LiveProgress, PlainProgress
from tests.render.outcomes import (
    AT,
    CLAIM,
    absent,
    cancelled,
    observed,
    rejected,
    triggered,
    unknown,
)
from tests.render.values import EIGHT, OBEYED, texts


def settled(event: Event, run: str = "a") -> Learned:
    return Learned(run=RunId(run), event=event)


def claimed(runs: int) -> Claimed:
    return Claimed(claim=CLAIM, runs=runs, until=EIGHT)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (claimed(1), "claimed 1 run until 2024-03-02T00:00:00.000Z (c1a1)"),
        (Recorded(events=2), "recorded 2 events"),
        (Recorded(events=0), None),
        (
            Waiting(reason="2 runs in doubt", until=EIGHT),
            "waiting until 2024-03-02T00:00:00.000Z: 2 runs in doubt",
        ),
        (Noted(message="the clocks differ"), "the clocks differ"),
        (Noted(message="no answer\nerror: cut off\n"), "no answer; error: cut off"),
        (settled(triggered("a")), "a: triggered as 3377-1"),
        (settled(triggered("a", evidence={})), "a: triggered as 3377-1 (found by a search)"),
        (settled(rejected("a")), "a: refused: 62103: user has no privilege"),
        (settled(unknown("a")), "a: in doubt: timeout after sending"),
        (settled(absent("a")), "a: not started: interrupted"),
        (
            settled(absent("a", {"found": []})),
            "a: not started: the service has no instance of it",
        ),
        (Watching(ended=12, total=1_031), "12 of 1,031 instances have ended"),
        (Watching(ended=1, total=31), "1 of 31 instances has ended"),
        (Watching(ended=0, total=1), "0 of 1 instance has ended"),
        (settled(observed("a", "SUCCESS")), "a: the instance ended with SUCCESS"),
        (
            settled(observed("a", 7)),
            "a: the instance ended with TIMEOUT: it ran longer than the flow allows",
        ),
        (settled(observed("a", 2)), "a: the instance is RUNNING"),
        (settled(cancelled("a")), "a: cancelled"),
        (
            settled(cancelled("a", 62104, "it has ended")),
            "a: not cancelled: 62104: it has ended",
        ),
        (settled(cancelled("a", 62104)), "a: not cancelled: 62104"),
        (
            settled(events.Resolved(v=1, at=AT, run=RunId("a"), by="me", triggered=None)),
            "a: not triggered, says me",
        ),
        (
            settled(
                events.Resolved(v=1, at=AT, run=RunId("a"), by="me", triggered=InstanceId("7"))
            ),
            "a: triggered as 7, says me",
        ),
        (
            settled(events.Claim(v=1, at=AT, claim=CLAIM, by="me", until=AT, commit="", runs={})),
            None,
        ),
    ],
)
def test_each_step_has_its_words(step: Step, line: str | None) -> None:
    assert plain_step(step) == line


@given(texts)
def test_a_step_is_one_line_with_nothing_that_a_terminal_obeys(text: str) -> None:
    for step in (
        Noted(message=text),
        settled(rejected(text, text)),
        settled(unknown(text, [text])),
        settled(observed(text, text)),
        settled(cancelled(text, 1, text)),
    ):
        line = plain_step(step)
        assert line is not None
        assert OBEYED.search(line) is None
        assert "\n" not in line


def test_started_runs_are_counted_and_all_else_is_told() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress(claimed(230))
        for number in range(150):
            progress(settled(triggered(f"run-{number}")))
        progress(settled(rejected("b")))
        for number in range(79):
            progress(settled(triggered(f"more-{number}")))
        progress(Recorded(events=230))
    assert stream.getvalue() == (
        "claimed 230 runs until 2024-03-02T00:00:00.000Z (c1a1)\n"
        "triggered 100 of 230\n"
        "b: refused: 62103: user has no privilege\n"
        "triggered 200 of 230\n"
        "triggered 229 of 230\n"
        "recorded 230 events\n"
    )


def test_a_run_that_a_search_found_is_told_by_itself() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress(settled(triggered("a", evidence={"found": []})))
    assert stream.getvalue() == "a: triggered as 3377-1 (found by a search)\n"


def test_the_count_is_told_though_the_apply_is_broken_off() -> None:
    stream = io.StringIO()

    def broken_off() -> None:
        with PlainProgress(stream) as progress:
            progress(claimed(2))
            progress(settled(triggered("a")))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert stream.getvalue().endswith("\ntriggered 1 of 2\n")


def test_a_run_that_was_not_started_is_not_counted_twice_when_it_is_claimed_again() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        progress(claimed(3))
        progress(settled(triggered("a"), "a"))
        progress(settled(absent("b"), "b"))
        progress(settled(unknown("c"), "c"))
        progress(settled(absent("c", {"found": []}), "c"))
        progress(settled(absent("of another apply", {"found": []}), "of another apply"))
        progress(claimed(2))
        progress(settled(triggered("b"), "b"))
        progress(settled(triggered("c"), "c"))
    assert stream.getvalue().endswith("\ntriggered 3 of 3\n")


@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_runs_that_were_not_started_for_one_reason_share_a_line(
    kind: type[PlainProgress | LiveProgress],
) -> None:
    stream = io.StringIO()
    progress = kind(stream)
    late = {"notStarted": "the claim's time was used up"}
    with progress:
        progress(settled(absent("a", late), "a"))
        for number in range(1_000):
            progress(settled(absent(f"b-{number}"), f"b-{number}"))
        progress(settled(absent("c", {"found": []}), "c"))
        for run in ("d", "e"):
            progress(settled(absent(run), run))
    assert stream.getvalue().splitlines() == [
        "a: not started: the claim's time was used up",
        "1,000 runs not started: interrupted",
        "c: not started: the service has no instance of it",
        "2 runs not started: interrupted",
    ]


def test_verbose_tells_each_run_that_was_not_started() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, verbose=True) as progress:
        for run in ("a", "b"):
            progress(settled(absent(run), run))
    assert stream.getvalue() == "a: not started: interrupted\nb: not started: interrupted\n"


def test_verbose_tells_each_started_run() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, verbose=True) as progress:
        progress(claimed(1))
        progress(settled(triggered("a")))
    assert stream.getvalue().split("\n")[1:] == ["a: triggered as 3377-1", ""]


WATCHED: tuple[Step, ...] = (
    Watching(ended=0, total=3),
    Watching(ended=0, total=3),
    Noted(message="the branch cannot be read"),
    Watching(ended=0, total=3),
    settled(observed("a"), "a"),
    settled(observed("b", 7), "b"),
    settled(cancelled("c"), "c"),
    Watching(ended=3, total=3),
)


def test_ends_are_told_when_their_number_changes_and_those_that_are_bad() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        for step in WATCHED:
            progress(step)
    assert stream.getvalue() == (
        "0 of 3 instances have ended\n"
        "the branch cannot be read\n"
        "b: the instance ended with TIMEOUT: it ran longer than the flow allows\n"
        "c: cancelled\n"
        "3 of 3 instances have ended\n"
    )


def test_verbose_tells_good_ends_as_well_and_no_number_twice() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, verbose=True) as progress:
        for step in WATCHED:
            progress(step)
    assert "\na: the instance ended with SUCCESS\n" in stream.getvalue()
    assert stream.getvalue().count("0 of 3 instances have ended\n") == 1


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


STEPS: tuple[Step, ...] = (
    claimed(3),
    settled(triggered("a"), "a"),
    settled(rejected("b", "[bold]no[/] :tada:"), "b"),
    settled(unknown("c"), "c"),
    Recorded(events=3),
    Noted(message="see you"),
)


def test_a_terminal_gets_a_bar_that_counts_every_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with LiveProgress(stream, color=False) as progress:
        for step in STEPS:
            progress(step)
    shown = stream.getvalue()
    assert "3/3" in shown
    assert "b: refused: 62103: [bold]no[/] :tada:" in shown
    assert "c: in doubt: timeout after sending" in shown
    assert "a: triggered" not in shown
    assert "\x1b[?25h" in shown  # the cursor is back


def bar_at_the_end(steps: Iterable[Step], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The last bar that a terminal showed, and everything before it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with LiveProgress(stream, color=False) as progress:
        for step in steps:
            progress(step)
    before, _, last = stream.getvalue().rpartition("\r")[0].rpartition("\r")
    return last, before


def test_a_terminals_bar_counts_ends_while_they_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = settled(observed("d", "FAIL"), "d")
    steps = (claimed(5), *WATCHED[:-1], Watching(ended=2, total=3), end)
    bar, before = bar_at_the_end(steps, monkeypatch)
    assert "waiting for ends" in bar
    assert "2/3" in bar
    assert "b: the instance ended with TIMEOUT" in before
    assert "c: cancelled" in before
    assert "have ended" not in before
    assert "SUCCESS" not in before


def test_a_terminals_bar_goes_back_to_starts_when_something_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = (
        claimed(3),
        settled(triggered("a")),
        *WATCHED,
        claimed(2),
        settled(triggered("b"), "b"),
    )
    bar, _ = bar_at_the_end(steps, monkeypatch)
    assert "starting" in bar
    assert "2/5" in bar


def test_without_a_terminal_there_are_only_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    stream = io.StringIO()
    with LiveProgress(stream) as progress:
        for step in STEPS:
            progress(step)
    assert stream.getvalue().strip().split("\n") == [
        "b: refused: 62103: [bold]no[/] :tada:",
        "c: in doubt: timeout after sending",
        "see you",
    ]


def test_a_bar_is_taken_away_when_the_apply_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def broken_off() -> None:
        with LiveProgress(stream) as progress:
            progress(claimed(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert "\x1b[?25h" in stream.getvalue()
