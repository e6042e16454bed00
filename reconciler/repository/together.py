"""Reading files of manifests: one by one, or many at once where that is sooner.

`division` has how several processes read them. Forking is not safe on systems other than Linux, so
there one process reads everything.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import tzinfo

from reconciler.expansion import Bounds
from reconciler.manifest import CrowdedError, FileResult, read_file
from reconciler.model import Source

LEAST_BYTES = 200_000  # about 500 manifests: with fewer, a process costs what it saves
MOST_PROCESSES = 8  # on a large machine; a container may see all its cores and have only two
LEAST_FILES = 500  # where bytes are not counted yet: so many files have about LEAST_BYTES
_PORTION = 16_384  # bytes of files, about 50 manifests
_PORTION_FILES = 50
_MOST_PORTIONS = 1_000  # any pipe takes so many numbers (a page) before anybody reads
_BACKFILL = b"Backfill"  # its runs cannot be packed; see `reconciler.manifest.packing`

Reader = Callable[[Source, Bounds], FileResult]
Opener = Callable[[str], tuple[Source, bytes] | None]  # by path: the file, and a note about it
_Read = tuple[FileResult, bytes]  # with the note, which is empty where there is none


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
    from reconciler.repository.division import Division

    def read(path: str) -> _Read | None:
        opened = open_one(path)
        if opened is None or _BACKFILL in opened[0].content:
            return None
        result = _read_unless_crowded(opened[0], zone, bounds)
        return None if result is None else (result, opened[1])

    size = max(_PORTION_FILES, len(paths) // _MOST_PORTIONS + 1)
    portions = [paths[first : first + size] for first in range(0, len(paths), size)]
    reading = Division(portions=portions, read=read)
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
    from reconciler.repository.division import Division

    def read(source: Source) -> _Read | None:
        result = _read_unless_crowded(source, zone, bounds)
        return None if result is None else (result, b"")

    portions = _portions(alike, max(_PORTION, size // _MOST_PORTIONS + 1))
    reading = Division(portions=portions, read=read)
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
