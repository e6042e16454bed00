"""What an apply tells while it works."""

import io

import pytest
from hypothesis import given

from reconciler.apply.steps import Claimed, Noted, Recorded, Settled, Step, Waiting
from reconciler.ledger import Event, events
from reconciler.model import InstanceId, RunId
from reconciler.render.progress import LiveProgress, PlainProgress
from reconciler.render.steps import plain_step
from tests.render.outcomes import AT, CLAIM, absent, rejected, triggered, unknown
from tests.render.values import EIGHT, OBEYED, texts


def settled(event: Event, run: str = "a") -> Settled:
    return Settled(run=RunId(run), event=event)


def claimed(runs: int) -> Claimed:
    return Claimed(claim=CLAIM, runs=runs, until=EIGHT)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (claimed(1), "claimed 1 run until 2024-03-02T00:00:00.000Z (c1a1)"),
        (Recorded(events=2), "recorded 2 events"),
        (Recorded(events=0), None),
        (
            Waiting(reason="2 run(s) in doubt", until=EIGHT),
            "waiting until 2024-03-02T00:00:00.000Z: 2 run(s) in doubt",
        ),
        (Noted(message="the clocks differ"), "the clocks differ"),
        (settled(triggered("a")), "a: triggered as 3377-1"),
        (settled(triggered("a", evidence={})), "a: triggered as 3377-1 (found by a search)"),
        (settled(rejected("a")), "a: refused: 62103: user has no privilege"),
        (settled(unknown("a")), "a: in doubt: timeout after sending"),
        (settled(absent("a")), "a: not started: interrupted"),
        (
            settled(absent("a", {"found": []})),
            "a: not started: the service has no instance of it",
        ),
        (
            settled(events.Observed(v=1, at=AT, run=RunId("a"), status="SUCCESS")),
            "a: the instance is SUCCESS",
        ),
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


def test_verbose_tells_each_started_run() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, verbose=True) as progress:
        progress(claimed(1))
        progress(settled(triggered("a")))
    assert stream.getvalue().split("\n")[1:] == ["a: triggered as 3377-1", ""]


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
