"""The files of a ledger: one that is appended to, and the sealed files before it.

Events are appended to `ledger.jsonl`. Past a small size it is sealed: renamed to the next number,
such as `ledger-000001.jsonl`. Sealed files in a row are folded into one that carries their range,
such as `ledger-000001-000016.jsonl`. So each commit writes little, and the folder holds few files.
The commit's message names the claims that the commit records.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, takewhile

from msgspec import Struct

from reconciler.errors import LedgerError
from reconciler.ledger.events import Claim, Event, Resolved
from reconciler.ledger.lines import decode_events, encode_events
from reconciler.model import Nonce

Files = Mapping[str, bytes]  # of one ledger, by file name
Ledgers = Mapping[str, Files]  # by folder

TRAILER = "Reconciler-Claim"  # of the commits that record claims and outcomes
LEDGER = "ledger"  # what the names of all files begin with
ACTIVE = f"{LEDGER}.jsonl"
SEAL_BYTES = 32 * 1024  # from this size on, an append begins a new file
FOLD_FILES = 16  # so many sealed files are folded into one, which then never changes

_SEALED = r"ledger-(\d{6,})(?:-(\d{6,}))?\.jsonl"
_OURS = re.compile(r"ledger.*\.jsonl")


class _Sealed(Struct, frozen=True, kw_only=True, order=True):
    first: int
    last: int
    name: str


def is_ledger_file(path: str, folder: str) -> bool:
    """Whether the path lies directly in the folder and `is_ledger_name` holds for its name."""
    head, _, name = path.rpartition("/")
    return head == folder and _OURS.fullmatch(name) is not None


def concerns_ledger(path: str, folder: str) -> bool:
    """Whether `is_ledger_file` holds for the path, or `check_places` refuses it."""
    return is_ledger_file(path, folder) or _lost_place(path, folder) is not None


def check_places(paths: Iterable[str], folder: str) -> None:
    """Raise LedgerError if a path lies in a folder that has the place of a file of the ledger."""
    for path in paths:
        place = _lost_place(path, folder)
        if place is not None:
            raise LedgerError(
                "it is a folder, and a file of the ledger belongs in its place",
                file=place,
                hint="Restore the file from the branch's history; if there was none, remove the "
                "folder.",
            )


def _lost_place(path: str, folder: str) -> str | None:
    """The ledger file in whose place there is a folder that holds the path."""
    head = f"{folder}/"
    name, below, _ = path.removeprefix(head).partition("/")
    if not (below and path.startswith(head)):
        return None
    return head + name if name == ACTIVE or re.fullmatch(_SEALED, name) else None


def is_ledger_name(name: str) -> bool:
    """Whether a file of that name is a ledger file, or could be taken for one."""
    return _OURS.fullmatch(name) is not None


def is_folded(name: str) -> bool:
    """Whether the name is that of a folded file, which never changes."""
    match = re.fullmatch(_SEALED, name)
    return match is not None and match[2] is not None


def ledger_text(files: Mapping[str, bytes], folder: str, *, without: int = 0) -> bytes:
    """The content of all files, in the order in which it was written. Raises LedgerError for a gap.

    Sealing and folding only move the borders between files, so this text only grows. Line ends are
    always line feeds, because a checkout may convert those of the branch. `without`: how many of
    the oldest files to leave out.
    """
    order = [*ledger_order(files, folder), ACTIVE][without:]
    text = b"".join(with_line_end(files.get(name, b"")) for name in order)
    return text.replace(b"\r\n", b"\n")


def read_events(files: Mapping[str, bytes], folder: str) -> Iterator[Event]:
    """Every event of the ledger, in the order in which the events were written.

    `files` are the folder's files by name; files that are not the ledger's are ignored. Raises
    LedgerError for an unreadable line, and for a sealed file that is missing or there twice.
    """
    names = (*ledger_order(files, folder), ACTIVE)
    return chain.from_iterable(
        decode_events(files.get(name, b""), f"{folder}/{name}") for name in names
    )


def append_events(
    names: Iterable[str], active: bytes, events: Iterable[Event], read: Callable[[str], bytes]
) -> dict[str, bytes | None]:
    """The files to write (None: to delete) so that the ledger ends with the events.

    `names` are the names of the folder's files, `active` is the content of `ledger.jsonl`, and
    `read` gives the content of a sealed file; only files that are folded are read.
    """
    lines = encode_events(events)
    active = with_line_end(active)
    if len(active) < SEAL_BYTES:
        return {ACTIVE: active + lines}
    sealed = _sealed_files(names, "")
    number = sealed[-1].last + 1 if sealed else 1
    name = f"ledger-{number:06d}.jsonl"
    changes: dict[str, bytes | None] = {ACTIVE: lines, name: active}
    # Only the last files in a row: folding across a folded file would change the order of events.
    single = list(takewhile(lambda file: file.first == file.last, reversed(sealed)))[::-1]
    if len(single) + 1 < FOLD_FILES:
        return changes
    content = b"".join(with_line_end(read(file.name)) for file in single) + active
    for file in single:
        changes[file.name] = None
    del changes[name]
    changes[f"ledger-{single[0].first:06d}-{number:06d}.jsonl"] = content
    return changes


def ledger_order(names: Iterable[str], folder: str) -> list[str]:
    """The sealed files in the order in which they were written. Raises LedgerError for a gap."""
    return [sealed.name for sealed in _sealed_files(names, folder)]


def with_line_end(content: bytes) -> bytes:
    """The content, with a line feed after its last line if that has none."""
    return content if content.endswith(b"\n") or not content else content + b"\n"


def _sealed_files(names: Iterable[str], folder: str) -> list[_Sealed]:
    found = []
    for name in names:
        match = re.fullmatch(_SEALED, name)
        if match:
            first = int(match[1])
            found.append(_Sealed(first=first, last=int(match[2] or first), name=name))
        elif name != ACTIVE and _OURS.fullmatch(name):
            raise LedgerError(
                "not the name of a ledger file",
                file=f"{folder}/{name}",
                hint="If it is a copy of yours, give it a name that does not begin with `ledger`: "
                "wherever such a file lies, it is taken for part of a ledger.",
            )
    found.sort()
    following = 1
    for file in found:
        if file.first != following or file.last < file.first:
            what = "overlaps the file before it" if file.first < following else "has a gap before"
            raise LedgerError(
                f"{what}: number {following} was expected",
                file=f"{folder}/{file.name}",
                hint="Restore the folder from the branch's history; nothing is started until then.",
            )
        following = file.last + 1
    return found


def commit_message(environment: str, recorded: Sequence[Event]) -> str:
    """A subject that says what is recorded, `[skip ci]`, and a trailer for each claim."""
    claimed = sum(len(event.runs) for event in recorded if isinstance(event, Claim))
    counts = Counter(
        type(event).__name__.lower() for event in recorded if not isinstance(event, Claim)
    )
    parts = [f"{number} {kind}" for kind, number in counts.items()]
    if claimed:
        parts.append(f"{claimed} claimed")
    claims = (event.claim for event in recorded if not isinstance(event, Resolved) and event.claim)
    return commit_message_of(environment, ", ".join(parts), claims)


def commit_message_of(environment: str, recorded: str, claims: Iterable[Nonce]) -> str:
    """The same for what was recorded in words, under these claims."""
    subject = f"reconciler: {environment}: {recorded} [skip ci]"
    trailers = "".join(f"{TRAILER}: {claim}\n" for claim in dict.fromkeys(claims))
    return f"{subject}\n\n{trailers}" if trailers else f"{subject}\n"
