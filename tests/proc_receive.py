"""A `proc-receive` hook that says ok to every push and moves nothing (githooks(5))."""

import sys
from typing import BinaryIO


def _read(stream: BinaryIO) -> bytes | None:
    """One pkt-line; None for a flush."""
    size = int(stream.read(4), 16)
    return stream.read(size - 4) if size else None


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(b"%04x%s" % (len(line) + 4, line))


def main() -> None:
    """Agree on the version, read the commands, and report each of them as done."""
    while _read(sys.stdin.buffer) is not None:
        pass
    _write(b"version=1\n")
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()
    refs = []
    while (line := _read(sys.stdin.buffer)) is not None:
        refs.append(line.split()[2])
    for ref in refs:
        _write(b"ok " + ref)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
