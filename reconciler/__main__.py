"""`python -m reconciler`, and the command's entry point."""

import os
import sys

_ELSEWHERE = (
    "error: reconciler runs on Linux, macOS and other POSIX systems only, for its promise rests on "
    "how they end processes and open files\n  On Windows use it inside WSL, or in a container.\n"
)


def main() -> None:
    """Run the command line and leave with its exit code."""
    if os.name != "posix":
        sys.stderr.write(_ELSEWHERE)
        sys.exit(1)
    from reconciler.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
