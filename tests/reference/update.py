"""Write the pages that are made from the program: `python -m tests.reference.update`.

Read the difference before committing it.
"""

from reconciler.explained import explanations
from reconciler.render.explanation import explanations_markdown
from tests.repositories import PROJECT

CODES = PROJECT / "docs/codes.md"


def codes_page() -> str:
    """docs/codes.md."""
    return explanations_markdown(explanations().values())


def main() -> None:
    """Write them."""
    CODES.write_text(codes_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
