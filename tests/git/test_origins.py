"""What brought a file to the branch: the merge, by the line that the branch itself went."""

from pathlib import Path

import pytest

from reconciler.git import CommitId, Git
from reconciler.git.origins import pull_request_of
from tests.repositories import commit, git, make_clone, make_origin_and_clone


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge pull request #12 from team/branch\n\nReprocess March", "#12"),
        ("Merge pull request #12 in DATA/runs from march to main", "#12"),
        ("Merge pull request 'Reprocess March' (#12) from march into main", "#12"),
        ("Merged in march (pull request #12)\n\nReprocess March", "#12"),
        ("Merged PR 12: Reprocess March", "#12"),
        ("Pull request #12: Reprocess March", "#12"),
        ("Reprocess March (#12)\n\n* more", "#12"),
        ("Merge branch 'march' into 'main'\n\nMarch\n\nSee merge request data/runs!12\n", "!12"),
        ("Reprocess March", None),
        ("Mend what (#12) broke", None),
        ("Reprocess\n\nMerge pull request #12 from team/branch", None),
        ("See merge request a!1 and others", None),
        ("", None),
    ],
)
def test_a_pull_request_is_read_from_what_hosts_write(message: str, expected: str | None) -> None:
    assert pull_request_of(message) == expected


def test_a_file_is_of_the_merge_that_brought_it_and_not_of_a_commit_on_the_way(
    tmp_path: Path,
) -> None:
    clone = make_origin_and_clone(tmp_path)[1]
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "--quiet", "-b", "march")
    commit(clone, {"triggers/b.yaml": "1", "triggers/odd\nname.yaml": "1"})
    commit(clone, {"triggers/b.yaml": "2"})
    git(clone, "checkout", "--quiet", "main")
    meanwhile = commit(clone, {"triggers/c.yaml": "1"})  # the merge differs from its other parent
    merge = "Merge pull request #7 from team/march\n\nMarch"
    git(clone, "merge", "--quiet", "--no-ff", "-m", merge, "march")
    merged = git(clone, "rev-parse", "HEAD")
    commit(clone, {"README.md": "changed"})
    found = Git.at(clone).origins(CommitId(git(clone, "rev-parse", "HEAD")), "triggers")
    assert {path: one.commit for path, one in found.items()} == {
        "triggers/a.yaml": first,
        "triggers/b.yaml": merged,
        "triggers/c.yaml": meanwhile,
        "triggers/odd\nname.yaml": merged,
    }
    assert found["triggers/b.yaml"].pull_request == "#7"
    assert found["triggers/b.yaml"].subject == "Merge pull request #7 from team/march"
    assert found["triggers/a.yaml"].pull_request is None


def test_what_is_older_than_a_cut_history_is_said_of_nobody(tmp_path: Path) -> None:
    origin, clone = make_origin_and_clone(tmp_path)
    for number in range(2):
        commit(clone, {f"triggers/{number}.yaml": "1"}, f"Add {number} (#{number})")
    git(clone, "push", "--quiet", "origin", "main")
    shallow = make_clone(origin, tmp_path / "shallow", "--depth=2")
    found = Git.at(shallow).origins(CommitId(git(shallow, "rev-parse", "HEAD")), "triggers")
    assert {path: one.pull_request for path, one in found.items()} == {"triggers/1.yaml": "#1"}


def test_a_folder_that_no_commit_has_has_no_origins(tmp_path: Path) -> None:
    clone = make_origin_and_clone(tmp_path)[1]
    head = CommitId(git(clone, "rev-parse", "HEAD"))
    assert Git.at(clone).origins(head, "elsewhere") == {}
