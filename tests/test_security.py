"""docs/security.md: each threat names the test that shows what stops it."""

from tests.repositories import PROJECT


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
