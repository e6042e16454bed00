"""Reading many files of manifests in several processes.

Reading a manifest takes only processor time, and Python uses one processor at a time. So this
process forks others, which start with everything that it holds. All of them, this one included,
take portions of the files from one pipe until none is left. The others put their results into
memory that they share with this process. A file that none of them has reported, because its result
cannot be packed or because a process failed at it, is read here. On systems other than Linux,
forking is not safe, and one process reads everything.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import tzinfo
from tempfile import TemporaryFile
from typing import Generic, TypeVar

from msgspec import Struct, field
from msgspec.msgpack import decode, encode

from reconciler.errors import ReconcilerError
from reconciler.expansion import Bounds
from reconciler.manifest import CrowdedError, FileResult, read_file
from reconciler.manifest.packing import is_packable, pack, unpack
from reconciler.model import Source

LEAST_BYTES = 200_000  # about 500 manifests: with fewer, a process costs what it saves
MOST_PROCESSES = 8  # on a large machine; a container may see all its cores and have only two
LEAST_FILES = 500  # where bytes are not counted yet: so many files have about LEAST_BYTES
_PORTION = 16_384  # bytes of files, about 50 manifests
_PORTION_FILES = 50
_MOST_PORTIONS = 1_000  # any pipe takes so many numbers (a page) before anybody reads
_NUMBER = 4  # bytes
_BACKFILL = b"Backfill"  # its runs cannot be packed; see `reconciler.manifest.packing`

Reader = Callable[[Source, Bounds], FileResult]
Opener = Callable[[str], tuple[Source, bytes] | None]  # by path: the file, and a note about it
_Read = tuple[FileResult, bytes]  # with the note, which is empty where there is none
_Item = TypeVar("_Item")


def reader(sources: Sequence[Source], zone: tzinfo, bounds: Bounds) -> Reader:
    """A function that reads each of the files, as `read_file` does; many are read at once, here.

    `bounds`: those for the first file. Raises ReconcilerError if a process is killed.
    """
    found = _read_together(sources, zone, bounds) if is_ample(bounds, len(sources)) else {}

    def read(source: Source, now: Bounds) -> FileResult:
        result = found.pop(source.path, None)
        if result is None or now.left - result.made < now.backfill:
            return read_file(source, zone, now)
        return result

    return read


def is_ample(bounds: Bounds, files: int) -> bool:
    """Whether so many files without backfills may be read in any order.

    With room left for one more backfill of the largest size, it does not matter how much is left.
    """
    return bounds.left >= bounds.backfill + files


def read_unopened(
    paths: Sequence[str], open_one: Opener, zone: tzinfo, bounds: Bounds
) -> dict[str, tuple[FileResult, bytes]]:
    """What the files say, by path, with the opener's note; the process that reads a file opens it.

    So a file's content is let go once it is read. Backfills are left out, and so are files that the
    opener did not open. `is_ample` must hold. Raises ReconcilerError if a process is killed.
    """

    def read(path: str) -> _Read | None:
        opened = open_one(path)
        if opened is None or _BACKFILL in opened[0].content:
            return None
        result = _read_unless_crowded(opened[0], zone, bounds)
        return None if result is None else (result, opened[1])

    size = max(_PORTION_FILES, len(paths) // _MOST_PORTIONS + 1)
    portions = [paths[first : first + size] for first in range(0, len(paths), size)]
    reading = _Division(portions=portions, read=read)
    reading.read_all(min(MOST_PROCESSES, _count_processors()) - 1)
    return reading.found


def _read_together(
    sources: Sequence[Source], zone: tzinfo, bounds: Bounds
) -> dict[str, FileResult]:
    alike = [one for one in sources if _BACKFILL not in one.content]
    size = sum(len(one.content) for one in alike)
    processes = min(MOST_PROCESSES, _count_processors(), size // (LEAST_BYTES // 2))
    if processes < 2:  # noqa: PLR2004 - this one, and another
        return {}

    def read(source: Source) -> _Read | None:
        result = _read_unless_crowded(source, zone, bounds)
        return None if result is None else (result, b"")

    portions = _portions(alike, max(_PORTION, size // _MOST_PORTIONS + 1))
    reading = _Division(portions=portions, read=read)
    reading.read_all(processes - 1)
    return {path: result for path, (result, _) in reading.found.items()}


def _read_unless_crowded(source: Source, zone: tzinfo, bounds: Bounds) -> FileResult | None:
    try:
        return read_file(source, zone, bounds)
    except CrowdedError:  # whoever reads the files in order reports the first such file
        return None


def _count_processors() -> int:
    """How many processors this process may use; 1 where it cannot be forked safely."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return len(os.sched_getaffinity(0))


def _portions(sources: Sequence[Source], size: int) -> list[list[Source]]:
    portions: list[list[Source]] = [[]]
    room = size
    for source in sources:
        if room <= 0:
            portions.append([])
            room = size
        portions[-1].append(source)
        room -= len(source.content)
    return portions


class _Worker(Struct, kw_only=True):
    """Another process, and the memory to which it appends what it has read."""

    process: int
    memory: int
    taken: int = 0  # bytes of it that were read

    def reports(self) -> Iterator[bytes]:
        """What the process has appended since the last call, portion by portion, each whole."""
        while True:
            head = os.pread(self.memory, _NUMBER, self.taken)
            length = int.from_bytes(head, "big")
            body = os.pread(self.memory, length, self.taken + _NUMBER)
            if len(head) < _NUMBER or len(body) < length:
                return
            self.taken += _NUMBER + length
            yield body


class _Division(Struct, Generic[_Item], kw_only=True):
    """Files, divided among processes."""

    portions: Sequence[Sequence[_Item]]
    read: Callable[[_Item], _Read | None]
    found: dict[str, _Read] = field(default_factory=dict)  # by path
    workers: list[_Worker] = field(default_factory=list)

    def read_all(self, others: int) -> None:
        """Read the files with the help of so many other processes; none outlasts this call."""
        ahead, numbers = os.pipe()
        try:
            for number in range(len(self.portions)):
                os.write(numbers, number.to_bytes(_NUMBER, "big"))
            os.close(numbers)
            for _ in range(others):
                self._start(ahead)
            self._read_own(ahead)
            self._wait()
        finally:
            os.close(ahead)
            self._end()

    def _start(self, ahead: int) -> None:
        """Fork. If the system has no room for another process, those that run must do."""
        with suppress(OSError):
            memory = _open_memory()
            try:
                process = os.fork()
            except OSError:
                os.close(memory)
                return
            if process == 0:
                self._work(ahead, memory)
            self.workers.append(_Worker(process=process, memory=memory))

    def _work(self, ahead: int, memory: int) -> None:  # pragma: no cover - another process's
        """All that another process does. It prints nothing, whatever happens, and ends."""
        try:
            for number in _take_numbers(ahead):
                read = filter(None, map(self.read, self.portions[number]))
                found = [(result, note) for result, note in read if is_packable(result)]
                notes = [note for _, note in found]
                body = encode((pack(result for result, _ in found), notes))
                whole = memoryview(len(body).to_bytes(_NUMBER, "big") + body)
                while whole:
                    whole = whole[os.write(memory, whole) :]
        finally:
            os._exit(0)  # the parent reads what this process could not, and reports any error

    def _read_own(self, ahead: int) -> None:
        for number in _take_numbers(ahead):
            for item in self.portions[number]:
                read = self.read(item)
                if read is not None:
                    self.found[read[0].file] = read
            self._take()

    def _take(self) -> None:
        for worker in self.workers:
            for body in worker.reports():
                packed, notes = decode(body)
                for result, note in zip(unpack(packed), notes, strict=True):
                    self.found[result.file] = result, note

    def _wait(self) -> None:
        for worker in self.workers:
            _, status = os.waitpid(worker.process, 0)
            worker.process = 0
            if os.WIFSIGNALED(status):
                name = signal.Signals(os.WTERMSIG(status)).name
                raise ReconcilerError(
                    f"a process that read manifests for this one was ended by {name}",
                    hint="If nobody ended it, the machine has too little memory.",
                )
        self._take()

    def _end(self) -> None:
        """Kill the processes that still run: nobody waits for their results now."""
        for worker in self.workers:
            os.close(worker.memory)
            if worker.process:
                os.kill(worker.process, signal.SIGKILL)
                os.waitpid(worker.process, 0)


def _open_memory() -> int:
    """A file without a name, in memory as a rule. Raises OSError.

    A Python that is built for old systems, as uv's and conda's are, cannot ask for one in memory.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("manifests")
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _take_numbers(ahead: int) -> Iterator[int]:
    """Take the numbers of the portions that are left, one by one."""
    while number := os.read(ahead, _NUMBER):
        yield int.from_bytes(number, "big")
