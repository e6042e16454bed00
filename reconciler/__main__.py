"""`python -m reconciler`, and the command's entry point."""

import gc
import os
import signal
import sys

_ELSEWHERE = (
    "error: reconciler runs on Linux, macOS and other POSIX systems only, for its promise rests on "
    "how they end processes and open files\n  On Windows use it inside WSL, or in a container.\n"
)
# What is read and planned lives to the end, and hardly any of it lies in cycles: to look through it
# as often as Python does takes a sixth of a large plan's time, and saves no memory.
_COLLECTED = 100_000, 20, 20


def main() -> None:
    """Run the command line and leave with its exit code."""
    if os.name != "posix":
        sys.stderr.write(_ELSEWHERE)
        sys.exit(1)
    gc.set_threshold(*_COLLECTED)
    # Whoever started this may ignore the ends of processes, and that is inherited: then nobody can
    # tell how git ended, and every failure of it passes for a success.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # httpx has a command line of its own where rich is there, too: nobody here calls it, and to
    # import it takes a tenth of the start of an apply.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from reconciler.cli.main import run

    code = run(sys.argv[1:])
    gc.freeze()  # or Python would look through all of it once more before it gives it back
    sys.exit(code)


if __name__ == "__main__":
    main()
