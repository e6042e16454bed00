"""Where ledgers lie: moved, copied, linked, damaged, or named by two configurations."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from reconciler.errors import LedgerError
from reconciler.git import CommitId, Git
from reconciler.ledger import Event, read_events
from reconciler.repository.books import CommittedBooks, list_local_files, read_local_files
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest, runs
from tests.acceptance.test_identity import COMMANDS, configured, refused
from tests.repositories import git
from tests.sampling import sampled

RENAMED = {"state": "state/prod"}
ORPHANED = "orphaned: state/test holds a ledger that no environment names"


@pytest.fixture
def applied(open_scene: OpenScene) -> Scene:
    """A run that the environment `test` has started."""
    scene = open_scene(runs("a"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    return scene


@pytest.mark.long  # the simulation of estates lives it
def test_a_ledger_that_is_copied_is_continued_by_its_copy(applied: Scene) -> None:
    shutil.copytree(applied.clone / "state/test", applied.clone / "state/prod")
    renamed = configured(prod=dict(RENAMED))
    applied.push({"reconciler.yaml": renamed(applied.url), **runs("a", "b")})
    for command in COMMANDS:
        applied.run(command)
    assert [one.flow_id for one in applied.instances] == [1, 2]


def test_a_pull_request_that_moves_a_ledger_is_planned_as_it_will_be(applied: Scene) -> None:
    git(applied.clone, "mv", "state/test", "state/prod")
    text = configured(prod=dict(RENAMED))(applied.url)
    (applied.clone / "reconciler.yaml").write_text(text)
    assert "1 done" in applied.run("plan").out
    shutil.rmtree(applied.clone / "state/prod")
    assert ORPHANED in applied.run("plan", exits=1).flat


def test_a_ledger_in_the_top_folder_is_called_by_its_place(applied: Scene) -> None:
    """As where somebody pushes what the remote keeps of a ledger as its branch."""
    (applied.clone / "state/test/ledger.jsonl").rename(applied.clone / "ledger.jsonl")
    applied.push({"reconciler.yaml": configured(prod=dict(RENAMED))(applied.url)})
    said = applied.run("plan", exits=1).flat
    assert "ledger.jsonl:1:1: orphaned: the top folder holds a ledger" in said
    assert "(`git mv ledger*.jsonl STATE_FOLDER`)" in said


@pytest.mark.long  # that of a copied configuration stays
@pytest.mark.parametrize(
    "folder", sampled(["State/test", "state/Test", "state/test/inner"], every=3)
)
def test_a_folder_that_only_looks_the_same_is_another_one(applied: Scene, folder: str) -> None:
    applied.push({"reconciler.yaml": configured(test={"state": folder})(applied.url)})
    refused(applied, ORPHANED)


@pytest.mark.parametrize(
    ("link", "state"), sampled([("state/prod", "state/prod"), ("link", "link/test")], every=2)
)
def test_a_ledger_is_not_looked_for_through_links(applied: Scene, link: str, state: str) -> None:
    (applied.clone / link).symlink_to("test" if "/" in link else "state")
    applied.push({"reconciler.yaml": configured(test={"state": state})(applied.url)})
    refused(applied, link)
    for command in ("plan", "apply"):
        said = applied.run(command, exits=1)
        assert f"{link} is a link, a file or a repository of its own" in said.flat


@pytest.mark.parametrize("name", sampled(["ledger.jsonl", "ledger-000001.jsonl"], every=2))
def test_a_folder_in_the_place_of_a_ledger_file_is_refused_by_all(
    open_scene: OpenScene, name: str
) -> None:
    scene = open_scene({**runs("a"), f"state/test/{name}/note": "x\n"})
    refused(scene, f"state/test/{name}:")
    for command in ("validate", "plan", "apply"):
        said = scene.run(command, exits=1).flat
        assert "it is a folder, and a file of the ledger belongs in its place" in said
        assert "Restore the file" in said


@pytest.mark.parametrize(
    "first", sampled(["<<<<<<< HEAD\n", "\n", "# a note\n", '{"v":99,"event":"new"}\n'], every=4)
)
def test_a_damaged_ledger_that_nobody_names_is_not_passed_over(applied: Scene, first: str) -> None:
    path = applied.clone / "state/test/ledger.jsonl"
    path.write_text(first + path.read_text())
    applied.push({"reconciler.yaml": configured(prod=dict(RENAMED))(applied.url)})
    refused(applied, "state/test/ledger.jsonl:1:")


def test_a_configuration_that_is_copied_into_a_folder_starts_nothing_again(
    applied: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = {"sub/triggers/a.yaml": manifest("a", 1)}
    applied.push({"sub/reconciler.yaml": configuration(applied.url), **copied})
    monkeypatch.chdir(applied.clone / "sub")
    refused(applied, "a is the same run as a, which is recorded in state/test")


@pytest.mark.parametrize("with_ledger", sampled([True, False], every=2))
def test_a_configuration_that_moves_into_a_folder_goes_on_with_its_ledger(
    applied: Scene, monkeypatch: pytest.MonkeyPatch, *, with_ledger: bool
) -> None:
    (applied.clone / "sub").mkdir()
    for one in ("reconciler.yaml", "triggers", *(["state"] if with_ledger else [])):
        git(applied.clone, "mv", one, f"sub/{one}")
    applied.push({"sub/triggers/b.yaml": manifest("b", 2)})
    monkeypatch.chdir(applied.clone / "sub")
    if with_ledger:
        applied.run("apply")
        assert [one.flow_id for one in applied.instances] == [1, 2]
    else:
        refused(applied, ORPHANED)


@pytest.mark.parametrize(
    ("kind", "folder", "inner"),
    sampled(
        [
            ("state", "part/state/test", "part/state/test"),
            ("state", "part/state", "part/state/test"),
            ("state", "part/State/TEST", "part/state/test"),
            ("manifests", "part/triggers", "part/triggers"),
            ("manifests", "part", "part/triggers"),
        ],
        every=3,
    ),
)
def test_folders_of_two_configurations_overlap_nowhere(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, kind: str, folder: str, inner: str
) -> None:
    scene = open_scene(runs("a"), configured=configured(test={kind: folder}))
    scene.push({"part/reconciler.yaml": configuration(scene.url), **manifests_in(folder)})
    refused(scene, f"part/reconciler.yaml names {inner} as {kind} of environment test")
    monkeypatch.chdir(scene.clone / "part")
    refused(scene, f"error: reconciler.yaml names {folder} as {kind} of environment test")
    assert scene.instances == []


def manifests_in(folder: str) -> dict[str, str]:
    return {f"{folder}/a.yaml": manifest("a", 1)}


@pytest.mark.long  # the simulation of estates lives it
def test_a_retired_ledger_beside_a_ledger_branch_is_read_by_plan_as_well(applied: Scene) -> None:
    text = configured(prod=dict(RENAMED), retired=["state/test"])(applied.url)
    branch = text.replace("version: 1\n", "version: 1\ngit: {ledgerBranch: ledger}\n")
    applied.push({"reconciler.yaml": branch})
    refused(applied, "a is the same run as a, which is recorded in state/test")


@pytest.mark.parametrize("command", sampled(["validate", "plan", "apply"], every=3))
def test_each_ledger_is_read_once_however_many_environments_there_are(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    names = ("test", "b", "c")
    files = {
        f"triggers{'' if name == 'test' else f'-{name}'}/{name}.yaml": manifest(name, flow)
        for flow, name in enumerate(names, start=1)
    }
    scene = open_scene(files, configured=lambda url: configuration(url, environments=names))
    for name in names:
        scene.run("apply", "--env", name)
    git(scene.clone, "pull", "--quiet", "origin", "main")
    read: Counter[str] = Counter()
    events = read_events

    def counted(content: Mapping[str, bytes], folder: str) -> Iterator[Event]:
        read[folder] += 1
        return events(content, folder)

    monkeypatch.setattr("reconciler.repository.books.read_events", counted)
    scene.run(command, *(["--env", "test"] if command == "apply" else []))
    assert read.keys() <= {f"state/{name}" for name in names}
    assert set(read.values()) == {1}


def test_what_lies_here_is_read_when_it_is_asked_for_and_not_kept(applied: Scene) -> None:
    git = Git.at(applied.clone)
    (here,) = read_local_files(git, list_local_files(git))[0].values()
    (there,) = CommittedBooks(Git.at(applied.clone), CommitId("HEAD")).read_by_folder().values()
    assert (here == there.content, there.content == here, here == dict(here)) == (True, True, True)
    assert here != {**here, "ledger-000001.jsonl": b""}
    ledger = applied.clone / "state/test/ledger.jsonl"
    ledger.write_bytes(b"edited\n")
    assert here["ledger.jsonl"] == b"edited\n"
    assert here != there.content
    ledger.unlink()
    assert "ledger.jsonl" in here
    with pytest.raises(LedgerError, match="cannot be known: state/test/"):
        here["ledger.jsonl"]
