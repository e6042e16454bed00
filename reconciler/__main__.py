"""`python -m reconciler`, and the command's entry point."""

import gc
import os
import signal
import sys

_ELSEWHERE = (
    "error: reconciler runs on Linux, macOS and other POSIX systems only: its promise depends on "
    "how they end processes and open files\n  On Windows use it inside WSL, or in a container.\n"
)
# What is read and planned lives to the end, and hardly any of it is in a reference cycle. Searching
# it for cycles as often as Python does takes a sixth of a large plan's time, and frees nothing.
_COLLECTED = 100_000, 20, 20


def main() -> None:
    """Run the command line and leave with its exit code."""
    if os.name != "posix":
        sys.stderr.write(_ELSEWHERE)
        sys.exit(1)
    from reconciler.cli.signals import end_with, heed, hold, regain

    hold()
    gc.set_threshold(*_COLLECTED)
    # The parent process may ignore SIGCHLD, and this process inherits that. Then Python cannot tell
    # how git ended, and every failure of git passes for a success.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Where rich is installed, httpx imports a command line of its own. Nobody here calls it, and
    # the import takes a tenth of the time that an apply needs to get going.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from reconciler.cli.main import run

    heed()
    regain()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # where its streams are not open yet, or no longer
        code = 130
    end_with(code)
    gc.freeze()  # or Python would search all values for cycles once more before it frees them
    sys.exit(code)


if __name__ == "__main__":
    main()
