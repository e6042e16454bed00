"""No message names what a reader has not got: a path of this repository."""

from pathlib import Path

import pytest
import yaml

from reconciler import explained
from reconciler.configuration import parse_configuration
from reconciler.explained import CodeKind, documents_address, explanations, page_address
from reconciler.model import Source
from reconciler.render.explanation import explanation_text
from reconciler.sandbox.file import read_sandbox_file
from tests.reference.command_line import command_line_page
from tests.reference.named_pages import named_explanations, named_paths, texts, texts_of_the_program

_URL = "https://git.example.test/team/reconciler/tree/main/docs"


def test_no_text_of_the_program_names_a_page_of_this_repository() -> None:
    found = [(file, path) for file, text in texts_of_the_program() for path in named_paths(text)]
    assert found == []


def test_no_help_names_a_page_of_this_repository() -> None:
    _, _, body = command_line_page().partition("\n- ")  # below the page's own head
    assert named_paths(body) == []


@pytest.mark.parametrize(
    "text",
    ["see docs/operating.md", "(docs/decisions/0015)", "The sandbox's README says", "a CHANGELOG"],
)
def test_a_named_page_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.py").write_text(
        f'"""docs/a.md"""\nx = f"{{y}} {text}"\ndef f():\n    "README"\n'
    )
    assert [path for _, one in texts(tmp_path) for path in named_paths(one)] != []
    (tmp_path / "a.py").write_text('"""docs/a.md"""\ndef f():\n    "README"\n')
    assert [one for _, one in texts(tmp_path)] == []


def test_what_messages_point_to_is_explained_and_each_topic_is_pointed_to() -> None:
    named = {code for _, text in texts_of_the_program() for code in named_explanations(text)}
    topics = {code for code, one in explanations().items() if CodeKind.TOPIC in one.kinds}
    assert named <= set(explanations())
    assert topics <= named


def test_the_example_of_a_configuration_is_one() -> None:
    text = explanations()["configuration"].example
    found = parse_configuration(Source(path="reconciler.yaml", content=text.encode()))
    assert list(found.environments) == ["prod"]


def test_the_example_of_a_sandbox_s_file_is_one(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(explanations()["sandbox-file"].example)
    options, faults = read_sandbox_file(file)
    assert set(options.flows) == {3377, 3378}
    assert len(faults) == len(yaml.safe_load(file.read_text())["faults"])


def test_a_longer_page_is_named_by_its_address_or_not_at_all() -> None:
    one = explanations()["lost-ledger"]
    assert ".md" not in explanation_text(one, color=False)
    text = explanation_text(one, color=False, documents=_URL)
    assert f"  {_URL}/operating.md#a-lost-ledger\n" in text


def test_a_page_beside_the_documents_has_an_address_too() -> None:
    address = page_address("../reconciler/sandbox/README.md#the-file", _URL)
    assert address == _URL.removesuffix("/docs") + "/reconciler/sandbox/README.md#the-file"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ([f"Documentation, {_URL}/"], _URL),
        (["Issues, https://x.test", f"Documentation, {_URL}"], _URL),
        (["Documentation, https://github.com/YOUR-ORGANISATION/reconciler/tree/main/docs"], None),
        (["Documentation, javascript:x"], None),
        ([], None),
    ],
)
def test_only_an_address_that_exists_is_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], address: str | None
) -> None:
    class _Metadata:
        def get_all(self, _: str) -> list[str]:
            return given

    monkeypatch.setattr("importlib.metadata.metadata", lambda _: _Metadata())
    assert documents_address() == address


def test_a_program_that_is_not_installed_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explained, "DISTRIBUTION", "no-such-distribution")
    assert documents_address() is None
