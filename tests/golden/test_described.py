"""What `status` and `apply` print for scripts is what their schemas describe, field by field."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.schema import SchemaName, load_schema, validate
from tests.golden.scene import PLACE


def _document(name: SchemaName) -> dict[str, Any]:
    _, text = (PLACE / f"{name}.json").read_text(encoding="utf-8").split("\n", 1)
    whole, _, _ = text.partition("\n(exit code")
    document: dict[str, Any] = json.loads(whole.replace("EPOCH_MS", "1711111111111"))
    return document


def _described(name: SchemaName, part: str) -> set[str]:
    return {*load_schema(name)["$defs"][part]["properties"]}


@pytest.mark.parametrize("name", ["status", "apply"])
def test_a_printed_document_conforms_to_its_schema(name: SchemaName) -> None:
    assert validate(name, _document(name)) == ()
    assert validate(name, {"version": 1, "environments": [_document(name)]}) == ()


def test_every_field_that_is_printed_is_described() -> None:
    assert _document("apply").keys() - {"version"} == _described("apply", "result")
    assert _document("status").keys() - {"version"} == _described("status", "status")
    for row in _document("status")["runs"]:
        assert row.keys() == _described("status", "run")


@pytest.mark.parametrize(
    ("name", "spoil", "code"),
    [
        ("status", lambda it: it["runs"][0].pop("state"), "required"),
        ("status", lambda it: it["runs"][0].update(state="done"), "enum"),
        ("status", lambda it: it["runs"][0].update(triggerTime="2024"), "type"),
        ("status", lambda it: it.update(refusals=[]), "required"),
        ("apply", lambda it: it.pop("inDoubt"), "required"),
        ("apply", lambda it: it.update(commit=None), "type"),
        ("apply", lambda it: it.update(version=2), "enum"),
    ],
)
def test_another_document_does_not(
    name: SchemaName, spoil: Callable[[dict[str, Any]], object], code: str
) -> None:
    document = _document(name)
    spoil(document)
    assert code in {one.code for one in validate(name, document)}
