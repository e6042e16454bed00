"""Many files of manifests, divided among processes.

Reading a manifest takes only processor time, and Python uses one processor at a time. So this
process forks others, which start with everything that it holds. All of them, this one included,
take portions of the files from one pipe until none is left. The others put their results into
memory that they share with this process. A file that none of them has reported, because its result
cannot be packed or because a process failed at it, is read here. Forking is safe on
Linux only.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Generic, TypeVar

from msgspec import Struct, field
from msgspec.msgpack import decode, encode

from reconciler.errors import ReconcilerError
from reconciler.manifest import FileResult
from reconciler.manifest.packing import is_packable, pack, unpack

_NUMBER = 4  # bytes

_Read = tuple[FileResult, bytes]  # with the note, which is empty where there is none
_Item = TypeVar("_Item")


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


class Division(Struct, Generic[_Item], kw_only=True):
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
