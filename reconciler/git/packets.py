"""Which branch the remote's HEAD names, as a fetch hears it on the way.

A server lists its HEAD together with the branch that it names, but `git fetch` passes on only the
commit: asking for the name would take another connection. Git can write down what the server said
(`GIT_TRACE_PACKET`, see git(1)), so the name is read there. It is the answer that the fetch itself
went by, and so it is as new as what the fetch has brought.

If nothing can be read there, the caller asks the remote: no version of git promises that format.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from msgspec import Struct

VARIABLE = "GIT_TRACE_PACKET"  # names the file where git writes packets down

_PACKET = rb"packet: +\S+< [0-9a-f]{40,64} HEAD"
_NAMED = _PACKET + rb"(?: symref-target:| ?\\0[^\n]*? ?symref=HEAD:)refs/heads/([^ \n]+)"
# A byte that is not ASCII; no ref's name has a backslash. Some versions of git write such a byte as
# a negative number of 32 bits.
_ESCAPED = rb"\\(?:37777777)?([0-7]{3})"


class Packets(Struct, frozen=True, kw_only=True):
    """Where git writes down what it hears; None: nowhere."""

    file: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """What git must find in its environment."""
        return {} if self.file is None else {VARIABLE: str(self.file)}

    def default(self) -> str | None:
        """The branch that the remote's HEAD named when last asked; None if that was not heard.

        A server does not list a HEAD whose branch does not exist yet, so that is not heard either.
        """
        try:
            said = b"" if self.file is None else self.file.read_bytes()
        except OSError:
            return None
        named = re.findall(_NAMED, said)
        if not named:
            return None
        name = re.sub(_ESCAPED, lambda found: bytes([int(found[1], 8) & 0xFF]), named[-1])
        return name.decode("utf-8", "surrogateescape")


UNHEARD = Packets(file=None)


@contextmanager
def listen_to_packets() -> Iterator[Packets]:
    """Have git write down what it hears, unless a person has git do so already."""
    if os.environ.get(VARIABLE):
        yield UNHEARD
        return
    try:
        file = NamedTemporaryFile(prefix="reconciler-")  # noqa: SIM115 - closed below
    except OSError:  # no room for the file; whatever else needs room will say so itself
        yield UNHEARD
        return
    with file:
        yield Packets(file=Path(file.name))
