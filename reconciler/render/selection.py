"""Which runs a word on the command line means."""

from collections.abc import Collection

from reconciler.model import RunId, covers


def meant_by(word: str, runs: Collection[RunId]) -> frozenset[RunId]:
    """The runs, of those given, that the word means; none if it means nothing.

    `wind` means the run of that name, in all its revisions and attempts, and everything whose name
    goes on after a slash: the runs of a backfill `wind`. `wind@2` means its second revision only,
    `wind#3` the third attempt. Where that is nothing, the word means what begins with it.
    """
    name, revision, attempt = _parts(word)
    named = frozenset(run for run in runs if _is_named(run, name, revision, attempt))
    return named or frozenset(run for run in runs if run.startswith(word))


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
