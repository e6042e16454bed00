"""A push that is refused for certain ends an apply at once, with its own cause and cure."""

import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest

from reconciler.git import retrying
from tests.acceptance.conftest import OpenScene
from tests.acceptance.git_server import Front, fronted
from tests.acceptance.scene import Scene, runs
from tests.repositories import git, make_clone, say_ok_and_move_nothing, write_hook
from tests.sampling import sampled

_BUSY_SENDINGS = 3
_IDENTITY = "Allow the reconciler's identity to push"


@pytest.fixture
def scene(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(retrying, "_PAUSE_SECONDS", 0.01)
    return open_scene(runs("a"))


@pytest.fixture
def front(scene: Scene) -> Iterator[Front]:
    """The scene's origin behind a web server."""
    with fronted(scene.folder) as front:
        url = f"http://127.0.0.1:{front.port}/{scene.origin.name}"
        git(scene.origin, "config", "http.receivepack", "true")
        git(scene.clone, "remote", "set-url", "origin", url)
        yield front


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The pushes that are made from now on."""
    calls: list[Sequence[str]] = []
    start = subprocess.Popen.__init__

    def watched(self: object, args: Sequence[object], *rest: object, **options: object) -> None:
        words = [str(word) for word in args]
        if "b'push'" in words:
            calls.append(words)
        start(self, args, *rest, **options)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    return calls


@pytest.mark.parametrize("early", sampled([True, False], every=2))
@pytest.mark.parametrize(
    ("status", "words", "sendings"),
    sampled(
        [
            (413, "takes no request of that size", 1),
            (411, "cannot make sense of git's request", 1),
            (429, "is busy, or wants to be asked less often", _BUSY_SENDINGS),
            (503, "is busy, or wants to be asked less often", _BUSY_SENDINGS),
        ],
        every=3,
    ),
)
def test_each_refusal_over_http_has_its_cause_and_is_not_tried_over_and_over(
    scene: Scene,
    front: Front,
    pushes: list[Sequence[str]],
    status: int,
    words: str,
    sendings: int,
    *,
    early: bool,
) -> None:
    front.status, front.early = status, early
    said = scene.run("apply", exits=1)
    assert f"returned error: {status}" in said.err
    assert words in said.flat
    assert _IDENTITY not in said.flat
    assert len(pushes) == sendings
    assert scene.posts == []


@pytest.mark.parametrize("status", sampled([429, 503], every=2))
def test_a_server_that_is_busy_for_a_moment_ends_no_apply(
    scene: Scene, front: Front, status: int
) -> None:
    front.status, front.times = status, 1
    scene.run("apply")
    assert scene.posts == [1]


def _page(front: Front) -> None:
    front.log_in()


def _redirect(front: Front) -> None:
    front.status, front.location = 302, "/login"


@pytest.mark.parametrize(
    ("answer", "early", "sendings"),
    # To git, a page for refs is a server that has none: that may pass.
    sampled(
        [(_page, False, 1), (_page, True, 4), (_redirect, False, 1), (_redirect, True, 1)], every=3
    ),
)
def test_a_login_page_is_named(
    scene: Scene,
    front: Front,
    pushes: list[Sequence[str]],
    answer: Callable[[Front], None],
    sendings: int,
    *,
    early: bool,
) -> None:
    answer(front)
    front.early = early
    said = scene.run("apply", exits=1)
    assert "login page" in said.flat
    assert len(pushes) == sendings
    assert scene.posts == []


def test_who_may_not_push_is_told_what_to_allow(scene: Scene, front: Front) -> None:
    front.status = 403
    assert _IDENTITY in scene.run("apply", exits=1).flat
    assert scene.posts == []


def test_an_address_to_push_to_that_holds_no_repository_is_named(
    scene: Scene, pushes: list[Sequence[str]]
) -> None:
    git(scene.clone, "remote", "set-url", "--push", "origin", str(scene.folder / "nothing"))
    said = scene.run("apply", exits=1)
    assert "does not appear to be a git repository" in said.err
    assert "check the remote's address" in said.err
    assert len(pushes) == 1


def test_a_branch_that_is_checked_out_there_is_named(
    scene: Scene, pushes: list[Sequence[str]]
) -> None:
    served = make_clone(scene.origin, scene.folder / "served")
    git(scene.clone, "remote", "set-url", "origin", served.as_uri())
    said = scene.run("apply", exits=1)
    assert "let it be a bare repository" in said.flat
    assert len(pushes) == 1
    assert scene.posts == []


def test_a_server_that_cannot_store_a_push_is_named(
    scene: Scene, pushes: list[Sequence[str]]
) -> None:
    git(scene.origin, "config", "receive.maxInputSize", "10")
    said = scene.run("apply", exits=1)
    assert "could not store it: look there whether the disk is full" in said.flat
    assert _IDENTITY not in said.flat
    assert len(pushes) == _BUSY_SENDINGS
    assert scene.posts == []


def test_a_push_that_becomes_a_merge_request_is_said_to_have_gone_there(scene: Scene) -> None:
    say_ok_and_move_nothing(scene.origin)
    write_hook(scene.origin, "post-receive", "echo 'View it: https://h.example/mr/7' >&2")
    said = scene.run("apply", exits=1)
    assert "by the remote's words it went to https://h.example/mr/7" in said.flat
    assert scene.posts == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("push.gpgSign", "true", "unset what asks for it in this clone"),
        ("commit.gpgSign", "true", "make signing work without a prompt"),
    ],
)
def test_a_signature_that_cannot_be_made_is_the_cause(
    scene: Scene, pushes: list[Sequence[str]], name: str, value: str, words: str
) -> None:
    git(scene.origin, "config", "receive.certNonceSeed", "seed")  # it takes signed pushes
    git(scene.clone, "config", name, value)
    said = scene.run("apply", exits=1)
    assert words in said.flat
    assert _IDENTITY not in said.flat
    assert len(pushes) <= 1
    assert scene.posts == []


@pytest.mark.parametrize(
    ("name", "value"),
    sampled(
        [
            ("push.gpgSign", "true"),
            ("push.pushOption", "ci.skip"),
            ("remote.origin.mirror", "true"),
        ],
        every=3,
    ),
)
def test_what_a_person_has_set_for_pushes_costs_a_claim_nothing(
    scene: Scene, name: str, value: str
) -> None:
    git(scene.clone, "config", name, value)
    said = scene.run("apply")
    assert "not answered" not in said.flat
    assert scene.posts == [1]
    assert [event["event"] for event in scene.ledger()] == ["claim", "triggered"]


def test_objects_that_are_removed_while_they_are_pushed_are_the_cause(
    scene: Scene, pushes: list[Sequence[str]]
) -> None:
    # What receives the push on the other side cleans up on this one before anything is packed.
    program = scene.folder / "receive"
    program.write_text(
        f"#!/bin/sh\ngit -C '{scene.clone}' gc --quiet --prune=now\nexec git receive-pack \"$@\"\n"
    )
    program.chmod(0o755)
    git(scene.clone, "config", "remote.origin.receivepack", str(program))
    said = scene.run("apply", exits=1)
    assert "an object is gone from this clone" in said.flat
    assert _IDENTITY not in said.flat
    assert len(pushes) == 1
    assert scene.posts == []
    git(scene.clone, "config", "--unset", "remote.origin.receivepack")
    scene.run("apply")
    assert scene.posts == [1]
