"""What an apply starts is what the branch says, whoever has written what lies in git's folder."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from reconciler.manifest import FileResult, read_file
from reconciler.manifest.packing import pack, unpack
from reconciler.model import Run
from reconciler.repository import cache, cache_file, commit_cache, committed_files, together
from reconciler.sandbox import SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, manifest, runs
from tests.sampling import sampled

_TOLD = (
    "what was kept of manifests is not what the branch says, so it was deleted, and all are read"
)
_START = len(cache_file._HEADING) + cache_file._CHECKSUM


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is asked about a few files already."""
    monkeypatch.setattr(cache, "_LEAST_FILES", 0)
    monkeypatch.setattr(commit_cache, "_LEAST_FILES", 0)


def kept(scene: Scene) -> Path:
    (found,) = (scene.clone / ".git" / "reconciler").glob("*.cache")
    return found


def rewrite(scene: Scene, change: Callable[[bytes], bytes]) -> None:
    """Write another cache of the same key, whole and with a valid checksum."""
    path = kept(scene)
    columns = msgspec.msgpack.decode(path.read_bytes()[_START:], type=cache_file._KeptColumns)
    changed = msgspec.structs.replace(columns, results=change(columns.results))
    body = msgspec.msgpack.encode(changed)
    path.write_bytes(cache_file._HEADING + cache_file._checksum(body) + body)


def lie(scene: Scene, of: str, **fields: object) -> None:
    """Have the cache say something else of the run of that name."""

    def one(run: Run) -> Run:
        return run.but(**fields) if run.name == of else run

    def false(result: FileResult) -> FileResult:
        return result.but(runs=tuple(map(one, result.runs)))

    rewrite(scene, lambda results: pack(map(false, unpack(results))))


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    """An apply has read `a`, `b` and `c` and has started only `other`."""
    scene = open_scene({**runs("a", "b", "c"), "triggers/other.yaml": manifest("other", 9)})
    scene.run("apply", "other")
    return scene


def test_an_apply_does_not_read_again_what_was_kept_of_a_commit(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "read_file", None)
    monkeypatch.setattr(committed_files, "read_file", None)
    scene.run("apply", "other")


def test_what_is_started_is_read_again_from_the_branch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def watched(source: object, *rest: object) -> FileResult:
        read.append(source.path)  # type: ignore[attr-defined] # a Source
        return read_file(source, *rest)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(together, "read_file", None)
    monkeypatch.setattr(committed_files, "read_file", watched)
    scene.run("apply", "b")
    assert read == ["triggers/b.yaml"]
    assert scene.posts == [9, 2]


def test_a_file_is_known_by_its_blob_and_not_by_its_path(scene: Scene) -> None:
    scene.push({"triggers/b.yaml": manifest("b", 22)})
    scene.run("apply")
    assert sorted(flow or 0 for flow in scene.posts) == [1, 3, 9, 22]


def test_who_switches_the_cache_off_has_everything_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie(scene, "b", flow_id=77)
    before = kept(scene).read_bytes()
    monkeypatch.setenv(cache.SWITCH, "off")
    assert _TOLD not in scene.run("apply").flat
    assert kept(scene).read_bytes() == before


LIES: dict[str, dict[str, object]] = {
    "a flow": {"flow_id": 77},
    "parameters": {"parameters": (("SITE", "elsewhere"),)},
    "a time": {"trigger_time": 1_709_424_000_000},
    "a name": {"name": "mallory"},
    "a digest": {"digest": "0" * 64},
    "another revision": {"revision": 2},
    "a retry": {"not_after": 4_000_000_000_000},
}


@pytest.mark.parametrize("name", sampled(LIES, every=3))
def test_nothing_is_started_that_only_a_cache_says(scene: Scene, name: str) -> None:
    lie(scene, "b", **LIES[name])
    said = scene.run("apply")
    assert said.flat.count(_TOLD) == 1
    assert sorted(flow or 0 for flow in scene.posts) == [1, 2, 3, 9]
    started = scene.instance_of(2)
    assert ("SITE", "b") in started.parameters
    assert "mallory" not in str(scene.ledger())
    assert scene.states() == dict.fromkeys(["a", "b", "c", "other"], "triggered")


def test_a_false_cache_is_deleted(scene: Scene) -> None:
    lie(scene, "b", flow_id=77)
    scene.run("apply")
    assert not list((scene.clone / ".git" / "reconciler").glob("*"))
    assert _TOLD not in scene.run("apply").flat


def test_a_run_that_only_a_cache_invents_is_not_started(scene: Scene) -> None:
    def invented(results: bytes) -> bytes:
        first, *rest = unpack(results)
        more = first.runs[0].but(name="mallory", flow_id=66, digest="1" * 64)
        return pack([first.but(runs=(*first.runs, more)), *rest])

    rewrite(scene, invented)
    said = scene.run("apply")
    assert _TOLD in said.flat
    assert sorted(flow or 0 for flow in scene.posts) == [1, 2, 3, 9]
    assert "mallory" not in said.flat


def test_no_instance_is_cancelled_because_a_cache_says_so(scene: Scene) -> None:
    lie(scene, "other", cancel=True)
    said = scene.run("apply")
    assert _TOLD in said.flat
    assert not [one for one in scene.sandbox.requests if one.operation == "cancel"]
    assert scene.states()["other"] == "triggered"


def test_a_run_does_not_stop_waiting_because_a_cache_says_so(scene: Scene) -> None:
    scene.push({"triggers/late.yaml": manifest("late", 8, dependsOn=["a"])})
    scene.run("apply", "other")
    lie(scene, "late", depends_on=())
    said = scene.run("apply", "late")
    assert _TOLD in said.flat
    assert scene.posts == [9]


def test_what_a_run_waits_for_is_read_again_as_well(open_scene: OpenScene) -> None:
    """The cache says that a revision is awaited that has succeeded already."""
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=10))
    scene.run("apply")
    scene.clock.forward(20)
    scene.push({"triggers/a.yaml": manifest("a", 1, revision=2)})
    scene.push({"triggers/late.yaml": manifest("late", 8, dependsOn=["a"])})
    scene.run("apply", "late")
    lie(scene, "a", revision=1)
    said = scene.run("apply", "late")
    assert _TOLD in said.flat
    assert scene.posts == [1]


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "another form": lambda _: msgspec.msgpack.encode({"a": 1}),
    "half of it": lambda results: results[: len(results) // 2],
    "numbers for words": lambda _: msgspec.msgpack.encode(([], [(1, 2, 3, 4)])),
    "no heads": lambda results: msgspec.msgpack.encode(([], msgspec.msgpack.decode(results)[1])),
    "fewer files": lambda results: pack(list(unpack(results))[:1]),
}


@pytest.mark.parametrize("name", sampled(GARBAGE, every=3))
def test_a_cache_that_nobody_can_read_is_as_if_there_were_none(scene: Scene, name: str) -> None:
    rewrite(scene, GARBAGE[name])
    assert _TOLD not in scene.run("apply").flat
    assert sorted(flow or 0 for flow in scene.posts) == [1, 2, 3, 9]
