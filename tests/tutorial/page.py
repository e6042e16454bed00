"""docs/tutorial.md as a script: commands, what they print, and what happens meanwhile."""

from tests.documented import Meanwhile, Typed, script
from tests.repositories import PROJECT

TUTORIAL = PROJECT / "docs" / "tutorial.md"


def tutorial() -> list[Typed | Meanwhile]:
    """What the page says, in its order."""
    steps = script(TUTORIAL.read_text(encoding="utf-8"))
    return [step for step in steps if isinstance(step, Typed | Meanwhile)]
