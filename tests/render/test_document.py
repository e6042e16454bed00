"""JSON documents whose long lists are written in pieces."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.render.json_output import MadeRows, json_document, json_pieces

_SHAPES: list[Callable[[Any], Any]] = [
    lambda rows: {"version": 1, "runs": rows, "problems": [{"a": [1]}], "none": {}},
    lambda rows: {"version": 1, "environments": [{"runs": rows, "more": []}, {"runs": rows}]},
]


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1_700])
def test_a_list_that_is_written_in_pieces_reads_as_if_it_were_written_whole(
    shape: Callable[[Any], Any], number: int
) -> None:
    values = [
        {"run": f"a\u202e{one}", "of": [{"one": one}, []], "none": {}} for one in range(number)
    ]
    whole = json_document(shape(values))
    assert "".join(json_pieces(shape(MadeRows(range(number), values.__getitem__)))) == whole


def test_each_piece_is_whole_lines() -> None:
    pieces = list(json_pieces({"runs": MadeRows(range(2_000), lambda one: {"one": one})}))
    assert len(pieces) > 3
    assert all(piece.endswith("\n") for piece in pieces)


def test_a_value_is_made_only_once_its_turn_comes() -> None:
    made: list[int] = []

    def value(one: int) -> dict[str, int]:
        made.append(one)
        return {"one": one}

    pieces = json_pieces({"runs": MadeRows(range(2_000), value)})
    assert made == []
    next(piece for piece in pieces if '"one": 0' in piece)
    assert 0 < len(made) < 2_000
