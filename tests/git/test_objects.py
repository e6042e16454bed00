import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import CommitId, Git, ObjectId, TreeEntry, objects, tree
from reconciler.repository.books import CommittedBooks
from reconciler.repository.committed_files import CommittedFiles
from reconciler.repository.declaring import Ceiling
from tests.repositories import commit, git, make_clone, make_origin_and_clone
from tests.sampling import sampled

AWKWARD = ["with space", 'quo"te', "new\nline", "tab\there", "日本", "-dash", ":(top)magic", "*"]


def _head(clone: Path) -> CommitId:
    return CommitId(git(clone, "rev-parse", "HEAD"))


def _paths(entries: list[TreeEntry]) -> list[str]:
    return [entry.path for entry in entries]


def test_only_what_lies_at_or_under_the_paths_is_listed(repository: Git, clone: Path) -> None:
    head = CommitId(commit(clone, {"triggers2/x": "", "triggers/sub/b.yaml": ""}))
    listed = repository.list_tree(head, ["triggers/", "state/prod", "absent"])
    assert _paths(listed) == ["state/prod/ledger.jsonl", "triggers/a.yaml", "triggers/sub/b.yaml"]


@pytest.mark.parametrize("paths", [[], [""], ["triggers", ""]])
def test_no_path_means_the_whole_tree(repository: Git, clone: Path, paths: list[str]) -> None:
    listed = repository.list_tree(_head(clone), paths)
    assert _paths(listed) == ["README.md", "state/prod/ledger.jsonl", "triggers/a.yaml"]


@pytest.mark.parametrize("name", sampled(AWKWARD, every=4))
def test_any_name_is_listed_and_read(repository: Git, clone: Path, name: str) -> None:
    head = CommitId(commit(clone, {f"{name}/{name}": f"in {name}"}))
    (entry,) = repository.list_tree(head, [name])
    assert entry.path == f"{name}/{name}"
    assert repository.read_blobs([entry.oid])[entry.oid] == f"in {name}".encode()


def test_a_name_that_is_not_utf8_is_listed_with_its_bytes(repository: Git, clone: Path) -> None:
    (clone / os.fsdecode(b"caf\xe9")).write_text("")
    (entry,) = repository.list_tree(CommitId(commit(clone, {})), [os.fsdecode(b"caf\xe9")])
    assert entry.path.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_the_current_folder_does_not_matter(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone / "state")
    inside = Git.at(clone / "state")
    assert _paths(inside.list_tree(_head(clone), ["triggers"])) == ["triggers/a.yaml"]


def test_reading_many_files_takes_two_processes(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    head = CommitId(commit(clone, {f"triggers/{n}.yaml": f"n: {n}\n" * n for n in range(300)}))
    git_calls.clear()
    entries = repository.list_tree(head, ["triggers"])
    contents = repository.read_blobs(entry.oid for entry in entries)
    assert len(git_calls) == 2
    by_path = {entry.path: contents[entry.oid] for entry in entries}
    assert by_path["triggers/299.yaml"] == b"n: 299\n" * 299


def test_an_empty_manifest_costs_no_process_more(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    gateway = {"url": "https://a.test", "orgId": "o", "userId": "u", "timezone": "GMT+8"}
    place = {"manifests": "triggers", "state": "state/prod", "gateway": gateway}
    content = json.dumps({"version": 1, "environments": {"prod": place}})
    counts = []
    for name, text in (("b", "# nothing\n"), ("b", "")):
        head = CommitId(commit(clone, {"reconciler.yaml": content, f"triggers/{name}.yaml": text}))
        tree, files = CommittedBooks(repository, head), CommittedFiles(repository)
        environment = files.configuration(tree, "here").environments["prod"]
        git_calls.clear()
        files.read_declared(environment, tree, Ceiling())
        counts.append(len(git_calls))
    assert counts[0] == counts[1]


def test_more_than_the_pipes_can_hold_is_read_without_a_deadlock(
    repository: Git, clone: Path
) -> None:
    number = 2_000  # so that their ids are more than a pipe holds, and their contents, too
    commit(clone, {f"big/{n}": f"{n}\n" * 50 for n in range(number)})
    entries = repository.list_tree(_head(clone), ["big"])
    assert len(repository.read_blobs(entry.oid for entry in entries)) == number


@pytest.mark.parametrize(
    "content", sampled(["", "\n", "no newline", "a\n\nmissing\n", "x\0y"], every=5)
)
def test_contents_come_back_byte_for_byte(repository: Git, clone: Path, content: str) -> None:
    head = CommitId(commit(clone, {"x/one": content, "x/two": content + "2"}))
    entries = repository.list_tree(head, ["x"])
    contents = repository.read_blobs(entry.oid for entry in entries)
    assert [contents[entry.oid] for entry in entries] == [content.encode(), f"{content}2".encode()]


def test_no_blobs_need_no_process(repository: Git, git_calls: list[Sequence[str]]) -> None:
    git_calls.clear()
    assert repository.read_blobs([]) == {}
    assert git_calls == []


def test_a_missing_blob_is_a_clear_error(repository: Git) -> None:
    with pytest.raises(GitError, match="is missing in this clone"):
        repository.read_blobs([ObjectId("1" * 40)])


def test_a_tree_taken_for_a_blob_is_a_clear_error(repository: Git, clone: Path) -> None:
    with pytest.raises(GitError, match="is tree in this clone"):
        repository.read_blobs([ObjectId(git(clone, "rev-parse", "HEAD:state"))])


def test_a_commit_that_is_not_here_is_a_clear_error(repository: Git) -> None:
    with pytest.raises(GitError, match="git ls-tree failed"):
        repository.list_tree(CommitId("1" * 40))


def test_a_submodule_is_reported_as_one_and_not_entered(clone: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    make_origin_and_clone(inner)
    git(clone, "submodule", "--quiet", "add", (inner / "origin.git").as_uri(), "triggers/sub")
    head = CommitId(commit(clone, {}))
    repository = Git.at(clone)
    entries = repository.list_tree(head, ["triggers"])
    assert [(entry.path, entry.is_submodule) for entry in entries] == [
        ("triggers/a.yaml", False),
        ("triggers/sub", True),
    ]


def test_a_partial_clone_reads_what_it_does_not_hold_yet(origin: Path, tmp_path: Path) -> None:
    git(origin, "config", "uploadpack.allowFilter", "true")
    partial = make_clone(origin, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    repository = Git.at(partial)
    (entry,) = repository.list_tree(_head(partial), ["triggers"])
    assert repository.read_blobs([entry.oid]) == {entry.oid: b"a: 1\n"}


_ODD_NAMES = (
    "ledger.jsonl",
    "reconciler.yaml",
    "state/prod",
    "state/prod.yaml",
    "state/prod2/ledger.jsonl",
    "state/prod-old/ledger-000001.jsonl",
    "states/a",
    "x\tstate/a/ledger.jsonl",
    "x\tledger.jsonl",
    "a/state/b/ledger.jsonl",
    "a/ledger/ledger/deep",
    "a/ledger-archive/x.jsonl",
    "line\nbreak/ledger.jsonl",
    "b/myledger.jsonl",
    "umläut/ledger.jsonl",
)


@pytest.mark.parametrize(
    "folder", sampled(["", "state", "state/prod", "a", "x\tstate", "umläut", "none"], every=3)
)
def test_a_tree_shows_what_lies_at_or_in_a_folder(repository: Git, folder: str) -> None:
    made = repository.commit_files(None, dict.fromkeys(_ODD_NAMES, b""), "m")
    entries = repository.list_tree(made)
    wanted = [
        one
        for one in entries
        if not folder or one.path == folder or one.path.startswith(f"{folder}/")
    ]
    assert repository.read_tree(made).under(folder) == wanted


@pytest.mark.parametrize(
    "folder", sampled(["state", "state/prod", "a", "x\tstate", "umläut", "none"], every=3)
)
def test_a_tree_lists_a_folder_as_git_does(repository: Git, clone: Path, folder: str) -> None:
    made = repository.commit_files(None, dict.fromkeys(_ODD_NAMES, b""), "m")
    tree = repository.read_tree(made)
    there = git(clone, "ls-tree", "-rdz", "--name-only", made).split("\0")
    assert (tree.folder(folder) is not None) == (folder in there)
    if folder in there:
        assert tree.folder(folder) == git(clone, "rev-parse", f"{made}:{folder}")
        assert tree.files_of(folder) == git(clone, "ls-tree", "-rz", f"{made}:{folder}")
    for level in ("", *([folder] if folder in there else ())):
        listing = objects.level_listing(tree.level(level) or ())
        assert listing == git(clone, "ls-tree", "-z", f"{made}:{level}")


@pytest.mark.parametrize("names", [("ledger",), ("reconciler.yaml", "myled"), ("x\t",), ("deep",)])
def test_a_tree_shows_what_is_named_so_in_any_folder(
    repository: Git, names: tuple[str, ...]
) -> None:
    made = repository.commit_files(None, dict.fromkeys(_ODD_NAMES, b""), "m")
    entries = repository.list_tree(made)
    wanted = [one for one in entries if one.path.rpartition("/")[2].startswith(names)]
    found = repository.read_tree(made).entries_beginning(*names)
    assert sorted(one.path for one in found) == sorted(one.path for one in wanted)


def test_of_a_large_tree_only_what_is_asked_for_is_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[bytes] = []
    parse = objects.parse_entry

    def watched(record: bytes) -> TreeEntry:
        taken.append(record)
        return parse(record)

    monkeypatch.setattr(tree, "parse_entry", watched)
    record = "100644 blob " + "a" * 40 + "\tsrc/{:05d}/x\0"
    listing = "".join(map(record.format, range(10_000))).encode()
    large = tree.Tree(listing)
    assert [one.path for one in large.under("src/00042")] == ["src/00042/x"]
    assert large.entries_beginning("ledger") == []
    assert len(taken) == 1


def test_files_are_counted_without_being_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "parse_entry", None)
    folders = [f"040000 tree {'b' * 40}\tt/{n}" for n in range(10)]
    files = [f"100644 blob {'a' * 40}\tt/{n}/x" for n in range(10)]
    both = [one for pair in zip(folders, files, strict=True) for one in pair]
    ten = tree.Tree("\0".join([*both, f"100644 blob {'a' * 40}\tu", ""]).encode())
    assert ten.has_more("t", 9)
    assert not ten.has_more("t", 10)
    assert not ten.has_more("v", 0)


def test_small_files_are_read_ahead_by_two_processes_and_large_ones_are_not(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    texts = {f"triggers/{n}.yaml": f"n: {n}\n" for n in range(20)} | {"triggers/x": "x" * 20_000}
    tree = repository.read_tree(CommitId(commit(clone, texts)))
    oids = {one.path: one.oid for one in tree.under("triggers")}
    git_calls.clear()
    repository.read_small_blobs(oids.values())
    assert len(git_calls) == 2
    assert repository.read_bounded_blobs([oids["triggers/7.yaml"]], 100)[0]
    assert len(git_calls) == 2
    _, large = repository.read_bounded_blobs(oids.values(), 10_000)
    assert large == {oids["triggers/x"]}
    assert len(git_calls) == 3


def test_nothing_is_read_ahead_where_it_could_not_be_kept(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    texts = {f"triggers/{n}.yaml": f"n: {n}\n" for n in range(600)}
    tree = repository.read_tree(CommitId(commit(clone, texts)))
    git_calls.clear()
    repository.read_small_blobs(one.oid for one in tree.under("triggers"))
    assert not git_calls
