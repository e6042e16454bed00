"""Write the pages that are made from the program: `python -m tests.reference.update`.

Read the difference before committing it.
"""

from reconciler.explained import explanations
from reconciler.render.explanation import explanations_markdown
from tests.reference.command_line import command_line_page
from tests.repositories import PROJECT

CLI = PROJECT / "docs/cli.md"
CODES = PROJECT / "docs/codes.md"


def codes_page() -> str:
    """docs/codes.md."""
    return explanations_markdown(explanations().values())


def main() -> None:
    """Write them."""
    CLI.write_text(command_line_page(), encoding="utf-8")
    CODES.write_text(codes_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
