from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import CommitId, Git, lasting
from tests.repositories import commit, fingerprint, git, make_clone
from tests.sampling import sampled

LEDGER = "state/prod/ledger.jsonl"


def _head(clone: Path) -> CommitId:
    return CommitId(git(clone, "rev-parse", "HEAD"))


def _tree(clone: Path, commit_id: str) -> dict[str, str]:
    """The commit's files with mode and content, as git itself reports them."""
    names = git(clone, "ls-tree", "-r", "-z", commit_id).split("\0")
    return {
        name.partition("\t")[2]: f"{name[:6]} {git(clone, 'cat-file', '-p', name[12:].split()[0])}"
        for name in names
        if name
    }


def test_the_commit_holds_the_changes_and_all_else_as_it_was(repository: Git, clone: Path) -> None:
    (clone / "tool.sh").write_text("run")
    (clone / "tool.sh").chmod(0o755)
    (clone / "link").symlink_to("README.md")
    parent = CommitId(commit(clone, {"state/prod/old.jsonl": "old"}))
    made = repository.commit_files(
        parent,
        {LEDGER: b"new", "state/dev/x/y.jsonl": b"deep", "state/prod/old.jsonl": None},
        "Record outcomes",
    )
    assert _tree(clone, made) == {
        **{path: text for path, text in _tree(clone, parent).items() if "old" not in path},
        LEDGER: "100644 new",
        "state/dev/x/y.jsonl": "100644 deep",
    }
    assert git(clone, "rev-parse", f"{made}^") == parent
    git(clone, "fsck", "--strict", "--no-dangling")


def test_neither_index_nor_working_tree_nor_any_ref_is_touched(
    repository: Git, clone: Path
) -> None:
    (clone / "staged").write_text("staged")
    git(clone, "add", "staged")
    (clone / LEDGER).write_text("edited by hand")
    before = fingerprint(clone), git(clone, "for-each-ref")
    repository.commit_files(_head(clone), {LEDGER: b"new", "README.md": None}, "m")
    assert (fingerprint(clone), git(clone, "for-each-ref")) == before


def test_without_a_parent_the_commit_is_a_root(repository: Git, clone: Path) -> None:
    made = repository.commit_files(None, {"a/b": b"1"}, "m")
    assert git(clone, "rev-list", made) == made
    assert _tree(clone, made) == {"a/b": "100644 1"}


def test_a_root_without_files_is_the_empty_tree(repository: Git, clone: Path) -> None:
    assert _tree(clone, repository.commit_files(None, {}, "m")) == {}


def test_an_executable_file_stays_one(repository: Git, clone: Path) -> None:
    (clone / "tool").write_text("1")
    (clone / "tool").chmod(0o755)
    made = repository.commit_files(CommitId(commit(clone, {})), {"tool": b"2"}, "m")
    assert _tree(clone, made)["tool"] == "100755 2"


def test_a_folder_left_empty_goes_and_so_do_those_above_it(repository: Git, clone: Path) -> None:
    made = repository.commit_files(_head(clone), {LEDGER: None}, "m")
    assert git(clone, "ls-tree", "--name-only", made).split() == ["README.md", "triggers"]


def test_removing_what_is_not_there_changes_nothing(repository: Git, clone: Path) -> None:
    gone = {"state/none": None, "no/such/folder": None, "README.md/below": None}
    made = repository.commit_files(_head(clone), gone, "m")
    assert git(clone, "rev-parse", f"{made}^{{tree}}") == git(clone, "rev-parse", "HEAD^{tree}")


@pytest.mark.usefixtures("git_calls")
@pytest.mark.parametrize("format_", ["sha1", "sha256"])
def test_what_is_written_is_in_gits_order_and_sound(tmp_path: Path, format_: str) -> None:
    root = tmp_path / format_
    git(tmp_path, "init", "--quiet", f"--object-format={format_}", str(root))
    paths = ["a/b", "a.b", "a-b", "a0", "a/b-/c", "a/b.c", "é/x", "z" * 200, "b/c/d/e/f"]
    made = Git.at(root).commit_files(None, {path: path.encode() * 50 for path in paths}, "m")
    git(root, "fsck", "--strict", "--full", made)
    git(root, "read-tree", made)
    assert git(root, "write-tree") == git(root, "rev-parse", f"{made}^{{tree}}")
    assert set(_tree(root, made)) == set(git(root, "ls-files", "-z").rstrip("\0").split("\0"))


def test_what_was_written_is_known_as_git_would_say_it(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    made = repository.commit_files(_head(clone), {LEDGER: b"new", "state/prod/a": b"1"}, "m")
    git_calls.clear()
    folder = repository.folder(made, "state/prod")
    assert folder is not None
    listed = repository.list_tree(folder)
    blobs = repository.read_blobs(entry.oid for entry in listed)
    assert git_calls == []
    lasting.forget_answers()
    assert repository.folder(made, "state/prod") == folder
    assert repository.folder(made, "state") is not None
    assert repository.list_tree(folder) == listed
    assert repository.read_blobs(entry.oid for entry in listed) == blobs
    assert git_calls


def test_everything_can_be_removed(repository: Git, clone: Path) -> None:
    gone = dict.fromkeys(["README.md", LEDGER, "triggers/a.yaml"])
    assert _tree(clone, repository.commit_files(_head(clone), gone, "m")) == {}


@pytest.mark.parametrize(
    "name", sampled(["sp ace", 'quo"te', "new\nline", "tab\t", "日本", "-x", "a.b"], every=4)
)
def test_any_name_can_be_written(repository: Git, clone: Path, name: str) -> None:
    made = repository.commit_files(_head(clone), {f"{name}/{name}": b"1"}, "m")
    assert _tree(clone, made)[f"{name}/{name}"] == "100644 1"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\0\xff", b"x" * 3_000_000])
def test_contents_are_stored_byte_for_byte(repository: Git, clone: Path, content: bytes) -> None:
    parent = CommitId(commit(clone, {".gitattributes": "* text=auto eol=crlf ident\n"}))
    made = repository.commit_files(parent, {"f": content}, "m")
    (entry,) = repository.list_tree(made, ["f"])
    assert repository.read_blobs([entry.oid])[entry.oid] == content


def test_the_message_is_kept_with_its_trailers_in_any_script(repository: Git, clone: Path) -> None:
    git(clone, "config", "i18n.commitEncoding", "GBK")
    message = "Claim 2 runs 风 [skip ci]\n\nReconciler-Claim: abc\n"
    made = repository.commit_files(_head(clone), {"f": b""}, message)
    stored = git(clone, "-c", "i18n.logOutputEncoding=UTF-8", "log", "-1", "--format=%B", made)
    assert stored.rstrip("\n") == message.rstrip("\n")
    assert "encoding" not in git(clone, "cat-file", "commit", made)
    trailer = git(clone, "log", "-1", "--format=%(trailers:key=Reconciler-Claim,valueonly)", made)
    assert trailer.strip() == "abc"


def test_a_file_where_a_folder_is_needed_is_a_clear_error(repository: Git, clone: Path) -> None:
    with pytest.raises(GitError, match=r"state/prod/ledger.jsonl is a file .* folder is needed"):
        repository.commit_files(_head(clone), {f"{LEDGER}/x": b""}, "m")


def test_a_folder_where_a_file_is_needed_is_a_clear_error(repository: Git, clone: Path) -> None:
    with pytest.raises(GitError, match=r"state/prod is a folder .* file is needed"):
        repository.commit_files(_head(clone), {"state/prod": b""}, "m")


def test_a_link_is_neither_replaced_nor_followed(repository: Git, clone: Path) -> None:
    (clone / "alias").symlink_to("state")
    head = CommitId(commit(clone, {}))
    with pytest.raises(GitError, match=r"alias is a symbolic link .* folder is needed"):
        repository.commit_files(head, {"alias/prod/ledger.jsonl": b""}, "m")
    with pytest.raises(GitError, match=r"alias is a symbolic link .* file is needed"):
        repository.commit_files(head, {"alias": b""}, "m")


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/", "../a", "a/./b", ".git/x", "a/.GIT/b"])
def test_a_path_that_no_commit_can_hold_is_a_clear_error(
    repository: Git, clone: Path, path: str
) -> None:
    with pytest.raises(GitError, match="is not a path that a commit can hold"):
        repository.commit_files(_head(clone), {path: b""}, "m")


def test_two_changes_that_need_one_path_as_file_and_folder_are_a_clear_error(
    repository: Git, clone: Path
) -> None:
    with pytest.raises(GitError, match="new is a file"):
        repository.commit_files(_head(clone), {"new": b"", "new/er": b""}, "m")


def test_a_missing_identity_is_a_clear_error(repository: Git, clone: Path) -> None:
    (clone.parent / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    with pytest.raises(GitError, match=r"git commit-tree failed") as caught:
        repository.commit_files(_head(clone), {"f": b""}, "m")
    assert caught.value.hint == 'git config user.name "NAME" && git config user.email "ADDRESS"'


def test_commits_are_signed_if_the_user_signs_commits(
    repository: Git, clone: Path, signing_program: Path
) -> None:
    git(clone, "config", "gpg.format", "ssh")
    git(clone, "config", "gpg.ssh.program", str(signing_program))
    git(clone, "config", "user.signingKey", str(clone / "key"))
    unsigned = repository.commit_files(_head(clone), {"f": b""}, "m")
    git(clone, "config", "commit.gpgSign", "yes")
    signed = repository.commit_files(_head(clone), {"f": b""}, "m")
    assert "gpgsig" not in git(clone, "cat-file", "commit", unsigned)
    assert "gpgsig -----BEGIN SSH SIGNATURE" in git(clone, "cat-file", "commit", signed)


def test_a_signature_that_fails_is_a_clear_error(repository: Git, clone: Path) -> None:
    git(clone, "config", "gpg.format", "ssh")
    git(clone, "config", "user.signingKey", str(clone / "no-such-key"))
    git(clone, "config", "commit.gpgSign", "true")
    with pytest.raises(GitError, match="commit-tree failed") as caught:
        repository.commit_files(_head(clone), {"f": b""}, "m")
    assert "commit.gpgSign" in str(caught.value.hint)


def test_a_commit_costs_the_same_few_processes_in_a_large_repository(
    repository: Git, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    def cost() -> int:
        head = _head(clone)
        git_calls.clear()
        lasting.forget_answers()
        repository.commit_files(head, {LEDGER: b"new"}, "m")
        return len(git_calls)

    small = cost()
    commit(clone, {f"many/{n % 7}/{n}": "" for n in range(700)})
    assert small == cost() <= 5  # three folders are listed, all is written, and the commit


def test_a_sha256_repository_works_alike(tmp_path: Path) -> None:
    root = tmp_path / "sha256"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", str(root))
    parent = CommitId(commit(root, {"a/b": "1", "c": "2"}))
    repository = Git.at(root)
    made = repository.commit_files(parent, {"a/d": b"3"}, "m")
    assert len(made) == 64
    entries = repository.list_tree(made, ["a"])
    assert list(repository.read_blobs(entry.oid for entry in entries).values()) == [b"1", b"3"]


def test_a_partial_clone_commits_without_fetching_the_other_files(
    origin: Path, tmp_path: Path
) -> None:
    git(origin, "config", "uploadpack.allowFilter", "true")
    partial = make_clone(origin, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    git(partial, "remote", "set-url", "origin", str(tmp_path / "gone"))
    made = Git.at(partial).commit_files(_head(partial), {"state/prod/new": b"1"}, "m")
    assert "state/prod/ledger.jsonl" in git(partial, "ls-tree", "-r", "--name-only", made)
