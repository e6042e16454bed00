"""What is written comes back as it was, by our reader and by readers that know less."""

from datetime import UTC

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.manifest import read_file
from reconciler.manifest.write import Node, scalar, write_manifest
from reconciler.model import Source

_HEAD: dict[str, Node] = {
    "apiVersion": "reconciler/v1",
    "kind": "Trigger",
    "metadata": {"name": "a"},
}
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
_ODD = ("012", "NO", "1e3", "2024-03-01", "12:30:00", "null", "~", "0x1F", ".inf", "=", "<<")
_MORE = ("", " a ", "a: b", "a #b", "- a", "*a", "&a", "!a", "%a", "a\nb", 'say "a"', "a\\b")


@pytest.mark.parametrize("text", [*_ODD, *_MORE, "\u2028", "\x7f", "\ufeff", "\U0001f600"])
def test_text_that_a_reader_could_take_for_something_else_comes_back_as_text(text: str) -> None:
    assert yaml.safe_load(scalar(text)) == text


@pytest.mark.parametrize("text", ["cn-01", "full", "wind/2024", "DEFAULT_MODE"])
def test_text_that_can_be_nothing_else_stands_without_quotes(text: str) -> None:
    assert scalar(text) == text


@given(st.dictionaries(_TEXTS.filter(bool), _TEXTS, min_size=1, max_size=4))
@example({"SITE": "012", "FLAG": "NO", "RATE": "1e3", "DAY": "2024-03-01"})
@example({"y": "\x85", "=": "\ud7ff\ue000"})
def test_parameters_come_back_exactly_as_they_were_typed(parameters: dict[str, str]) -> None:
    spec: dict[str, Node] = {"flowId": 1, "businessDate": "2024-03-01", "parameters": parameters}
    text = write_manifest({**_HEAD, "spec": spec}, schema="s.json", comments=("Hello.",))
    found = read_file(Source(path="a.yaml", content=text.encode()), UTC)
    assert not found.problems
    assert dict(found.runs[0].parameters) == parameters
    assert yaml.safe_load(text)["spec"]["parameters"] == parameters
