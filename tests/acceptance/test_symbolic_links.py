"""No symbolic link is followed in a folder of manifests, on the disk and in git alike."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest, runs
from tests.sampling import sampled

_READING = (("validate",), ("plan", "--offline"), ("plan",), ("apply",))
_WORDS = "link: is a symbolic link, and none is followed: put the file or the folder itself here"


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    """One run, and beside the folder of manifests a manifest that no link may bring in."""
    return open_scene(runs("a") | {"shared/b.yaml": manifest("b", 2)})


def _refused(scene: Scene, path: str) -> None:
    for command in _READING:
        said = scene.run(*command, exits=1)
        assert f"{path}:1:1: {_WORDS}" in said.flat
    assert scene.posts == []


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize(
    ("name", "target"),
    sampled(
        [
            ("b.yaml", "../shared/b.yaml"),
            ("again.yaml", "a.yaml"),
            ("more", "../shared"),
            ("notes.txt", "../shared/b.yaml"),
            ("gone.yaml", "nowhere.yaml"),
            ("out.yaml", "../../outside.yaml"),
        ],
        every=3,
    ),
)
def test_a_link_is_one_problem_at_its_path_wherever_it_leads(
    scene: Scene, name: str, target: str, *, is_committed: bool
) -> None:
    (scene.folder / "outside.yaml").write_text(manifest("outside", 9))
    (scene.clone / "triggers" / name).symlink_to(target)
    if is_committed:
        scene.push({})
        _refused(scene, f"triggers/{name}")
        return
    said = scene.run("validate", exits=1)
    assert said.out == f"triggers/{name}:1:1: {_WORDS}\n1 problem in 1 file, 1 run\n"
    if name != "gone.yaml":  # which is no path that there is
        of_it = scene.run("validate", f"triggers/{name}", exits=1)
        assert of_it.out == said.out.replace(" in 1 file, 1 run", "")


@pytest.mark.parametrize("link", ["linked", "linked/deep", ".hidden"])
def test_a_folder_of_manifests_is_no_link_and_lies_behind_none(
    open_scene: OpenScene, link: str
) -> None:
    folder = "linked/deep" if link == "linked" else link
    scene = open_scene(
        {"real/deep/a.yaml": manifest("a", 1)},
        configured=lambda url: configuration(url).replace("triggers", folder),
    )
    (scene.clone / link).parent.mkdir(exist_ok=True)
    (scene.clone / link).symlink_to("../real/deep" if "/" in link else "real")
    scene.push({})
    _refused(scene, link)


def test_a_file_where_a_folder_on_the_way_is_wanted_is_a_problem_on_the_branch_too(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        {"linked": "a file"},
        configured=lambda url: configuration(url).replace("triggers", "linked/deep"),
    )
    for command in _READING:
        said = scene.run(*command, exits=1)
        assert "linked:1:1: unreadable: cannot be read: it is not a folder" in said.flat


def test_a_repository_may_lie_behind_links(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene.folder / "tmp").symlink_to(scene.folder)
    behind = scene.folder / "tmp" / scene.clone.name
    scene.run("validate", "--repo", str(behind))
    monkeypatch.chdir(behind)
    monkeypatch.setenv("PWD", str(behind))
    scene.run("validate", str(behind / "triggers" / "a.yaml"))
    scene.run("plan")
    scene.run("apply")
    assert scene.posts == [1]


def test_what_an_editor_marks_an_open_file_by_is_no_problem(scene: Scene) -> None:
    (scene.clone / "triggers" / ".#a.yaml").symlink_to("me@host.1234:567")
    scene.run("validate")
    scene.push({})
    scene.run("apply")
    assert scene.posts == [1]


def test_links_elsewhere_in_the_repository_are_nobodys_business(scene: Scene) -> None:
    Path(scene.clone / "latest").symlink_to("shared/b.yaml")
    scene.push({})
    scene.run("plan")
    scene.run("apply")
