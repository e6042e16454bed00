"""Which branch the remote's HEAD names, as a fetch hears it beside what it brings.

A server lists its HEAD together with the branch that it stands for, and `git fetch` passes on the
commit alone: to hear the name, one would have to ask once more, over a connection of its own. But
git writes down what was said (`GIT_TRACE_PACKET`, see git(1)), so it is read there. It is the
answer that the fetch itself went by, and so as new as what it has brought.

Where nothing can be read there, the caller asks: no version of git has to write it like that.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from msgspec import Struct

VARIABLE = "GIT_TRACE_PACKET"  # where git writes them down

_PACKET = rb"packet: +\S+< [0-9a-f]{40,64} HEAD"
_NAMED = re.compile(
    _PACKET + rb"(?: symref-target:| ?\\0[^\n]*? ?symref=HEAD:)refs/heads/([^ \n]+)",
)
# What is not ASCII; no ref's name has a backslash. Some versions write such a byte as a negative
# number of 32 bits.
_ESCAPED = re.compile(rb"\\(?:37777777)?([0-7]{3})")


class Packets(Struct, frozen=True, kw_only=True):
    """Where git writes down what it hears; None: nowhere."""

    file: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """What git must find in its environment."""
        return {} if self.file is None else {VARIABLE: str(self.file)}

    def default(self) -> str | None:
        """The branch that the remote's HEAD named when it was asked last; None: it was not heard.

        A HEAD that names a branch which is not there yet is not listed, so it is not heard either.
        """
        try:
            said = b"" if self.file is None else self.file.read_bytes()
        except OSError:
            return None
        named = _NAMED.findall(said)
        if not named:
            return None
        name = _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), named[-1])
        return name.decode("utf-8", "surrogateescape")


UNHEARD = Packets(file=None)


@contextmanager
def listening() -> Iterator[Packets]:
    """Have git write down what it hears, until the end. A person who has git do it keeps theirs."""
    if os.environ.get(VARIABLE):
        yield UNHEARD
        return
    try:
        file = NamedTemporaryFile(prefix="reconciler-")  # noqa: SIM115 - closed below
    except OSError:  # no room for it; what needs some says so itself
        yield UNHEARD
        return
    with file:
        yield Packets(file=Path(file.name))
