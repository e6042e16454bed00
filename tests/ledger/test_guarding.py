"""Whether a change leaves the ledger alone, however its files are sealed, folded and moved."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ledger.files import ACTIVE, Files, Ledgers
from reconciler.ledger.guarding import Guarded, find_edited_ledgers, undo_advice
from reconciler.model import Problem

LINES = [f'{{"line":{number}}}\n'.encode() for number in range(6)]


def whole(count: int, *, crlf: bool = False) -> Files:
    """A ledger of so many lines, in one file."""
    text = b"".join(LINES[:count])
    return {ACTIVE: text.replace(b"\n", b"\r\n") if crlf else text}


def problems(
    here: Ledgers, branch: Ledgers, fork: Ledgers | None = None, prefix: str = ""
) -> list[Problem]:
    return find_edited_ledgers(
        Guarded(fork=fork, here=here, branch=branch, named="origin/main", prefix=prefix)
    )


def at(found: Sequence[Problem]) -> list[tuple[str, int]]:
    return [(one.place.file, one.place.line) for one in found]


@st.composite
def cut(draw: st.DrawFn, lines: Sequence[bytes]) -> Files:
    """The lines in sealed files, some folded, and one that is being written."""
    borders = sorted(draw(st.sets(st.integers(0, len(lines)), max_size=3)))
    files: dict[str, bytes] = {}
    start, number = 0, 1
    for border in borders:
        folded = draw(st.integers(0, 2))
        name = f"ledger-{number:06d}" + (f"-{number + folded:06d}" if folded else "")
        files[f"{name}.jsonl"] = b"".join(lines[start:border])
        start, number = border, number + folded + 1
    return files | {ACTIVE: b"".join(lines[start:])}


@given(st.data(), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_only_what_stands_between_fork_and_branch_is_in_order(
    data: st.DataObject, fork: int, here: int, branch: int
) -> None:
    sides = [data.draw(cut(LINES[:count])) for count in (fork, here, branch)]
    found = problems({"s": sides[1]}, {"s": sides[2]}, {"s": sides[0]})
    assert bool(found) is not (fork <= here <= branch)
    assert {one.code for one in found} <= {"ledger-edited"}
    assert len(found) <= 1


def test_a_ledger_is_told_of_once_though_both_sides_show_its_edit() -> None:
    swapped = {"s": {ACTIVE: LINES[1] + LINES[0]}}
    assert len(problems(swapped, {"s": whole(2)}, {"s": whole(2)})) == 1


def test_the_first_line_that_differs_is_named_with_its_file() -> None:
    branch = {"s": {"ledger-000001.jsonl": LINES[0] + LINES[1], ACTIVE: LINES[2] + LINES[3]}}
    edited_line = {"s": {"ledger-000001.jsonl": LINES[0] + LINES[1], ACTIVE: LINES[2] + b"{}\n"}}
    assert at(problems(edited_line, branch)) == [(f"s/{ACTIVE}", 2)]
    swapped = {"s": {"ledger-000001.jsonl": LINES[1] + LINES[0], ACTIVE: LINES[2]}}
    assert at(problems(swapped, branch)) == [("s/ledger-000001.jsonl", 1)]
    assert at(problems({"s": whole(5)}, {"s": whole(4)})) == [(f"s/{ACTIVE}", 5)]
    assert at(problems({"s": whole(3)}, {"s": whole(4)}, {"s": whole(4)})) == [(f"s/{ACTIVE}", 3)]


def test_a_merge_conflict_is_called_so() -> None:
    theirs, own = LINES[0] + LINES[1], LINES[0] + LINES[2]
    for style in (b"", b"||||||| 1a2b3c\n" + LINES[0]):
        text = LINES[0] + b"<<<<<<< HEAD\n" + own + style + b"=======\n" + LINES[1] + b">>>>>>> b\n"
        for branch in (theirs, LINES[0]):
            (problem,) = problems({"s": {ACTIVE: text}}, {"s": {ACTIVE: branch}})
            assert problem.message.startswith("a merge conflict stands in the ledger: only the ")
            assert (problem.place.line, undo_advice(problem)) == (
                2,
                "`git checkout origin/main -- s`",
            )


def test_the_way_back_is_a_command() -> None:
    (deleted,) = problems({}, {"state/a b": whole(2)}, {"state/a b": whole(2)})
    assert "git checkout origin/main -- 'state/a b'" in deleted.message
    forged = {"s": {**whole(2), "ledger-000001.jsonl": LINES[3]}}
    assert (
        "git checkout --no-overlay origin/main -- s" in problems(forged, {"s": whole(2)})[0].message
    )
    (made_up,) = problems({"s": whole(2)}, {})
    assert "git rm -r -- s" in made_up.message
    (inside,) = problems({"sub/s": whole(3)}, {"sub/s": whole(2)}, prefix="sub/")
    assert (inside.place.file, inside.message.endswith("-- s`")) == (f"s/{ACTIVE}", True)
    (outside,) = problems({"t/s": whole(3)}, {"t/s": whole(2)}, prefix="sub/")
    assert outside.message.endswith("-- :/t/s`")


@pytest.mark.parametrize(
    ("here", "is_in_order"),
    [
        ({"new": whole(4)}, True),
        ({"new": whole(4), "copy": whole(4)}, True),
        ({"new": whole(3)}, False),
        ({"new": {ACTIVE: LINES[1] + LINES[0]}}, False),
        ({}, False),
    ],
)
def test_a_ledger_may_move_whole_and_be_copied(
    here: Mapping[str, Files], is_in_order: bool
) -> None:
    branch = {"old": whole(5)}
    assert bool(problems(here, branch, {"old": whole(4)})) is not is_in_order


def test_what_the_checkout_does_to_line_ends_is_no_edit() -> None:
    assert not problems({"s": whole(4, crlf=True)}, {"s": whole(5)}, {"s": whole(4)})


def test_an_empty_ledger_may_go() -> None:
    assert not problems({}, {"s": whole(0)}, {"s": whole(0)})


def test_a_gap_is_an_edit() -> None:
    gap = {"ledger-000002.jsonl": LINES[0], ACTIVE: b""}
    (found,) = problems({"s": gap}, {"s": whole(4)})
    assert "number 1 was expected" in found.message


def test_without_a_fork_only_what_was_made_up_is_seen() -> None:
    assert not problems({"s": whole(1)}, {"s": whole(4)})
    assert problems({"s": whole(5)}, {"s": whole(4)})
