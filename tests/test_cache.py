"""What files said before is kept, and nobody can tell by what is found."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from reconciler.cli.main import run
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace
from reconciler.configuration import Environment
from reconciler.expansion import Bounds, Window
from reconciler.git import Git, ObjectId
from reconciler.manifest import FileResult
from reconciler.model import Declared, EpochMs, Source
from reconciler.repository import (
    cache,
    cache_file,
    commit_cache,
    division,
    manifest_files,
    together,
    worktree,
)
from reconciler.repository.books import CommittedBooks
from reconciler.repository.committed import CommittedFile
from reconciler.repository.committed_files import CommittedFiles
from reconciler.repository.declaring import Ceiling, TooManyRunsError, bounds_of, read_related
from tests.corpus.examples import quick_examples
from tests.repositories import PROJECT, git, isolate
from tests.sampling import sampled

CONFIGURATION = """\
version: 1
environments:
  test:
    manifests: triggers
    state: state/test
    gateway: {url: http://127.0.0.1:9, orgId: o1, userId: u1, timezone: Asia/Shanghai}
"""
SITES = {
    # The slow ones have problems, and what has one is read each time.
    "corpus": [*quick_examples("manifests/valid"), *quick_examples("manifests/invalid")],
    "examples": sorted((PROJECT / "reconciler" / "example" / "triggers").rglob("*.yaml")),
    "own": sorted((PROJECT / "triggers").rglob("*.yaml")),
}


EXAMPLE = quick_examples("manifests/valid")[0]


def manifest(name: str, minute: int = 0, flow: int = 1) -> str:
    return (
        f"apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {{name: {name}}}\nspec:\n"
        f'  flowId: {flow}\n  triggerTime: "2024-03-01T00:{minute:02d}:00Z"\n  parameters: {{}}\n'
    )


class Site:
    """A repository with manifests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read: list[str] = []  # the files that were opened
        git(root, "init", "-q")
        (root / "reconciler.yaml").write_text(CONFIGURATION)
        (root / "triggers").mkdir()

    def write(self, *names: str) -> None:
        for number, name in enumerate(names):
            path = self.root / "triggers" / f"{name}.yaml"
            path.write_text(manifest(name, number % 60, number // 60 + 1))

    def declared(self) -> Declared:
        options = _OPTIONS._replace(repo=self.root)
        workspace = Workspace.find(options)
        self.read.clear()
        return workspace.read_declared(workspace.environments[0])

    @property
    def named(self) -> str:
        """The name of the environment's cache."""
        options = _OPTIONS._replace(repo=self.root)
        workspace = Workspace.find(options)
        found = cache.ReadCache.of(workspace.git(), workspace.environments[0], _BOUNDS)
        assert found.path is not None
        return found.path.stem

    @property
    def kept(self) -> Path:
        (found,) = (self.root / ".git" / "reconciler").glob("*.cache")
        return found


_BOUNDS = Bounds(window=Window.of(EpochMs(0), 2000, 100))
_OPTIONS = CommonOptions(repo=None, env=None, quiet=True, verbose=False)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A small one, whose files count as old enough to be known again."""
    isolate(monkeypatch, tmp_path)
    monkeypatch.setattr(cache, "_LEAST_FILES", 1)
    monkeypatch.setattr(cache, "_SETTLED_NS", -(10**12))
    root = tmp_path / "site"
    root.mkdir()
    made = Site(root)
    opened = worktree._FolderReading.open_file

    def watched(reading: worktree._FolderReading, path: str) -> object:
        if path.startswith("triggers/"):
            made.read.append(path)
        return opened(reading, path)

    monkeypatch.setattr(worktree._FolderReading, "open_file", watched)
    return made


def test_files_that_are_the_same_are_not_read_again(site: Site) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    assert len(site.read) == 3
    assert site.declared() == first
    assert site.read == []


def test_only_what_changed_is_read_again(site: Site) -> None:
    site.write(*"abcdef")
    site.declared()
    (site.root / "triggers" / "b.yaml").write_text(manifest("b", 59))
    (site.root / "triggers" / "a.yaml").unlink()
    (site.root / "triggers" / "new.yaml").write_text(manifest("new", 58))
    found = site.declared()
    assert sorted(site.read) == ["triggers/b.yaml", "triggers/new.yaml"]
    assert found == without(site)
    assert site.declared() == found
    assert site.read == []


def without(site: Site, word: str = "off") -> Declared:
    """What is declared, as a command without a cache finds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.SWITCH, word)
        return site.declared()


def test_who_switches_it_off_has_everything_read_and_nothing_written(site: Site) -> None:
    site.write("a", "b", "c")
    without(site)
    assert not (site.root / ".git" / "reconciler").exists()
    site.declared()
    for word in ("off", "OFF"):
        without(site, word)
        assert len(site.read) == 3


def test_a_file_that_is_touched_only_is_read_and_not_parsed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    for path in (site.root / "triggers").iterdir():
        path.touch()
    monkeypatch.setattr("reconciler.repository.together.read_file", None)
    assert site.declared() == first
    assert len(site.read) == 3
    assert site.declared() == first  # which knows it by its new time
    assert site.read == []


def test_an_edit_that_leaves_size_and_time_is_seen(site: Site) -> None:
    site.write("a", "b", "c")
    site.declared()
    path = site.root / "triggers" / "b.yaml"
    before = path.stat()
    path.write_text(path.read_text().replace("flowId: 1", "flowId: 7"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert [run.flow_id for run in site.declared().runs] == [1, 7, 1]


def test_a_file_that_has_only_just_changed_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second edit in the same tick of the clock would leave everything as it is."""
    monkeypatch.setattr(cache, "_SETTLED_NS", 2_000_000_000)
    monkeypatch.setattr(cache, "status_of", lambda _: b"s" * 40)  # a clock that stands still
    site.write("a", "b", "c")
    site.declared()
    path = site.root / "triggers" / "b.yaml"
    path.write_text(path.read_text().replace("flowId: 1", "flowId: 7"))
    assert [run.flow_id for run in site.declared().runs] == [1, 7, 1]


def test_a_file_that_came_just_now_with_an_old_time_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `cp -p` and `tar` bring one: only the time of its status tells that it is new."""
    monkeypatch.setattr(cache, "_SETTLED_NS", 2_000_000_000)
    site.write("a", "b", "c")
    for path in (site.root / "triggers").iterdir():
        os.utime(path, (0, 0))
    site.declared()
    site.declared()
    assert len(site.read) == 3


def test_a_file_of_a_time_that_no_cache_can_hold_is_read_each_time(site: Site) -> None:
    site.write("a", "b", "c")
    for path in (site.root / "triggers").iterdir():
        os.utime(path, ns=(0, 2**63 + 10**10))
    site.declared()
    site.declared()
    assert len(site.read) == 3


def test_a_clock_that_is_not_the_file_systems_proves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "read_file_clock", lambda _: time.time_ns() - 10**10)
    site.write("a", "b", "c")
    first = site.declared()
    assert site.declared() == first
    assert len(site.read) == 3


def report(site: Site, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    code = run([*words, "--repo", str(site.root)])
    said = capsys.readouterr()
    return f"{code}\n{said.out}\n{said.err}"


COMMANDS = (["validate"], ["validate", "--format", "json"], ["plan", "--offline"])


@pytest.mark.parametrize("name", sampled(reversed(SITES), every=3))
def test_every_corpus_reads_the_same_cold_and_warm_and_from_another_version(
    site: Site,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, path in enumerate(SITES[name]):
        (site.root / "triggers" / f"{number:04d}.yaml").write_bytes(path.read_bytes())
    plain = without(site)
    expected = {tuple(words): reported_without(site, capsys, words) for words in COMMANDS}
    for _ in ("cold", "warm"):
        assert site.declared() == plain
        assert {tuple(words): report(site, capsys, *words) for words in COMMANDS} == expected
    site.declared()
    assert len(site.read) < len(SITES[name])
    old = site.kept.read_bytes()
    monkeypatch.setattr(cache, "__version__", "0.0.1")
    cache._program.cache_clear()
    assert site.declared() == plain
    assert len(site.read) == len(SITES[name])
    assert site.kept.read_bytes() != old
    cache._program.cache_clear()


def of_commit(site: Site, *, cached: bool) -> Declared:
    """What the checked out commit declares, as an apply finds it, which then keeps it."""
    workspace = Workspace.find(_OPTIONS._replace(repo=site.root))
    git_here = workspace.git()
    assert git_here is not None
    commit = git_here.read_worktree_commit()
    assert commit is not None
    files = CommittedFiles(git_here, cached=cached)

    def read(environment: Environment, ceiling: Ceiling) -> Declared:
        return files.read_declared(environment, CommittedBooks(git_here, commit), ceiling)

    (environment,) = workspace.environments
    found = read_related(workspace.configuration, environment, read, now=workspace.now)
    files.keep()
    return found[environment.name]


_APPLY = ("apply", "--max-runs", "1")  # which is refused, whatever the gateway would say


def _of_another_version(path: Path) -> None:
    whole = path.read_bytes()
    assert whole.startswith(cache_file._HEADING)
    path.write_bytes(whole.replace(cache_file._HEADING, b"reconciler cache 1\n", 1))


@pytest.fixture
def shared(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Commits everything and pushes it to a remote of the site."""
    monkeypatch.setattr(commit_cache, "_LEAST_FILES", 1)
    for variable in ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY"):
        monkeypatch.setenv(variable, "x")

    def share() -> None:
        git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "origin.git")
        git(site.root, "checkout", "-q", "-b", "main")
        git(site.root, "add", "--all")
        git(site.root, "commit", "-qm", "All")
        git(site.root, "remote", "add", "origin", str(tmp_path / "origin.git"))
        git(site.root, "push", "-q", "-u", "origin", "main")

    return share


@pytest.mark.parametrize("name", sampled(reversed(SITES), every=3))
def test_every_corpus_reads_the_same_in_a_commit_whatever_is_kept(
    site: Site,
    name: str,
    shared: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, path in enumerate(SITES[name]):
        (site.root / "triggers" / f"{number:04d}.yaml").write_bytes(path.read_bytes())
    shared()
    plain = of_commit(site, cached=False)
    expected = reported_without(site, capsys, list(_APPLY))
    assert not (site.root / ".git" / "reconciler").exists()
    for _ in ("cold", "warm"):
        assert of_commit(site, cached=True) == plain
        assert report(site, capsys, *_APPLY) == expected
    whole = site.kept.read_bytes()
    for damage in (*DAMAGES.values(), _of_another_version):
        damage(site.kept)
        assert of_commit(site, cached=True) == plain
        _restore(site, whole)
        damage(site.kept)
        assert report(site, capsys, *_APPLY) == expected
        _restore(site, whole)
    monkeypatch.setattr(cache, "__version__", "0.0.1")
    cache._program.cache_clear()
    assert of_commit(site, cached=True) == plain
    assert report(site, capsys, *_APPLY) == expected
    cache._program.cache_clear()


def _restore(site: Site, whole: bytes) -> None:
    folder = site.root / ".git" / "reconciler"
    name = f"{site.named}.cache"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / name).write_bytes(whole)


def test_what_was_read_in_the_working_tree_is_known_in_a_commit_and_the_reverse(
    site: Site, shared: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a", "b", "c")
    shared()
    plain = site.declared()
    monkeypatch.setattr(together, "read_file", None)
    assert of_commit(site, cached=True) == plain  # by what the blobs hold
    monkeypatch.setattr(Git, "read_bounded_blobs", lambda _, oids, __: (dict.fromkeys(oids), ()))
    assert of_commit(site, cached=True) == plain  # by their ids
    assert site.declared() == plain
    assert site.read == []


def test_an_environment_that_goes_while_an_apply_reads_is_not_kept(
    site: Site, shared: Callable[[], None]
) -> None:
    site.write("a", "b", "c")
    own = "\n".join(CONFIGURATION.splitlines()[3:])
    other = own.replace("triggers", "others").replace("state/test", "state/other")
    (site.root / "reconciler.yaml").write_text(f"{CONFIGURATION}  other:\n{other}\n")
    (site.root / "others").mkdir()
    (site.root / "others" / "d.yaml").write_text(manifest("d", 4))
    shared()
    (site.root / "reconciler.yaml").write_text(CONFIGURATION)
    git(site.root, "commit", "-qam", "Take the other environment away")
    workspace = Workspace.find(_OPTIONS._replace(repo=site.root))
    git_here = workspace.git()
    assert git_here is not None
    files = CommittedFiles(git_here, cached=True)
    for revision in ("HEAD~1", "HEAD"):
        commit = git_here.resolve_commit(revision)
        assert commit is not None
        tree = CommittedBooks(git_here, commit)
        for environment in files.configuration(tree, revision).environments.values():
            ceiling = Ceiling(bounds=bounds_of(environment.limits, workspace.now))
            files.read_declared(environment, tree, ceiling)
    files.keep()
    assert of_commit(site, cached=True) == of_commit(site, cached=False)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("format_of_ids", ["sha1", "sha256"])
def test_a_commits_file_is_read_again_once_its_blob_is_another(
    site: Site, format_of_ids: str
) -> None:
    shutil.rmtree(site.root / ".git")
    git(site.root, "init", "-q", f"--object-format={format_of_ids}")
    site.write(*"abcdef")
    git(site.root, "checkout", "-q", "-b", "main")
    git(site.root, "add", "--all")
    git(site.root, "commit", "-qm", "All")
    first = of_commit(site, cached=True)
    (site.root / "triggers" / "b.yaml").write_text(manifest("b", 59))
    git(site.root, "commit", "-qam", "Edit one")
    assert of_commit(site, cached=True) == of_commit(site, cached=False) != first


BACKFILL_IN_DISGUISE = """\
apiVersion: reconciler/v1
kind: "Back\\x66ill"
metadata: {name: many}
spec:
  flowId: 9
  businessDates: {from: 2024-03-01, to: 2024-03-03, every: 1d}
  parameters: {}
"""


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that nobody knows are opened by whichever of several processes reads them."""
    monkeypatch.setattr(manifest_files, "LEAST_FILES", 2)
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # pytest's own do no harm
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)


def early(site: Site, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """What is declared, as this process finds it when it opens each file in its turn."""
    with monkeypatch.context() as patch:
        patch.setattr(manifest_files, "LEAST_FILES", 10**6)
        return without(site)


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("name", sampled(reversed(SITES), every=3))
def test_every_corpus_reads_the_same_whoever_opens_the_files(
    site: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, path in enumerate(SITES[name]):
        (site.root / "triggers" / f"{number:04d}.yaml").write_bytes(path.read_bytes())
    assert without(site) == early(site, monkeypatch)
    for _ in ("cold", "warm"):
        assert site.declared() == early(site, monkeypatch)


@pytest.mark.usefixtures("late")
def test_what_other_processes_have_opened_is_known_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"run-{number:03d}" for number in range(200)]
    site.write(*names)
    unpackable = site.root / "triggers" / "many.yaml"
    unpackable.write_text(BACKFILL_IN_DISGUISE)
    with monkeypatch.context() as patch:
        patch.setattr(division.Division, "_read_own", lambda *_: None)
        first = site.declared()
        assert site.read == ["triggers/many.yaml"]  # here
    assert first == early(site, monkeypatch)
    unpackable.unlink()
    expected = early(site, monkeypatch)
    for name in names:
        os.utime(site.root / "triggers" / f"{name}.yaml", (1, 1))
    monkeypatch.setattr(manifest_files, "read_file", None)
    monkeypatch.setattr(together, "read_file", None)
    assert site.declared() == expected  # each is opened, and holds what it held
    assert len(site.read) == 200
    assert site.declared() == expected
    assert site.read == []


@pytest.mark.usefixtures("late")
def test_each_file_is_opened_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    site.write(*"abcde")
    without(site)
    assert sorted(site.read) == [f"triggers/{name}.yaml" for name in "abcde"]


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(worktree.MOST_BYTES + 1)


HINDRANCES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("a.yaml"),
    "a repository": lambda path: (path / ".git").mkdir(parents=True),
    "larger than anybody means": _too_large,
    "not text": lambda path: path.write_bytes(b"\xff\xfe"),
    "of a name that cannot be shown": lambda path: (path.parent / "x\n.yaml").touch(),
}


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("hindrance", HINDRANCES.values(), ids=HINDRANCES)
def test_what_hinders_reading_is_told_in_the_same_words(
    site: Site, hindrance: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a", "b", "d")
    hindrance(site.root / "triggers" / "c.yaml")
    assert site.declared() == early(site, monkeypatch)
    assert site.declared().problems


@pytest.mark.usefixtures("late")
def test_files_that_are_too_large_together_are_told_of_in_the_same_words(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a", "b", "c")
    most = (site.root / "triggers" / "a.yaml").stat().st_size * 2
    for module in (worktree, manifest_files):
        monkeypatch.setattr(module, "MOST_TOGETHER", most)
    (problem,) = without(site).problems
    assert "holds more than" in problem.message
    assert without(site) == early(site, monkeypatch)


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(TooManyRunsError) as caught:
        read()
    return str(caught.value)


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("hindrance", HINDRANCES.values(), ids=HINDRANCES)
def test_files_that_declare_too_many_runs_are_counted_the_same(
    site: Site, hindrance: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.root / "reconciler.yaml").write_text(f"{CONFIGURATION}    limits: {{maxRuns: 1}}\n")
    site.write("a", "b", "d")
    hindrance(site.root / "triggers" / "c.yaml")  # which may be none of those that are not read
    told = refused(lambda: early(site, monkeypatch))
    assert "more of its files" in told
    assert refused(lambda: without(site)) == told
    assert refused(site.declared) == told


def reported_without(site: Site, capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.SWITCH, "off")
        return report(site, capsys, *words)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_link(path: Path) -> None:
    elsewhere = path.rename(path.with_name("elsewhere"))
    path.symlink_to(elsewhere)


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "flipped": _flip,
    "empty": lambda path: path.write_bytes(b""),
    "a heading alone": lambda path: path.write_bytes(path.read_bytes()[:19]),
    "foreign": lambda path: path.write_bytes(b"hello\n" * 100),
    "a folder": _as_folder,
    "a link": _as_link,
    "a pipe": _as_pipe,
    "not to be read": lambda path: path.chmod(0),
}


@pytest.mark.parametrize("damage", sampled(DAMAGES.values(), every=5), ids=DAMAGES)
def test_a_damaged_cache_is_not_believed(site: Site, damage: Callable[[Path], object]) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    damage(site.kept)
    assert site.declared() == first
    is_readable = damage is DAMAGES["not to be read"] and os.geteuid() == 0
    assert len(site.read) == (0 if is_readable else 3)
    assert site.declared() == first


def test_no_byte_of_it_can_change_unnoticed(site: Site) -> None:
    site.write("a", "b")
    site.declared()
    key = key_of(site)
    whole = site.kept.read_bytes()
    assert cache_file.load(site.kept, key) is not None
    for at in range(len(whole)):
        site.kept.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert cache_file.load(site.kept, key) is None


def key_of(site: Site) -> bytes:
    keys: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "load", lambda _, key: keys.append(key))
        site.declared()
    return keys[0]


def test_another_users_cache_is_not_believed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert site.declared() == first
    assert len(site.read) == 3


def test_nobody_else_may_read_what_manifests_say(site: Site) -> None:
    site.write("a", "b", "c")
    site.declared()
    assert stat.S_IMODE(site.kept.stat().st_mode) == 0o600


def test_a_full_disk_leaves_nothing_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a", "b", "c")
    first = without(site)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)  # for no test can fill this disk
        assert site.declared() == first
    assert list((site.root / ".git" / "reconciler").iterdir()) == []


def test_a_cache_that_is_too_large_is_not_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    monkeypatch.setattr(cache_file, "MOST_BYTES", site.kept.stat().st_size - 1)
    assert site.declared() == first
    assert len(site.read) == 3


def test_a_whole_cache_of_another_form_is_not_believed(site: Site) -> None:
    site.write("a", "b", "c")
    first = site.declared()
    for body in (b"", b"\xc1", msgspec.msgpack.encode([b"key", 1])):
        site.kept.write_bytes(cache_file._HEADING + cache_file._checksum(body) + body)
        assert site.declared() == first
        assert len(site.read) == 3


def test_a_folder_that_is_a_link_is_not_written_to(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (site.root / ".git" / "reconciler").symlink_to(tmp_path / "elsewhere")
    site.write("a", "b", "c")
    site.declared()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    sampled(
        [
            ("Asia/Shanghai", "Europe/Berlin"),
            ("version: 1", "version: 1\n#"),
            ("Asia/Shanghai}", "Asia/Shanghai}\n    limits: {firstYear: 2025}"),
            ("Asia/Shanghai}", "Asia/Shanghai}\n    limits: {sensitiveParameters: [MODE]}"),
            ("Asia/Shanghai}", "Asia/Shanghai}\n    limits: {maxRuns: 2}"),
            ("Asia/Shanghai}", "Asia/Shanghai}\n    limits: {maxRunsPerBackfill: 1}"),
        ],
        every=4,
    ),
)
def test_a_configuration_that_reads_otherwise_is_obeyed(
    site: Site, capsys: pytest.CaptureFixture[str], was: str, becomes: str
) -> None:
    site.write("a", "b")
    text = manifest("c", 5).replace(
        'triggerTime: "2024-03-01T00:05:00Z"', "businessDate: 2024-07-01"
    )
    text = text.replace("parameters: {}", "parameters: {MODE: full}")
    (site.root / "triggers" / "c.yaml").write_text(text)
    site.declared()
    configuration = site.root / "reconciler.yaml"
    configuration.write_text(configuration.read_text().replace(was, becomes))
    for words in COMMANDS:
        expected = reported_without(site, capsys, words)
        assert report(site, capsys, *words) == expected
    assert report(site, capsys, "validate") == reported_without(site, capsys, ["validate"])


@pytest.mark.parametrize(
    "limit", ["maxRunsPerBackfill: 7", "firstYear: 2020", "sensitiveParameters: [MODE]"]
)
def test_a_limit_that_decides_what_a_file_may_say_is_part_of_the_key(
    site: Site, limit: str
) -> None:
    site.write("a", "b", "c")
    site.declared()
    before = key_of(site)
    text = CONFIGURATION.replace("Asia/Shanghai}", f"Asia/Shanghai}}\n    limits: {{{limit}}}")
    (site.root / "reconciler.yaml").write_text(text)
    assert key_of(site) != before


@pytest.mark.parametrize(
    ("name", "another"),
    [
        ("__version__", "0.0.1"),
        ("ZONES_VERSION", "2000a"),
        ("sys.version", "3.11.0"),
        ("_LIBRARIES", ("pyyaml",)),
        ("get_version_string", lambda: "0.0.1"),
        ("_source_digest", lambda _: "0"),
    ],
)
def test_each_part_of_the_program_that_reads_is_part_of_the_key(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, another: object
) -> None:
    site.write("a", "b", "c")
    site.declared()
    before = key_of(site)
    cache._program.cache_clear()
    monkeypatch.setattr(f"reconciler.repository.cache.{name}", another)
    assert key_of(site) != before
    cache._program.cache_clear()


def test_a_module_that_is_changed_is_another_program(tmp_path: Path) -> None:
    package = tmp_path / "reconciler"
    shutil.copytree(PROJECT / "reconciler", package)
    before = cache._source_digest(package)
    for changed in ("model.py", "manifest/build.py", "schemas/trigger.schema.json"):
        with (package / changed).open("a") as file:
            file.write("\n")
        assert cache._source_digest(package) != before
        before = cache._source_digest(package)


def test_a_time_that_was_allowed_is_not_when_the_clock_goes_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_six_years = time.gmtime(time.time() + 6 * 366 * 86_400)
    site.write("a", "b")
    path = site.root / "triggers" / "b.yaml"
    path.write_text(path.read_text().replace("2024-", f"{in_six_years.tm_year}-"))
    now = Workspace.find(_OPTIONS._replace(repo=site.root)).now
    find = Workspace.find

    def later(options: CommonOptions) -> Workspace:
        return replace(find(options), now=now + 2 * 366 * 86_400_000)

    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "find", later)
        assert not site.declared().problems
    assert [one.code for one in site.declared().problems] == ["range"]


def test_what_is_gone_is_let_go(site: Site) -> None:
    names = [f"r{number}" for number in range(30)]
    site.write(*names)
    site.declared()
    large = site.kept.stat().st_size
    for name in names[3:]:
        (site.root / "triggers" / f"{name}.yaml").unlink()
    site.declared()
    assert site.kept.stat().st_size < large / 4


def test_where_few_files_are_left_the_cache_is_taken_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"r{number}" for number in range(30)]
    site.write(*names)
    site.declared()
    monkeypatch.setattr(cache, "_LEAST_FILES", 5)
    for name in names[3:]:
        (site.root / "triggers" / f"{name}.yaml").unlink()
    site.declared()
    assert list((site.root / ".git" / "reconciler").iterdir()) == []


def test_there_are_never_many_caches(site: Site) -> None:
    site.write("a", "b", "c")
    configuration = site.root / "reconciler.yaml"
    for number in range(20):
        configuration.write_text(CONFIGURATION.replace("  test:", f"  test{number}:"))
        site.declared()
    assert len(list((site.root / ".git" / "reconciler").iterdir())) == 16


def test_a_cache_that_would_be_too_large_is_not_written(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_file, "MOST_BYTES", 500)
    site.write(*(f"r{number}" for number in range(30)))
    site.declared()
    assert list((site.root / ".git" / "reconciler").iterdir()) == []


def test_what_is_judged_before_it_is_written_is_not_kept(site: Site) -> None:
    site.write("a", "b", "c")
    options = _OPTIONS._replace(repo=site.root)
    other = Source(path="triggers/b.yaml", content=manifest("other", 7).encode())
    workspace = replace(Workspace.find(options), unwritten=other)
    found = workspace.read_declared(workspace.environments[0])
    assert "other" in {run.name for run in found.runs}
    assert [run.name for run in site.declared().runs] == ["a", "b", "c"]


def test_a_few_files_have_no_cache(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    site.write("a", "b", "c")
    site.declared()
    assert not (site.root / ".git" / "reconciler").exists()


def test_a_problem_keeps_its_place_and_is_read_each_time(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write("a", "b", "c")
    (site.root / "triggers" / "bad.yaml").write_text("kind: Trigger\nspec: 1\n")
    first = report(site, capsys, "validate")
    site.read.clear()
    assert report(site, capsys, "validate") == first
    assert site.read == ["triggers/bad.yaml"]


def test_all_that_is_imported_to_read_a_manifest_is_part_of_the_key() -> None:
    code = "import sys, reconciler.manifest.packing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = (name.split(".") for name in done.stdout.split() if name.startswith("reconciler."))
    known = {name.removesuffix(".py") for name in cache._READERS}
    assert {part[1] for part in parts} <= known


def test_all_libraries_that_read_a_manifest_are_part_of_the_key() -> None:
    code = (
        "import sys; from datetime import UTC; from pathlib import Path\n"
        "from reconciler.manifest import packing, read_file; from reconciler.model import Source\n"
        f"content = Path({str(EXAMPLE)!r}).read_bytes()\n"
        "assert read_file(Source(path='a.yaml', content=content), UTC).runs; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    of_modules = packages_distributions()
    tops = {name.partition(".")[0] for name in done.stdout.split()} - {"reconciler", "__main__"}
    found = {one.lower().replace("_", "-") for top in tops for one in of_modules.get(top, ())}
    besides = {"setuptools", "tzdata", "typing-extensions"}  # tzdata's version is asked of itself
    assert found - besides <= set(cache._LIBRARIES)


@pytest.fixture
def many(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """So many that a process of its own keeps them."""
    monkeypatch.undo()
    isolate(monkeypatch, site.root.parent)
    site.write(*(f"r{number:03d}" for number in range(300)))
    return site


def started(site: Site) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "reconciler", "validate", "--format", "json"]
    return subprocess.Popen(
        [*command, "--repo", str(site.root)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.long  # eight processes; what one leaves half written is tried below
def test_processes_at_once_say_the_same(many: Site) -> None:
    for _ in ("cold", "warm"):
        processes = [started(many) for _ in range(4)]
        assert len({process.communicate()[0] for process in processes}) == 1
        assert [one.suffix for one in (many.root / ".git" / "reconciler").iterdir()] == [".cache"]


def test_a_process_that_is_killed_over_it_leaves_nothing_that_is_believed(site: Site) -> None:
    site.write("a", "b", "c")
    first = without(site)
    child = os.fork()
    if child == 0:
        os.replace = lambda *_: os._exit(9)
        Path.replace = lambda *_: os._exit(9)  # type: ignore[method-assign] # as a kill before it
        site.declared()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = (site.root / ".git" / "reconciler").iterdir()
    assert left.suffix == ".new"
    assert site.declared() == first  # and takes it for the work of another process
    of_another = left.with_stem("of_an_environment_that_is_gone")
    of_another.write_bytes(b"")
    for one, moment in ((left, time.time() + 10**6), (of_another, 0.0)):  # by another clock, too
        os.utime(one, (moment, moment))
    assert site.declared() == first
    assert [one.suffix for one in left.parent.iterdir()] == [".cache"]


def test_what_was_met_is_forgotten_with_the_environment_that_it_was_read_by(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache knows a file by a number of its own, which is another file's in the next cache."""
    monkeypatch.setattr(commit_cache, "_LEAST_FILES", 1)
    site.write("a", "b")
    site.declared()
    site.write("c", "d", "e")
    workspace = Workspace.find(_OPTIONS._replace(repo=site.root))
    git_here, (environment,) = workspace.git(), workspace.environments
    assert git_here is not None
    bounds = bounds_of(environment.limits, workspace.now)
    caches = commit_cache.CommitCache(git_here)
    moved = replace(environment, manifests="elsewhere")
    said = []
    for of, names in ((environment, "ab"), (moved, "cde")):
        asked = caches.of(of, bounds, len(names))
        for name in names:
            file = CommittedFile(path=f"triggers/{name}.yaml", oid=ObjectId(name * 40))
            content = (site.root / file.path).read_bytes()
            known = caches.find_by_content(asked, file, Source(path=file.path, content=content))
            assert (known is not None) == (of is environment)
            said.append((file, file.path, FileResult(file=file.path, runs=(), problems=())))
    caches.keep(moved.name, said)
    assert len(list((site.root / ".git" / "reconciler").glob("*.cache"))) == 2
