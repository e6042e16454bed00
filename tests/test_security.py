"""docs/security.md: each threat names the test that shows what stops it."""

import re

from tests.repositories import PROJECT


def _named() -> list[str]:
    text = (PROJECT / "docs" / "security.md").read_text()
    return re.findall(r"`(tests/[^`]+)`", text)


def test_every_test_that_is_named_there_is_there() -> None:
    missing = []
    for name in _named():
        path, _, function = name.partition("::")
        file = PROJECT / path
        if not file.is_file() or f"def {function or 'test_'}" not in file.read_text():
            missing.append(name)
    assert missing == []
    assert len(_named()) > 40


def test_every_threat_has_its_test() -> None:
    lines = (PROJECT / "docs" / "security.md").read_text().split("\n")
    threats = False
    for line in lines:
        if line.startswith("| threat"):
            threats = True
        elif not line.startswith("|"):
            threats = False
        elif threats and not line.startswith("|---"):
            assert "`tests/" in line, line


def test_a_reader_is_told_how_to_report() -> None:
    text = (PROJECT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    assert "docs/security.md" in text
