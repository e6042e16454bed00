"""How `doctor` shows what it found."""

from reconciler.cli.examining import Examination
from reconciler.errors import ExitCode
from reconciler.render.diagnosis import (
    Checked,
    Diagnosis,
    diagnosis_text,
    failed_diagnosis,
    ok_diagnosis,
    skipped_diagnosis,
    warning_diagnosis,
)


def _checked(*found: tuple[str, Diagnosis], environment: str | None = None) -> list[Checked]:
    return [
        Checked(name=name, environment=environment, diagnosis=diagnosis)
        for name, diagnosis in found
    ]


def test_each_check_has_a_line_its_advice_below_it_and_the_numbers_come_last() -> None:
    checks = _checked(
        ("git", ok_diagnosis("version 2.39")),
        ("remote", failed_diagnosis("gone", "look: git remote")),
    )
    checks += _checked(("clock", warning_diagnosis("late", "set it")), environment="prod")
    assert diagnosis_text(checks, width=80, color=False).splitlines() == [
        "This machine and this clone",
        "  ok       git     version 2.39",
        "  failed   remote  gone",
        "                   → look: git remote",
        "",
        "Environment prod",
        "  warning  clock   late",
        "                   → set it",
        "",
        "1 failed, 1 warning, 1 ok",
    ]


def test_checks_that_were_skipped_for_one_reason_share_a_line() -> None:
    checks = _checked(
        *((name, skipped_diagnosis("offline")) for name in ("tls", "zone", "user")),
        ("flows", skipped_diagnosis("no runs")),
    )
    lines = diagnosis_text(checks, width=80, color=False).splitlines()
    assert lines[1:3] == [
        "  skipped  tls    offline; so are zone and user",
        "  skipped  flows  no runs",
    ]
    assert lines[-1] == "4 skipped"


def test_several_lines_of_a_message_stand_below_each_other_and_forge_no_check() -> None:
    checks = _checked(
        ("remote", failed_diagnosis("no\n  ok       keys   all is well\r\x1b[2J", "mend"))
    )
    lines = diagnosis_text(checks, width=80, color=False).splitlines()
    assert lines[2].startswith(" " * 19 + "ok keys")
    assert "\x1b" not in "".join(lines)


def _report(checks: list[Checked]) -> Examination:
    report = Examination()
    report.checks += checks
    return report


def test_only_what_failed_decides_on_the_exit_code() -> None:
    fine = _checked(
        ("a", ok_diagnosis("x")), ("b", warning_diagnosis("x", "y")), ("c", skipped_diagnosis("x"))
    )
    assert _report(fine).exit_code is ExitCode.OK
    assert (
        _report([*fine, *_checked(("d", failed_diagnosis("x", "y")))]).exit_code is ExitCode.PROBLEM
    )
