"""What the documents point to is there: links, headings, files and tests. Offline."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.repositories import PROJECT

_DOCUMENTS = sorted(
    path
    for folder in (".", "benchmarks", "docs", "docs/ci", "docs/decisions", "reconciler/sandbox")
    for path in (PROJECT / folder).glob("*.md")
)
_NAMES = [str(path.relative_to(PROJECT)) for path in _DOCUMENTS]
_OF_THEIR_TIME = ("CHANGELOG.md", "docs/decisions/")  # these may name what has gone since
_OF_A_USER = ".github/workflows/reconciler.yml"  # in the repository of whoever copies it
_FOLDERS = "reconciler/|tests/|docs/|schemas/|benchmarks/|\\.github/|\\.ci/"


@pytest.mark.parametrize("name", _NAMES)
def test_each_link_leads_to_a_file_and_a_heading(name: str) -> None:
    assert list(_dead_links(PROJECT / name)) == []


@pytest.mark.parametrize("name", [name for name in _NAMES if not name.startswith(_OF_THEIR_TIME)])
def test_each_file_and_test_that_is_named_is_there(name: str) -> None:
    text = _without_blocks((PROJECT / name).read_text())
    named = re.findall(rf"`((?:{_FOLDERS})[\w./-]*(?:::\w+)?)`", text)
    assert [one for one in named if one != _OF_A_USER and not _is_there(one)] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text(
        "# One `two` (three)\n\n## Same\n\n## Same\n\n"
        "[a](#one-two-three) [b](#same-1) [c](b.md) [d](#two) `[e](no.md)` ![f](a.md#same)\n"
        "[g](https://example.test/#x)\n\n```sh\n# [h](#no)\n```\n\n[i]: gone.md\n"
    )
    assert list(_dead_links(document)) == ["b.md", "#two", "gone.md"]


def _dead_links(document: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", _without_blocks(document.read_text()))
    inline = re.findall(r"\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)", text)
    targets = inline + re.findall(r"^\[[^\]^]+\]: *(\S+)", text, re.MULTILINE)
    return [
        target
        for target in targets
        if not re.match(r"(https?|mailto):", target) and not _leads_on(document, target)
    ]


def _leads_on(document: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not anchor:
        return file.exists()
    return file.is_file() and anchor in _anchors(file)


@cache
def _anchors(file: Path) -> frozenset[str]:
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", _without_blocks(file.read_text()), re.MULTILINE)
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in headings:
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(anchors)


def _is_there(named: str) -> bool:
    path, _, function = named.partition("::")
    file = PROJECT / path
    return file.exists() and (not function or f"def {function}(" in file.read_text())


def _without_blocks(text: str) -> str:
    """The text without its fenced blocks of code, in which `#` begins a comment."""
    return re.sub(r"^( *)(`{3,}|~{3,}).*?^\1\2[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_no_message_counts_with_a_plural_in_brackets() -> None:
    modules = (PROJECT / "reconciler").rglob("*.py")
    assert [str(one) for one in modules if re.search(r"[a-z]\(s\)[ \"']", one.read_text())] == []


def test_no_two_classes_have_one_name() -> None:
    """A reader who meets a name looks for one thing."""
    modules = (PROJECT / "reconciler").rglob("*.py")
    found = Counter(
        name
        for one in modules
        for name in re.findall(r"^class (\w+)", one.read_text(), re.MULTILINE)
    )
    assert [name for name, number in found.items() if number > 1] == []
