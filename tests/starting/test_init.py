"""`init` writes a whole repository that is valid, and never over anything."""

import json
import os
from pathlib import Path

import pytest
import yaml

from reconciler.schema import schema_text
from tests.repositories import commit, git, isolate
from tests.sampling import sampled
from tests.starting.running import ALL, ANSWERS, COMMIT, SOURCE, files, ran


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository with a remote on GitHub."""
    isolate(monkeypatch, tmp_path)
    return repository(tmp_path / "runs", "git@github.com:acme/runs.git")


def repository(folder: Path, url: str) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", url)
    return folder


def test_a_repository_begins_with_all_that_it_needs_and_is_valid(folder: Path) -> None:
    done = ran(folder, "init", *ALL)
    assert done.code == 0, done.err
    written = files(folder)
    assert set(written) == {
        ".github/CODEOWNERS",
        ".github/workflows/reconciler.yml",
        ".pre-commit-config.yaml",
        ".vscode/settings.json",
        "reconciler.yaml",
        "schemas/config.schema.json",
        "schemas/trigger.schema.json",
        "triggers/example-backfill.yaml",
        "triggers/example-run.yaml",
    }
    assert all(f"wrote  {path}\n" in done.out for path in written)
    assert written["schemas/trigger.schema.json"] == schema_text("trigger")
    checked = ran(folder, "validate", "--strict")
    assert (checked.code, checked.out) == (0, "2 files, 7 runs: no problems\n")
    assert ran(folder, "init", "--check", *SOURCE).code == 0


def test_nothing_that_it_declares_starts_before_somebody_says_so(folder: Path) -> None:
    ran(folder, "init", *ALL)
    plan = json.loads(ran(folder, "plan", "--offline", "--format", "json").out)
    assert {one["reason"].split(":")[0] for one in plan["runs"]} == {"suspended"}


def test_everything_is_installed_from_the_commit_that_the_source_names(folder: Path) -> None:
    assert "git ls-remote" not in ran(folder, "init", *ALL).out
    written = files(folder)
    assert f"uses: acme/reconciler@{COMMIT}" in written[".github/workflows/reconciler.yml"]
    (hook,) = yaml.safe_load(written[".pre-commit-config.yaml"])["repos"]
    assert (hook["repo"], hook["rev"]) == ("https://github.com/acme/reconciler", COMMIT)


def test_a_second_time_it_writes_nothing_and_needs_no_answers(folder: Path) -> None:
    ran(folder, "init", *ALL)
    before = files(folder)
    done = ran(folder, "init", *SOURCE)
    assert done.code == 0
    assert "nothing to write" in done.out
    assert files(folder) == before


PLAIN = (*ANSWERS, "--timezone", "GMT+8")  # without a source


@pytest.mark.parametrize("with_remote", [True, False])
def test_a_source_that_comes_too_late_is_said_for_each_file_that_is_there(
    folder: Path, with_remote: bool
) -> None:
    ran(folder, "init", *PLAIN)
    if not with_remote:  # nobody knows the forge then, and the pipeline lies there all the same
        git(folder, "remote", "remove", "origin")
    before = files(folder)
    done = ran(folder, "init", *SOURCE)
    installed = f"enos-reconciler @ git+https://github.com/acme/reconciler@{COMMIT}"
    workflow = ".github/workflows/reconciler.yml"
    notes = [line for line in done.out.splitlines() if line.startswith("note ")]
    late = "note   --source changes nothing:"
    hook = f"repo: https://github.com/acme/reconciler, rev: {COMMIT}"
    hook += ", with the hook reconciler-validate"
    assert notes == [
        f"note   {workflow} still names YOUR-ORGANISATION: let it install {installed}",
        f"{late} .pre-commit-config.yaml is there, and does not name it; put there {hook}",
    ]
    assert (done.code, files(folder)) == (0, before)


@pytest.mark.parametrize(
    ("option", "said"),
    sampled(
        [
            (("--url", "https://b.test"), "says https://apim.example.test (gateway.url of prod)"),
            (("--org-id", "o2"), "says o1 (gateway.orgId of prod)"),
            (("--user-id", "u2"), "says u1 (gateway.userId of prod)"),
            (("--timezone", "GMT"), "says GMT+8 (gateway.timezone of prod)"),
            (("--ledger-branch", "none"), "says reconciler-ledger (git.ledgerBranch)"),
            (("--branch", "other"), "does not say it (git.branch)"),
            (("--env", "dev"), "has no environment dev"),
        ],
        every=3,
    ),
)
def test_an_option_that_the_configuration_contradicts_is_said_with_what_that_says(
    folder: Path, option: tuple[str, str], said: str
) -> None:
    ran(folder, "init", *ALL)
    done = ran(folder, "init", *SOURCE, *option)
    assert f"note   {option[0]} changes nothing: reconciler.yaml is there, and {said}; " in done.out


def test_an_owner_whom_the_file_does_not_name_is_said(folder: Path) -> None:
    ran(folder, "init", *ALL)
    done = ran(folder, "init", *SOURCE, "--owner", "@acme/data")
    assert "note   --owner changes nothing: .github/CODEOWNERS is there, and does not" in done.out


def test_options_that_say_what_is_there_already_are_not_mentioned(folder: Path) -> None:
    told = (*ALL, "--owner", "@acme/data", "--ledger-branch", "reconciler-ledger", "--env", "prod")
    ran(folder, "init", *told)
    done = ran(folder, "init", *told)
    assert "note " not in done.out
    assert "nothing to write: all files that init writes are there" in done.out


def test_a_file_that_is_kept_lacks_only_what_it_has_not(folder: Path) -> None:
    ran(folder, "init", *PLAIN, "--owner", "@acme/data")
    told = ran(folder, "init", *SOURCE, "--owner", "@acme/all").out
    assert "kept   .pre-commit-config.yaml, it is there already\n" in told
    assert "kept   .github/CODEOWNERS, it is there already\n" in told


def test_what_an_earlier_init_wrote_and_nobody_committed_is_in_the_next_steps(folder: Path) -> None:
    git(folder, "remote", "remove", "origin")
    ran(folder, "init", *ALL)
    git(folder, "remote", "add", "origin", "git@github.com:acme/runs.git")
    every = "git add .github .pre-commit-config.yaml .vscode reconciler.yaml schemas triggers\n"
    assert every in ran(folder, "init", *SOURCE).out
    git(folder, "add", "reconciler.yaml", "schemas")
    git(folder, "commit", "--quiet", "--message", "half")
    (folder / ".github/CODEOWNERS").unlink()
    rest = "git add .github .pre-commit-config.yaml .vscode triggers\n"
    assert rest in ran(folder, "init", *SOURCE).out


def test_what_is_there_with_another_content_is_kept_and_said(folder: Path) -> None:
    (folder / ".pre-commit-config.yaml").write_text("repos: []\n")
    done = ran(folder, "init", *ALL)
    assert "kept   .pre-commit-config.yaml, it is there already" in done.out
    assert files(folder)[".pre-commit-config.yaml"] == "repos: []\n"


def test_what_was_taken_away_is_written_again_but_for_the_examples(folder: Path) -> None:
    ran(folder, "init", *ALL)
    for name in ("schemas/config.schema.json", "triggers/example-run.yaml"):
        (folder / name).unlink()
    done = ran(folder, "init", *SOURCE)
    assert [line for line in done.out.splitlines() if line.startswith("wrote")] == [
        "wrote  schemas/config.schema.json"
    ]


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        (("--url", "http://apim.example.test"), "--url"),
        (("--org-id", "o 1"), "--org-id"),
        (("--timezone", "Mars"), "--timezone"),
        (("--env", "Prod"), "--env"),
        (("--ledger-branch", "main"), "--ledger-branch"),
        (("--ledger-branch", "a..b"), "--ledger-branch"),
        (("--branch", "a b"), "--branch"),
        (("--owner", "a b"), "--owner"),
        (("--source", "ftp://x/y"), "--source"),
    ],
)
def test_a_wrong_answer_names_its_option_and_writes_nothing(
    folder: Path, wrong: tuple[str, str], option: str
) -> None:
    done = ran(folder, "init", *ALL, *wrong)
    assert done.code == 2
    assert f"Invalid value for {option}: " in done.err
    assert files(folder) == {}


def test_without_a_terminal_it_names_all_that_is_missing(folder: Path) -> None:
    done = ran(folder, "init", "--url", "https://apim.example.test")
    assert done.code == 2
    assert "--org-id" in done.err
    assert "--user-id" in done.err
    assert "--timezone" in done.err
    assert "--url (" not in done.err
    assert files(folder) == {}


@pytest.mark.parametrize("kind", ["link", "folder as a link", "file as a folder", "folder as file"])
def test_where_something_else_stands_nothing_at_all_is_written(folder: Path, kind: str) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    match kind:
        case "link":
            (folder / "reconciler.yaml").symlink_to(elsewhere / "made.yaml")
        case "folder as a link":
            (folder / "triggers").symlink_to(elsewhere)
        case "file as a folder":
            (folder / ".vscode").write_text("")
        case _:
            (folder / ".pre-commit-config.yaml").mkdir()
    before = files(folder)
    done = ran(folder, "init", *ALL)
    assert done.code == 1
    assert "error: " in done.err
    assert files(folder) == before
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("url", "pipeline"),
    [
        ("https://github.com/acme/runs", ".github/workflows/reconciler.yml"),
        ("ssh://git@gitlab.example.test:2222/acme/runs.git", ".gitlab-ci.yml"),
        ("git@gitlab.com:acme/github.git", ".gitlab-ci.yml"),
        ("https://git.example.test/github/runs.git", None),
    ],
)
def test_the_remotes_host_says_which_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, pipeline: str | None
) -> None:
    isolate(monkeypatch, tmp_path)
    folder = repository(tmp_path / "runs", url)
    ran(folder, "init", *ALL)
    written = {".github/workflows/reconciler.yml", ".gitlab-ci.yml"} & set(files(folder))
    assert written == ({pipeline} if pipeline else set())


def test_a_pipeline_of_gitlab_that_is_there_is_left_and_told_to_include_ours(folder: Path) -> None:
    (folder / ".gitlab-ci.yml").write_text("test: {script: make}\n")
    done = ran(folder, "init", *ALL, "--ci", "gitlab")
    assert "include: [{local: .gitlab/reconciler.yml}]" in done.out
    assert files(folder)[".gitlab-ci.yml"] == "test: {script: make}\n"
    assert ".gitlab/reconciler.yml" in files(folder)


@pytest.mark.parametrize(("ci", "place"), [("github", "docs"), ("gitlab", "."), ("github", ".")])
def test_owners_that_are_named_elsewhere_are_not_hidden_by_a_second_file(
    folder: Path, ci: str, place: str
) -> None:
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "CODEOWNERS").write_text("* @acme/all\n")
    done = ran(folder, "init", *ALL, "--ci", ci)
    assert [path for path in files(folder) if path.endswith("CODEOWNERS")] == [
        Path(place, "CODEOWNERS").as_posix()
    ]
    assert "CODEOWNERS, it is there already; give it owners of /reconciler.yaml" in done.out


@pytest.mark.parametrize(
    ("ci", "pipeline"),
    [
        ("github", ["/.github/workflows/", "/.github/CODEOWNERS"]),
        ("gitlab", ["/.gitlab-ci.yml", "/.gitlab/reconciler.yml", "/.gitlab/CODEOWNERS"]),
    ],
)
def test_the_owner_reviews_configuration_record_pipeline_and_who_is_an_owner(
    folder: Path, ci: str, pipeline: list[str]
) -> None:
    ran(folder, "init", *ALL, "--owner", "@acme/data", "--ci", ci)
    lines = files(folder)[f".{ci}/CODEOWNERS"].splitlines()
    owned = ["/reconciler.yaml", "/state/prod/", *pipeline]
    assert lines[1:] == [f"{path} @acme/data" for path in owned]


def test_owners_that_are_named_elsewhere_are_told_to_own_their_own_file(folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "docs/CODEOWNERS").write_text("* @acme/all\n")
    assert ", /docs/CODEOWNERS" in ran(folder, "init", *ALL, "--ci", "github").out


@pytest.mark.parametrize(
    ("branch", "pattern"), [("c++", r"c\+\+"), ("!now", r"\!now"), ("a!", "a!")]
)
def test_a_branch_whose_name_githubs_patterns_would_read_is_meant_as_it_is(
    folder: Path, branch: str, pattern: str
) -> None:
    ran(folder, "init", *ALL, "--ci", "github", "--branch", branch)
    text = files(folder)[".github/workflows/reconciler.yml"]
    document = yaml.safe_load(text)
    assert document[True]["push"]["branches"] == [pattern]  # YAML 1.1 takes `on` for true
    assert document[True]["pull_request"]["branches"] == [pattern]
    assert f"github.ref == 'refs/heads/{branch}'" in text


def test_a_folder_of_a_repository_has_its_pipeline_and_hook_at_the_top(folder: Path) -> None:
    inner = folder / "data" / "runs"
    inner.mkdir(parents=True)
    assert ran(inner, "init", *ALL).code == 0
    written = files(folder)
    assert {path for path in written if not path.startswith("data/runs/")} == {
        ".github/CODEOWNERS",
        ".github/workflows/reconciler.yml",
        ".pre-commit-config.yaml",
        ".vscode/settings.json",
    }
    assert 'working-directory: "data/runs"' in written[".github/workflows/reconciler.yml"]
    assert "/data/runs/state/prod/" in written[".github/CODEOWNERS"]
    assert "data/runs/triggers/**/*.yaml" in written[".vscode/settings.json"]
    (hook,) = yaml.safe_load(written[".pre-commit-config.yaml"])["repos"][0]["hooks"]
    assert hook["args"] == ["--repo", "data/runs"]
    assert ran(inner, "validate", "--strict").code == 0
    assert ran(inner / "triggers", "init", "--check", *SOURCE).code == 0


def test_without_git_it_writes_all_the_same_and_says_what_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    folder = tmp_path / "runs"
    folder.mkdir()
    done = ran(folder, "init", *ALL, "--ci", "github")
    assert done.code == 0
    assert "git init -b main" in done.out
    assert "git remote add origin URL" in done.out
    assert ran(folder, "validate").code == 0


def test_where_commits_are_the_first_change_goes_through_a_pull_request(folder: Path) -> None:
    commit(folder, {"README.md": "hello\n"})
    done = ran(folder, "init", *ALL)
    assert "git push -u origin start-reconciler" in done.out
    assert "git push -u origin main" not in done.out


@pytest.mark.parametrize(("ci", "request_"), [("github", "pull"), ("gitlab", "merge")])
def test_a_request_is_called_as_the_forge_calls_it(folder: Path, ci: str, request_: str) -> None:
    commit(folder, {"README.md": "hello\n"})
    done = ran(folder, "init", *ALL, "--ci", ci)
    assert f"and open a {request_} request:" in " ".join(done.out.split())


def test_on_another_branch_the_shared_one_is_still_main(folder: Path) -> None:
    commit(folder, {"README.md": "hello\n"})
    git(folder, "switch", "--quiet", "--create", "feature")
    ran(folder, "init", *ALL)
    workflow = yaml.safe_load(files(folder)[".github/workflows/reconciler.yml"])
    assert workflow[True]["push"] == {"branches": ["main"]}


def test_a_configuration_that_is_there_is_what_the_rest_is_made_from(folder: Path) -> None:
    gateway = "{url: 'https://a.test', orgId: %s, userId: u, timezone: GMT}"
    text = "version: 1\ngit: {ledgerBranch: books}\nenvironments:\n" + "".join(
        f"  {name}: {{manifests: runs/{name}, state: state/{name}, gateway: {gateway % name}}}\n"
        for name in ("dev", "prod")
    )
    (folder / "reconciler.yaml").write_text(text)
    done = ran(folder, "init", *SOURCE)
    assert "kept   reconciler.yaml, it is there already" in done.out
    written = files(folder)
    assert written["reconciler.yaml"] == text
    workflow = yaml.safe_load(written[".github/workflows/reconciler.yml"])
    assert workflow["jobs"]["apply"]["strategy"]["matrix"]["environment"] == ["dev", "prod"]
    assert "books" in written[".github/workflows/reconciler.yml"]
    assert not [path for path in written if path.startswith("runs/")]


def test_a_ledger_branch_is_what_it_begins_with_unless_told_otherwise(folder: Path) -> None:
    ran(folder, "init", *ALL)
    told = yaml.safe_load(files(folder)["reconciler.yaml"])
    assert told["git"] == {"ledgerBranch": "reconciler-ledger"}


def test_none_keeps_the_record_beside_the_manifests(folder: Path) -> None:
    ran(folder, "init", *ALL, "--ledger-branch", "none")
    assert "git" not in yaml.safe_load(files(folder)["reconciler.yaml"])


def test_on_a_terminal_it_asks_for_what_no_option_says_until_the_answer_is_right(
    folder: Path,
) -> None:
    typed = "http://no\nhttps://apim.example.test\no1\nu1\n\n\n@acme/data\n"
    done = ran(folder, "init", *SOURCE, typed=typed)
    assert done.code == 0, done.err
    told = yaml.safe_load(files(folder)["reconciler.yaml"])
    assert told["environments"]["prod"]["gateway"] == {
        "url": "https://apim.example.test",
        "orgId": "o1",
        "userId": "u1",
        "timezone": "GMT+8",
    }
    assert told["git"] == {"ledgerBranch": "reconciler-ledger"}
    assert "@acme/data" in files(folder)[".github/CODEOWNERS"]


def test_answers_of_any_text_come_back_as_they_were(folder: Path) -> None:
    odd = ("--org-id", "012", "--user-id", "no", "--timezone", "UTC", "--url", "https://a.test")
    ran(folder, "init", *ANSWERS, *odd, *SOURCE, "--env", "1")
    told = yaml.safe_load(files(folder)["reconciler.yaml"])["environments"]
    assert told["1"]["gateway"]["orgId"] == "012"
    assert told["1"]["gateway"]["userId"] == "no"


def test_a_tag_that_is_installed_is_to_be_replaced_by_its_commit(folder: Path) -> None:
    answers = (*ANSWERS, "--timezone", "GMT", "--source", "https://github.com/acme/reconciler@v9")
    done = ran(folder, "init", *answers)
    assert "git ls-remote https://github.com/acme/reconciler v9" in done.out


def test_the_next_steps_fit_on_a_screen(folder: Path) -> None:
    commit(folder, {"README.md": "hello\n"})
    assert len(ran(folder, "init", *ANSWERS, "--timezone", "GMT").out.splitlines()) <= 40


@pytest.mark.parametrize(
    "name", ["${{ github.token }}", "$HOME", "a*", "l\nf", os.fsdecode(b"l\xff")]
)
def test_a_folder_whose_name_would_be_read_as_more_is_refused_before_anything_is_written(
    folder: Path, name: str
) -> None:
    (folder / name).mkdir()
    done = ran(folder / name, "init", *ALL)
    assert (done.code, files(folder)) == (1, {})
    assert "has signs in its name" in done.err


def test_nothing_begins_inside_a_bare_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    for inside in (tmp_path / "bare.git", tmp_path / "bare.git" / "refs"):
        done = ran(inside, "init", *ALL)
        assert done.code == 1
        assert "is the inside of a bare repository" in done.err
        assert not (inside / "reconciler.yaml").exists()


@pytest.mark.parametrize(
    "source", ["https://me:hidden/@forge.test/x/y", "https://me:hidden@forge.test/x y", "me:hidden"]
)
def test_a_source_that_is_none_is_said_without_what_may_be_a_password(
    folder: Path, source: str
) -> None:
    done = ran(folder, "init", *ANSWERS, "--timezone", "GMT", "--source", source)
    assert done.code == 2
    assert "hidden" not in done.err


def test_a_branch_that_gitlabs_rules_cannot_name_is_refused(folder: Path) -> None:
    done = ran(folder, "init", *ALL, "--ci", "gitlab", "--branch", 'a"b')
    assert (done.code, files(folder)) == (2, {})
    assert "can name no branch with a quotation mark" in done.err
