"""What `doctor` found, for people and for scripts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import chain, groupby
from typing import Any

from msgspec import Struct

from reconciler.render.layout import Screen, join_lines
from reconciler.render.words import join_words

_INDENT = 2
_OF_ALL = "This machine and this clone"


class Health(StrEnum):
    """The result of one check."""

    OK = "ok"
    WARNING = "warning"  # it works, but a person should know
    FAILED = "failed"  # an apply, or what is asked for, would not work
    SKIPPED = "skipped"  # it was not checked


_STYLES = {
    Health.OK: "green",
    Health.WARNING: "yellow",
    Health.FAILED: "bold red",
    Health.SKIPPED: "dim",
}


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What a check found, and what to do about it."""

    health: Health
    message: str
    hint: str | None = None  # what to do; None where nothing is needed


class Checked(Struct, frozen=True, kw_only=True):
    """One check that was made, or skipped."""

    name: str  # stable: scripts may rely on it
    environment: str | None  # None: the check holds for all
    diagnosis: Diagnosis


def ok_diagnosis(message: str) -> Diagnosis:
    """The diagnosis that all is well."""
    return Diagnosis(health=Health.OK, message=message)


def warning_diagnosis(message: str, hint: str) -> Diagnosis:
    """The diagnosis that it works, but a person should know something."""
    return Diagnosis(health=Health.WARNING, message=message, hint=hint)


def failed_diagnosis(message: str, hint: str) -> Diagnosis:
    """The diagnosis that it does not work."""
    return Diagnosis(health=Health.FAILED, message=message, hint=hint)


def skipped_diagnosis(why: str, hint: str | None = None) -> Diagnosis:
    """The diagnosis that nothing is known."""
    return Diagnosis(health=Health.SKIPPED, message=why, hint=hint)


def diagnosis_json(checks: Sequence[Checked]) -> dict[str, Any]:
    """The checks for scripts."""
    return {
        "formatVersion": 1,
        "checks": [
            {
                "name": one.name,
                "environment": one.environment,
                "result": one.diagnosis.health.value,
                "message": one.diagnosis.message,
                "hint": one.diagnosis.hint,
            }
            for one in checks
        ],
    }


def diagnosis_text(
    checks: Sequence[Checked], *, width: int | None = None, color: bool | None = None
) -> str:
    """The checks for people: those for all, then each environment's, then the counts."""
    screen = Screen.of(width, color)
    names = max((len(one.name) for one in checks), default=0)
    lines: list[str] = []
    for environment in dict.fromkeys(one.environment for one in checks):
        title = _OF_ALL if environment is None else f"Environment {environment}"
        lines += [screen.paint(screen.wrap_text(title)[0], "bold")]
        own = [one for one in checks if one.environment == environment]
        for diagnosis, same in groupby(own, key=lambda one: one.diagnosis):
            lines += _lines(diagnosis, [one.name for one in same], screen, names)
        lines.append("")
    return join_lines([*lines, _summary(checks)])


def _lines(one: Diagnosis, names: Sequence[str], screen: Screen, width: int) -> Iterator[str]:
    """`  failed   remote   what is the matter`, and below it what to do.

    Consecutive checks with the same diagnosis share a line.
    """
    columns = max(map(len, Health))
    start = _INDENT + columns + 2 + width + 2
    beside = screen.without_margin(start)
    name, *others = names
    also = f"; so {'are' if len(others) > 1 else 'is'} {join_words(others)}" if others else ""
    # A message of git or of a server may have several lines; the others go below the first.
    first, *more = chain(*map(beside.wrap_text, f"{one.message}{also}".split("\n")))
    word = screen.paint(one.health.value, _STYLES[one.health]) + " " * (columns - len(one.health))
    yield f"{' ' * _INDENT}{word}  {name:{width}}  {first}"
    for line in more:
        yield " " * start + line
    for line in beside.wrap_text(f"→ {one.hint}") if one.hint is not None else ():
        yield " " * start + screen.paint(line, "cyan")


def _summary(checks: Sequence[Checked]) -> str:
    counts = Counter(one.diagnosis.health for one in checks)
    order = (Health.FAILED, Health.WARNING, Health.SKIPPED, Health.OK)
    nouns = {Health.WARNING: "warnings" if counts[Health.WARNING] != 1 else "warning"}
    return ", ".join(f"{counts[one]} {nouns.get(one, one.value)}" for one in order if counts[one])
