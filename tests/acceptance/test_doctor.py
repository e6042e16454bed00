"""`doctor`: each thing that can be wrong around the program is one check, with what to do."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from reconciler.cli.clock import LocalClock
from reconciler.model import EpochMs
from reconciler.sandbox import ALWAYS, Fault, FlowOptions, Reply, SandboxOptions
from reconciler.schema import validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, LEDGER, Said, Scene, configuration, runs
from tests.repositories import commit, fingerprint, git, isolate, make_clone
from tests.sampling import sampled

_OWNERS = {".github/CODEOWNERS": "/state/ @ops\nreconciler.yaml @ops\n"}
_OF_THE_NETWORK = {
    *("push", "protection", "ledger-edited", "pushed", "gateway", "tls", "rate-limit"),
    *("access", "clock", "zone", "user", "flows"),
}


def _checks(said: Said) -> dict[str, dict[str, Any]]:
    """By name, of a repository with one environment."""
    assert validate("doctor", said.json) == ()
    found = {one["name"]: one for one in said.json["checks"]}
    assert len(found) == len(said.json["checks"])
    for one in found.values():
        assert one["hint"] or one["result"] in {"ok", "skipped"}, one
    return found


def _doctor(scene: Scene, *options: str, exits: int = 0) -> dict[str, dict[str, Any]]:
    return _checks(scene.run("doctor", "--format", "json", *options, exits=exits))


def _refs(scene: Scene) -> str:
    return git(scene.origin, "for-each-ref")


def test_where_all_is_well_it_says_so_and_changes_nothing(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | _OWNERS)
    scene.run("apply")
    before = _refs(scene), fingerprint(scene.clone), scene.posts
    found = _doctor(scene)
    results = {name: one["result"] for name, one in found.items()}
    assert {name for name, result in results.items() if result != "ok"} == {"tls"}
    assert (_refs(scene), fingerprint(scene.clone), scene.posts) == before
    assert {one["environment"] for one in found.values()} == {None, "test"}


def test_without_a_repository_each_thing_that_is_missing_has_its_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_scene: OpenScene
) -> None:
    scene = open_scene({})
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    found = _doctor(scene, exits=1)
    assert found["git"]["result"] == "ok"
    assert "--repo" in found["configuration"]["hint"]
    assert "clone" in found["repository"]["hint"]
    assert found["push"]["result"] == "skipped"


def _lose_remote(scene: Scene) -> None:
    scene.origin.rename(scene.folder / "gone.git")


def _remove_remote(scene: Scene) -> None:
    git(scene.clone, "remote", "remove", "origin")


def _let_nobody_push(scene: Scene) -> None:
    git(scene.clone, "config", "remote.origin.receivepack", "false")


def _push_elsewhere(scene: Scene) -> None:
    git(scene.clone, "config", "remote.origin.pushurl", str(scene.folder / "fork.git"))
    git(scene.folder, "clone", "--quiet", "--bare", str(scene.origin), "fork.git")


def _forget_who_commits(_: Scene) -> None:
    settings = Path(os.environ["GIT_CONFIG_GLOBAL"])
    settings.write_text("[user]\n\tuseConfigOnly = true\n")


def _break_manifest(scene: Scene) -> None:
    scene.push({"triggers/a.yaml": "kind: Trigger\n"})


def _edit_configuration(scene: Scene) -> None:
    (scene.clone / CONFIGURATION).write_text("version: 7\n")


def _lose_lines(scene: Scene) -> None:
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push({LEDGER: ""}, "Lose the ledger")


def _edit_ledger(scene: Scene) -> None:
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    commit(scene.clone, {LEDGER: ""}, "Edit the ledger")


def _write_manifest(scene: Scene) -> None:
    commit(scene.clone, runs("a", "b"))


def _forget_owners(scene: Scene) -> None:
    (scene.clone / ".github/CODEOWNERS").write_text("/state/ @ops\n")


def _unset_keys(_: Scene) -> None:
    del os.environ["ENOS_SECRET_KEY"]


def _wrong_keys(_: Scene) -> None:
    os.environ["ENOS_SECRET_KEY"] = "another"


def _other_gateway_here(scene: Scene) -> None:
    commit(scene.clone, {CONFIGURATION: configuration(scene.url, userId="u2")})


def _break_configuration_there(scene: Scene) -> None:
    here = (scene.clone / CONFIGURATION).read_text()
    scene.push({CONFIGURATION: "version: 7\n"})
    (scene.clone / CONFIGURATION).write_text(here)


def _other_zone(scene: Scene) -> None:
    scene.push({CONFIGURATION: configuration(scene.url, timezone="GMT+9")})


def _nobody_there(scene: Scene) -> None:
    scene.push({CONFIGURATION: configuration("http://127.0.0.1:9")})


def _odd_proxy(scene: Scene) -> None:
    os.environ["NO_PROXY"] = ""
    os.environ["https_proxy"] = "ftp://me:hunter2@proxy.test:80"
    scene.push({CONFIGURATION: configuration("https://gateway.test")})


_WRONG: list[tuple[Callable[[Scene], None], str, str, str]] = [
    (_lose_remote, "remote", "failed", "git remote -v"),
    (_remove_remote, "remote", "failed", "git remote add origin URL"),
    (_let_nobody_push, "push", "failed", "git remote -v"),
    (_push_elsewhere, "remote", "warning", "pushInsteadOf|pushurl"),
    (_forget_who_commits, "identity", "failed", 'git config user.name "NAME"'),
    (_break_manifest, "manifests", "failed", "reconciler validate --env test"),
    (_edit_configuration, "configuration", "failed", "."),
    (_lose_lines, "ledger", "failed", "Put it back"),
    (_edit_ledger, "ledger-edited", "failed", "reconciler validate --base origin/main"),
    (_write_manifest, "pushed", "warning", "reconciler plan"),
    (_forget_owners, "code-owners", "warning", "`/reconciler.yaml @YOUR-TEAM`"),
    (_unset_keys, "keys", "failed", "export ENOS_ACCESS_KEY=… ENOS_SECRET_KEY=…"),
    (_wrong_keys, "access", "failed", "check the access key and the secret key"),
    (_other_gateway_here, "access", "skipped", "Push the configuration"),
    (_break_configuration_there, "access", "failed", "Push the configuration"),
    (_other_zone, "zone", "failed", "gateway.timezone"),
    (_nobody_there, "gateway", "failed", "check gateway.url"),
    (_odd_proxy, "proxy", "failed", "HOST:PORT"),
]


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    sampled(
        [
            ("GIT_COMMITTER_NAME", ",.", 'git config user.name "NAME"'),
            ("GIT_AUTHOR_DATE", "soon", "unset GIT_AUTHOR_DATE"),
            ("GIT_AUTHOR_NAME", "", 'git config user.name "NAME"'),
        ],
        every=3,
    ),
)
def test_who_commits_cannot_be_told_is_said_with_what_to_do(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    scene = open_scene(runs("a") | _OWNERS)
    monkeypatch.setenv(variable, value)
    found = _checks(scene.run("doctor", "--offline", "--format", "json", exits=1))["identity"]
    assert found["result"] == "failed"
    assert found["hint"].startswith(hint)


@pytest.mark.parametrize(("harm", "name", "result", "advice"), sampled(_WRONG, every=9))
def test_what_is_wrong_is_one_check_with_what_to_do(
    open_scene: OpenScene,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Scene], None],
    name: str,
    result: str,
    advice: str,
) -> None:
    for variable in ("ENOS_SECRET_KEY", "NO_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "")  # so that they are put back after the test
    monkeypatch.setattr("reconciler.git.retrying._QUESTIONS", 1)  # nothing here comes back
    monkeypatch.setattr("reconciler.enos.questions._FIRST_PAUSE_SECONDS", 0.01)
    scene = open_scene(runs("a") | _OWNERS)
    harm(scene)
    said = scene.run("doctor", "--format", "json", exits=1 if result == "failed" else 0)
    found = _checks(said)[name]
    assert found["result"] == result, found
    assert re.search(advice, found["hint"]) or advice in found["hint"], found
    assert "hunter2" not in said.out


@pytest.mark.parametrize(
    ("fault", "name", "result", "words"),
    sampled(
        [
            (Reply(status=200, code=62101), "user", "failed", "gateway.orgId and gateway.userId"),
            (Reply(status=400, code=400), "user", "failed", "gateway.url"),
        ],
        every=2,
    ),
)
def test_what_the_service_says_of_the_user_is_told(
    open_scene: OpenScene, fault: Reply, name: str, result: str, words: str
) -> None:
    scene = open_scene(runs("a"), Fault(on="search", times=ALWAYS, ending=fault))
    found = _doctor(scene, exits=1)[name]
    assert (found["result"], words in found["hint"]) == (result, True), found


@pytest.mark.parametrize(
    ("flow", "result", "words"),
    sampled(
        [
            (FlowOptions(exists=False), "failed", "flow 1 does not exist"),
            (FlowOptions(locked=True), "failed", "flow 1 is locked"),
            (FlowOptions(parameters=("MODE",)), "warning", "flow 1 does not declare SITE"),
        ],
        every=3,
    ),
)
def test_each_flow_of_all_manifests_is_asked_about(
    open_scene: OpenScene, flow: FlowOptions, result: str, words: str
) -> None:
    scene = open_scene(runs("a", "b"), options=SandboxOptions(run_seconds=1e6, flows={1: flow}))
    found = _doctor(scene, exits=1 if result == "failed" else 0)["flows"]
    assert (found["result"], words in found["message"]) == (result, True), found
    assert "reconciler plan --online --env test" in found["hint"]


def test_a_busy_gateway_s_limit_is_told_with_the_time_to_wait(open_scene: OpenScene) -> None:
    busy = Fault(on="time", ending=Reply(status=429, headers={"Retry-After": "7"}))
    found = _doctor(open_scene(runs("a"), busy))["rate-limit"]
    assert found["result"] == "warning"
    assert "retry-after: 7" in found["message"]
    assert "limits.requestsPerSecond" in found["hint"]


@pytest.mark.parametrize("keys", sampled([True, False], every=2))
def test_a_clock_that_is_off_is_told_also_without_keys(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, keys: bool
) -> None:
    scene = open_scene(runs("a"))
    right = LocalClock.wall
    monkeypatch.setattr(LocalClock, "wall", lambda self: EpochMs(right(self) + 400_000))
    if not keys:
        monkeypatch.delenv("ENOS_ACCESS_KEY")
    found = _doctor(scene, exits=0 if keys else 1)["clock"]
    assert found["result"] == "warning"
    assert re.search(r"[34]\d\d s ahead of the gateway's", found["message"])


def test_offline_nothing_leaves_this_machine(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene = open_scene(runs("a") | _OWNERS)
    calls = isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(scene.clone)
    found = _doctor(scene, "--offline")
    assert scene.sandbox.requests == []
    words = {word for call in calls for word in call}
    assert words.isdisjoint({"fetch", "push", "ls-remote"})
    skipped = {name for name, one in found.items() if one["result"] == "skipped"}
    assert skipped == _OF_THE_NETWORK | {"remote"}
    assert all("--offline" in found[name]["message"] for name in skipped)


def test_a_check_that_breaks_does_not_end_the_others(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the flux capacitor")

    scene = open_scene(runs("a"))
    monkeypatch.setattr("reconciler.git.survey.read_clone_kind", broken)
    monkeypatch.setattr("reconciler.cli.examining_gateway.check_flows", broken)
    found = _doctor(scene, exits=1)
    for name in ("clone", "flows"):
        assert "RuntimeError: the flux capacitor" in found[name]["message"]
        assert "report" in found[name]["hint"]
    assert found["user"]["result"] == "ok"


def test_what_breaks_between_checks_ends_no_other_environment(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the flux capacitor")

    scene = open_scene(runs("a"))
    monkeypatch.setattr("reconciler.cli.examining_gateway.gateway_settings", broken)
    found = _doctor(scene, exits=1)
    assert "the flux capacitor" in found["examination"]["message"]
    assert found["manifests"]["result"] == found["ledger"]["result"] == "ok"


def test_a_shallow_clone_is_told_what_it_does_not_know(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.push(runs("a", "b"))
    shallow = make_clone(scene.origin, scene.folder / "shallow", "--depth", "1")
    found = _doctor(scene, "--repo", str(shallow))["clone"]
    assert found["result"] == "warning"
    assert "git fetch --unshallow origin" in found["hint"]


@pytest.mark.long  # the ledger branch that leaves a ledger behind stays
def test_what_a_dry_run_cannot_see_is_not_claimed(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    found = _doctor(scene)["protection"]
    assert (found["result"], "git.ledgerBranch" in found["hint"]) == ("skipped", True)
    scene.run("apply")
    assert _doctor(scene)["protection"]["result"] == "ok"


@pytest.mark.long  # where all is well stays
def test_a_ledger_branch_that_the_first_apply_will_make_is_no_failure(
    open_scene: OpenScene,
) -> None:
    def apart(url: str) -> str:
        return configuration(url, git_section={"ledgerBranch": "records"})

    scene = open_scene(runs("a"), configured=apart)
    found = _doctor(scene)
    assert "the first apply makes records" in found["remote"]["message"]
    assert "records" not in found["push"]["message"]
    assert "git.ledgerBranch" not in found["protection"]["hint"]
    scene.run("apply")
    found = _doctor(scene)
    assert "first apply" not in found["remote"]["message"]
    assert "git push --dry-run to records" in found["push"]["message"]


def test_a_ledger_branch_that_leaves_a_ledger_behind_is_a_failure(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    text = (scene.clone / CONFIGURATION).read_text()
    scene.push(
        {CONFIGURATION: text.replace("version: 1", "version: 1\ngit: {ledgerBranch: records}")}
    )
    assert _doctor(scene, exits=1)["ledger"]["result"] == "failed"


def test_people_see_a_group_for_each_environment_within_80_columns(open_scene: OpenScene) -> None:
    def two(url: str) -> str:
        return configuration(url, environments=("test", "other"))

    files = runs("a") | {"triggers-other/.gitkeep": ""}
    scene = open_scene(files, configured=two)
    said = scene.run("doctor")
    lines = said.out.splitlines()
    assert [one for one in lines if one and one[0] != " "][:3] == [
        "This machine and this clone",
        "Environment test",
        "Environment other",
    ]
    assert max(len(one) for one in lines if str(scene.folder) not in one) <= 80  # paths are whole
    assert re.fullmatch(r"\d+ warnings?, \d+ skipped, \d+ ok", lines[-1])


def test_one_environment_alone_can_be_asked_for(open_scene: OpenScene) -> None:
    def two(url: str) -> str:
        return configuration(url, environments=("test", "other"))

    scene = open_scene(runs("a"), configured=two)
    found = _doctor(scene, "--env", "test")
    assert {one["environment"] for one in found.values()} == {None, "test"}


def _certificates(scene: Scene, content: str | None, exits: int = 1) -> dict[str, Any]:
    text = configuration("https://gateway.example.test", caFile="certificates/ca.pem")
    (scene.clone / CONFIGURATION).write_text(text)
    if content is not None:
        (scene.clone / "certificates").mkdir()
        (scene.clone / "certificates" / "ca.pem").write_text(content)
    found: dict[str, Any] = _doctor(scene, "--offline", exits=exits)["certificates"]
    return found


def test_a_certificate_file_that_is_not_there_is_told(open_scene: OpenScene) -> None:
    found = _certificates(open_scene({}), None)
    assert found["result"] == "failed"
    assert "certificates/ca.pem:1:1: unreadable" in found["message"]
    assert "relative to the folder of reconciler.yaml" in found["hint"]


def test_a_certificate_file_that_holds_no_certificate_is_told(open_scene: OpenScene) -> None:
    found = _certificates(open_scene({}), "not a certificate")
    assert found["result"] == "failed"
    assert "cannot be read" in found["message"]


def test_a_certificate_file_that_can_be_used_is_well(open_scene: OpenScene) -> None:
    authority = trustme.CA()
    found = _certificates(open_scene({}), authority.cert_pem.bytes().decode(), 0)
    assert found["result"] == "ok", found
    assert found["message"] == "certificates/ca.pem is trusted besides the usual authorities"
