"""Which runs a word on the command line means."""

from collections.abc import Callable, Collection

from reconciler.errors import ReconcilerError
from reconciler.model import RunId, covers

Meaning = Callable[[RunId], bool]  # whether a run is meant, also one that is not there yet


def meant_by(word: str, runs: Collection[RunId]) -> frozenset[RunId]:
    """The runs, of those given, that the word means; none if it means nothing."""
    return frozenset(filter(meaning(word, runs), runs))


def nothing_meant(word: str) -> ReconcilerError:
    """The error for a word that means no run at all."""
    return ReconcilerError(
        f"{word} is neither declared nor recorded", hint="`reconciler status` lists every run."
    )


def meaning(word: str, runs: Collection[RunId]) -> Meaning:
    """What the word means where there are these runs.

    `wind` means the run of that name, in all its revisions and attempts, and everything whose name
    goes on after a slash: the runs of a backfill `wind`. `wind@2` means its second revision only,
    `wind#3` the third attempt. Where that is nothing, the word means what begins with it.
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
    """Name, revision and attempt; empty where they are not given."""
    before, _, attempt = word.partition("#")
    name, _, revision = before.partition("@")
    return name, revision, attempt
