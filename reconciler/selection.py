"""Which runs a word on the command line means."""

from collections.abc import Callable, Collection

from reconciler.errors import ReconcilerError
from reconciler.model import RunId, covers

Meaning = Callable[[RunId], bool]  # whether a run is meant; it need not exist yet


def find_meant(word: str, runs: Collection[RunId]) -> frozenset[RunId]:
    """Those of the runs that the word means; none if it means nothing."""
    return frozenset(filter(read_word(word, runs), runs))


def unknown_word_error(word: str) -> ReconcilerError:
    """The error for a word that means no run at all."""
    return ReconcilerError(
        f"{word} is neither declared nor recorded", hint="`reconciler status` lists every run."
    )


def read_word(word: str, runs: Collection[RunId]) -> Meaning:
    """What the word means where these runs exist.

    `wind` means the run of that name, in all its revisions and attempts, and every run whose name
    goes on after a slash: the runs of a backfill `wind`. `wind@2` means only the second revision,
    `wind#3` the third attempt. If that is none of the runs, the word means all that begin with it.
    """
    name, revision, attempt = _parts(word)

    def is_named(run: RunId) -> bool:
        return _is_named(run, name, revision, attempt)

    return is_named if any(map(is_named, runs)) else lambda run: run.startswith(word)


def _is_named(run: RunId, name: str, revision: str, attempt: str) -> bool:
    own_name, own_revision, own_attempt = _parts(run)
    return (
        covers(name, own_name)
        and revision in {"", own_revision or "1"}
        and attempt in {"", own_attempt or "1"}
    )


def _parts(word: str) -> tuple[str, str, str]:
    """Name, revision and attempt; "" for a part that is not given."""
    before, _, attempt = word.partition("#")
    name, _, revision = before.partition("@")
    return name, revision, attempt
