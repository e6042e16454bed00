"""A remote that cannot be read for a moment is asked again, and one that says no is not."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git import Git, retrying
from reconciler.git.remote import read_refs
from tests.repositories import git

PASSING = [
    "kex_exchange_identification: Connection closed by remote host",
    "ssh: connect to host git.example.com port 22: Connection refused",
    "ssh: Could not resolve hostname git.example.com: Temporary failure in name resolution",
    "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500",
    "fatal: unable to access 'https://host/': The requested URL returned error: 429",
    "fatal: unable to access 'https://host/': Empty reply from server",
    "fatal: unable to access 'https://host/': Recv failure: Connection reset by peer",
    "fatal: the remote end hung up unexpectedly",
    "fetch-pack: unexpected disconnect while reading sideband packet",
]
CERTAIN = [
    "git@git.example.com: Permission denied (publickey).\nConnection closed by remote host",
    "ERROR: Repository not found.\nfatal: the remote end hung up unexpectedly",
    "fatal: unable to access 'https://host/': The requested URL returned error: 403",
    "fatal: unable to access 'https://host/': server certificate verification failed",
]


_QUESTIONS = 4


class Line(Struct, frozen=True, kw_only=True):
    """What connects the clone to its remote: its first connections fail, with those words."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def fails(self, times: int, said: str) -> None:
        (self.folder / "said").write_text(said)
        program = self.folder / "line"
        program.write_text(
            f"#!/bin/sh\ncd '{self.folder}'\necho >> calls\n"
            f"if [ $(wc -l < calls) -le {times} ]; then cat said >&2; exit 255; fi\n"
            'shift\neval "$@"\n'
        )
        program.chmod(0o755)
        self.monkeypatch.setenv("GIT_SSH_COMMAND", f"'{program}'")
        self.monkeypatch.setenv("GIT_SSH_VARIANT", "simple")

    @property
    def calls(self) -> int:
        return len((self.folder / "calls").read_text().splitlines())


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Path, clone: Path) -> Line:
    git(clone, "remote", "set-url", "origin", f"ssh://git.example.com{origin}")
    return Line(folder=tmp_path, monkeypatch=monkeypatch)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(retrying, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


@pytest.mark.parametrize("said", PASSING)
def test_what_passes_by_itself_is_outlasted_with_longer_pauses(
    repository: Git, origin: Path, line: Line, pauses: list[float], said: str
) -> None:
    line.fails(_QUESTIONS - 1, said)
    assert repository.fetch("origin", ["main"])["main"] == git(origin, "rev-parse", "main")
    assert line.calls == _QUESTIONS
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("said", CERTAIN)
def test_a_certain_refusal_is_heard_once(
    repository: Git, line: Line, pauses: list[float], said: str
) -> None:
    line.fails(100, said)
    with pytest.raises(GitError, match="origin could not be read"):
        repository.fetch("origin", ["main"])
    with pytest.raises(GitError, match="origin could not be read"):
        read_refs(repository.root, "origin", ["main"], timeout=10)
    assert line.calls == len(["fetch", "look"])
    assert not pauses


def test_what_does_not_pass_ends_in_the_remotes_words(
    repository: Git, line: Line, pauses: list[float]
) -> None:
    line.fails(100, PASSING[1])
    with pytest.raises(GitError, match="Connection refused") as caught:
        read_refs(repository.root, "origin", ["main"], timeout=10)
    assert line.calls == _QUESTIONS == len(pauses) + 1
    assert caught.value.hint is not None
