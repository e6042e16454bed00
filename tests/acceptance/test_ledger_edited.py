"""The ledger is the reconciler's: a pull request that edits it is red, with the way back."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import LEDGER, Scene, configuration, manifest, runs
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled

_UNDO = "git checkout origin/main -- state/test"


def applied(open_scene: OpenScene) -> Scene:
    """Two runs that were started, and a branch on top of what that recorded."""
    scene = open_scene(runs("a", "b"))
    scene.run("apply")
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    return scene


def drop_last(ledger: Path) -> None:
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))


def delete_folder(ledger: Path) -> None:
    shutil.rmtree(ledger.parent)


def swap(ledger: Path) -> None:
    first, *others, last = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([last, *others, first]))


def forge(ledger: Path) -> None:
    line = ledger.read_bytes().splitlines(keepends=True)[-1]
    ledger.write_bytes(ledger.read_bytes() + line.replace(b'"run":"b"', b'"run":"c"'))


def edit(ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes().replace(b'"b"', b'"c"'))


def empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


EDITS = [drop_last, delete_folder, swap, forge, edit, empty]


@pytest.mark.parametrize("edit", sampled(EDITS, every=6))
def test_a_pull_request_that_edits_the_ledger_is_red(
    open_scene: OpenScene, edit: Callable[[Path], None]
) -> None:
    scene = applied(open_scene)
    scene.run("plan", "--format", "json")
    edit(scene.clone / LEDGER)
    commit(scene.clone, {}, "Tidy")
    plan = scene.run("plan", "--format", "json", exits=1).json
    (problem,) = plan["problems"]
    assert (problem["code"], problem["file"]) == ("ledger-edited", LEDGER)
    assert _UNDO in problem["message"]
    assert [one["code"] for one in plan["refusals"]] == ["ledger-edited"]
    found = scene.run("validate", "--base", "origin/main", "--format", "json", exits=1).json
    assert problem in found["problems"]
    git(scene.clone, *_UNDO.split()[1:])
    assert scene.run("plan", "--format", "json").json["problems"] == []
    scene.run("validate", "--base", "origin/main")


@pytest.mark.parametrize("known", sampled([True, False], every=2))
def test_a_line_that_cannot_be_read_is_answered_with_the_way_back_by_every_command(
    open_scene: OpenScene, known: bool
) -> None:
    scene = applied(open_scene)
    git(scene.clone, "fetch", "--quiet")
    ledger = scene.clone / LEDGER
    first, *others = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(first + b"<<<<<<< HEAD\n" + b"".join(others))
    assert "a merge conflict stands in the ledger" in scene.run("plan", exits=1).flat
    if not known:
        git(scene.clone, "update-ref", "-d", "refs/remotes/origin/main")
    said = scene.run("validate", exits=1).flat
    assert f"{LEDGER}:2:1: ledger-edited: a merge conflict stands in the ledger. " in said
    assert (f"Undo it: `{_UNDO}`. Nothing is started until" in said) is known
    assert ("Restore the file from the branch's history" in said) is not known
    for command in (("plan", "--offline"), ("status", "--offline")):
        said = scene.run(*command, exits=1).err
        assert said.startswith(f"error: {LEDGER}:2: a merge conflict stands in the ledger\n")
        assert (f"  Undo it: `{_UNDO}`. Nothing is started until" in said) is known
        assert ("Restore the file from the branch's history" in said) is not known
    if known:
        git(scene.clone, *_UNDO.split()[1:])
        scene.run("validate")


@pytest.mark.parametrize("edit", sampled(EDITS, every=6))
def test_so_is_one_in_a_pipelines_shallow_clone(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Path], None]
) -> None:
    scene = applied(open_scene)
    edit(scene.clone / LEDGER)
    commit(scene.clone, {}, "Tidy")
    commit(scene.clone, {"README.md": "more\n"})
    git(scene.clone, "push", "--quiet", "origin", "work")
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1", "--branch=work")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    codes = scene.run("plan", "--format", "json", "--repo", str(shallow), exits=1).json["refusals"]
    assert [one["code"] for one in codes] == ["ledger-edited"]


def test_a_checkout_that_is_behind_or_merged_the_branch_is_in_order(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    commit(scene.clone, {"triggers/c.yaml": manifest("c", 3)})
    other = make_clone(scene.origin, scene.folder / "other")
    scene.run("apply", "--repo", str(other))
    assert not (scene.clone / LEDGER).exists()
    scene.run("plan")
    git(scene.clone, "fetch", "--quiet")
    scene.run("validate", "--base", "origin/main")
    git(scene.clone, "merge", "--quiet", "--no-edit", "origin/main")
    commit(other, runs("a", "b"))
    git(other, "push", "--quiet", "origin", "main")
    scene.run("apply", "--repo", str(other))
    scene.run("plan")
    git(scene.clone, "fetch", "--quiet")
    scene.run("validate", "--base", "origin/main")


@pytest.mark.long  # the same in a whole clone stays
def test_the_merge_of_a_pull_request_that_is_behind_is_in_order_in_a_shallow_clone(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = applied(open_scene)
    commit(scene.clone, {"triggers/c.yaml": manifest("c", 3)})
    git(scene.clone, "push", "--quiet", "origin", "work")
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1", "--branch=work")
    other = make_clone(scene.origin, scene.folder / "other")
    commit(other, runs("a", "b", "d"))
    git(other, "push", "--quiet", "origin", "main")
    scene.run("apply", "--repo", str(other))
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    plan = scene.run("plan", "--format", "json", "--repo", str(shallow)).json
    assert [one["run"] for one in plan["changes"]] == ["c"]


def test_a_ledger_that_moves_whole_is_in_order_and_one_that_is_edited_on_the_way_is_not(
    open_scene: OpenScene,
) -> None:
    scene = applied(open_scene)
    renamed = configuration(scene.url).replace("state/test", "state/other")
    git(scene.clone, "mv", "state/test", "state/other")
    commit(scene.clone, {"reconciler.yaml": renamed})
    assert scene.run("plan", "--format", "json").json["problems"] == []
    scene.run("validate", "--base", "origin/main")
    drop_last(scene.clone / "state/other/ledger.jsonl")
    codes = {one["code"] for one in scene.run("plan", "--format", "json", exits=1).json["problems"]}
    assert "ledger-edited" in codes


def test_a_ledger_on_a_branch_of_its_own_is_compared_with_that(open_scene: OpenScene) -> None:
    section = {"ledgerBranch": "ledger"}
    scene = open_scene(runs("a"), configured=lambda url: configuration(url, git_section=section))
    scene.run("apply")
    scene.run("plan")
    commit(scene.clone, {LEDGER: '{"v":1,"event":"claim"}\n'})
    (problem,) = scene.run("plan", "--format", "json", exits=1).json["problems"]
    assert problem["code"] == "ledger-edited"
    git(scene.clone, *_command(problem["message"]))
    assert not (scene.clone / LEDGER).exists()
    commit(scene.clone, {})
    scene.run("plan")


@pytest.mark.parametrize("edit", sampled(EDITS, every=3))
def test_the_way_back_that_a_message_names_works_as_it_stands(
    open_scene: OpenScene, edit: Callable[[Path], None]
) -> None:
    scene = applied(open_scene)
    edit(scene.clone / LEDGER)
    git(scene.clone, "commit", "--quiet", "--all", "--message", "Edit")
    (problem,) = scene.run("plan", "--format", "json", exits=1).json["problems"]
    git(scene.clone, *_command(problem["message"]))
    git(scene.clone, "commit", "--quiet", "--message", "Undo")
    scene.run("plan")


def test_a_ledger_that_was_made_up_is_taken_away_as_the_message_says(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    commit(scene.clone, {LEDGER: '{"v":1,"event":"claim"}\n'})
    (problem,) = scene.run("plan", "--format", "json", exits=1).json["problems"]
    git(scene.clone, *_command(problem["message"]))
    git(scene.clone, "commit", "--quiet", "--message", "Undo")
    scene.run("plan")


def _command(message: str) -> list[str]:
    """The first command of the message, without `git`."""
    git_, *words = shlex.split(message.split("`")[1])
    assert git_ == "git"
    return words


def test_validate_says_that_it_does_not_know_the_base(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    assert (
        "there is no such commit in this clone"
        in scene.run("validate", "--base", "nowhere", exits=1).err
    )


def test_a_ledger_here_that_cannot_be_read_is_not_called_edited(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is known to be another one without being read: it has a file more."""
    scene = applied(open_scene)
    (scene.clone / "state/test/ledger-000001.jsonl").write_bytes(b"")
    git(scene.clone, "add", "state/test/ledger-000001.jsonl")
    monkeypatch.setattr("reconciler.repository.books.MOST_OF_LEDGER", 10)
    said = scene.run("plan", exits=1)
    assert "what is recorded here cannot be known: state/test/ledger.jsonl" in said.err
    assert "only the reconciler writes the ledger" not in said.out + said.err


@pytest.mark.parametrize("added", sampled([b"<<<<<<< HEAD\n", b"\n", b"\xef\xbb\xbf"], every=3))
@pytest.mark.parametrize("command", sampled(["apply", "status", "plan"], every=3))
def test_what_cannot_be_read_among_recorded_lines_is_named_with_file_and_line(
    open_scene: OpenScene, command: str, added: bytes
) -> None:
    """Not only that the ledger is another one than the one that is remembered."""
    scene = open_scene(runs("a", "b"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet")
    first, *others = (scene.clone / LEDGER).read_bytes().splitlines(keepends=True)
    (scene.clone / LEDGER).write_bytes(b"".join([first, added, *others]))
    scene.push({})
    said = scene.run(command, exits=1)
    assert f"{LEDGER}:2: " in said.err
    assert "lost events" not in said.err
    assert len(scene.posts) == 2
