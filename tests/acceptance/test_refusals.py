"""What an apply refuses, and what refuses it: one clear message, and nothing started twice."""

import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from reconciler.apply import claim, protocol
from reconciler.sandbox import Fault, FlowOptions, SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, LEDGER, Scene, configuration, manifest, runs
from tests.repositories import commit, git, make_clone, write_hook
from tests.sampling import sampled


def _assert_nothing_happened(scene: Scene, tip: str) -> None:
    assert scene.posts == []
    assert scene.tip() == tip


@pytest.mark.parametrize("variable", ["ENOS_ACCESS_KEY", "ENOS_SECRET_KEY"])
@pytest.mark.parametrize("value", sampled([None, "", "  "], every=3))
def test_a_missing_credential_is_named(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    scene = open_scene(runs("a"))
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert said.err.startswith(f"error: the environment variable {variable} is not set\n")
    _assert_nothing_happened(scene, tip)


def test_credentials_may_have_other_names(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(
        runs("a"),
        configured=lambda url: configuration(
            url, accessKeyEnv="OUR_KEY", secretKeyEnv="OUR_SECRET"
        ),
    )
    monkeypatch.setenv("RECONCILER_KEY_VARIABLES", "OUR_KEY OUR_SECRET")
    assert "OUR_KEY is not set" in scene.run("apply", exits=1).err
    monkeypatch.setenv("OUR_KEY", scene.sandbox.options.access_key)
    monkeypatch.setenv("OUR_SECRET", scene.sandbox.options.secret_key)
    scene.run("apply")
    assert scene.posts == [1]


@pytest.mark.parametrize(
    ("variable", "code"), sampled([("ENOS_ACCESS_KEY", 1002), ("ENOS_SECRET_KEY", 1003)], every=2)
)
def test_wrong_credentials_claim_nothing_and_are_not_shown(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, variable: str, code: int
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.setenv(variable, "wrong-credential")
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert said.err.startswith("error: ")
    assert str(code) in said.err
    assert "wrong-credential" not in said.err
    _assert_nothing_happened(scene, tip)


def _options(**flow: object) -> SandboxOptions:
    return SandboxOptions(flows={1: FlowOptions(**flow)})  # type: ignore[arg-type]  # a table's row


@pytest.mark.parametrize(
    ("options", "code"),
    sampled(
        [
            (SandboxOptions(users={"o2": frozenset({"u1"})}), 62101),
            (SandboxOptions(users={"o1": frozenset({"u2"})}), 62101),
            (_options(privilege=False), 62103),
            (_options(exists=False), 62103),
            (_options(locked=True), 62103),
            (_options(user_locked=True), 62103),
            (_options(tasks=0), 62104),
        ],
        every=7,
    ),
)
def test_a_run_that_the_service_refuses_is_recorded_and_tried_by_the_next_apply(
    open_scene: OpenScene, options: SandboxOptions, code: int
) -> None:
    scene = open_scene(runs("a"), options=options)
    said = scene.run("apply", exits=1)
    assert "Refused by the service, and tried again by the next apply:" in said.out
    assert f"{code}: " in said.out
    assert scene.posts == [1]  # not tried again by this apply
    assert [event["event"] for event in scene.ledger()] == ["claim", "rejected"]
    assert scene.ledger()[1]["code"] == code
    assert scene.states() == {"a": "rejected"}
    assert f"{code}: " in scene.run("status", "a").out
    scene.run("apply", exits=1)
    assert scene.posts == [1, 1]
    assert scene.instances == []


def test_a_refused_run_does_not_hold_up_the_others(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"), options=_options(tasks=0))
    scene.run("apply", exits=1)
    assert scene.states() == {"a": "rejected", "b": "triggered"}


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_refused_run_starts_once_its_cause_is_mended(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), options=_options(tasks=0))
    scene.run("apply", exits=1)
    scene.push({"triggers/a.yaml": manifest("a", 2)})  # it may be edited: it never started
    scene.run("apply")
    assert scene.states() == {"a": "triggered"}


def test_a_gateway_that_is_down_is_told_before_anything_is_claimed(open_scene: OpenScene) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        scene = open_scene(
            runs("a"), configured=lambda _: configuration(f"http://127.0.0.1:{port}")
        )
        tip = scene.tip()
        said = scene.run("apply", exits=1)
    assert said.err.startswith("error: ")
    assert "could not connect" in said.err
    _assert_nothing_happened(scene, tip)


def test_an_apply_with_nothing_to_do_needs_no_gateway(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    asked = len(scene.sandbox.requests)
    monkeypatch.delenv("ENOS_SECRET_KEY")
    scene.run("apply")
    assert len(scene.sandbox.requests) == asked


@pytest.mark.parametrize("zone", sampled(["GMT+7", "GMT", "Europe/Berlin"], every=3))
def test_a_zone_that_the_service_does_not_have_is_refused(open_scene: OpenScene, zone: str) -> None:
    scene = open_scene(runs("a"), configured=lambda url: configuration(url, timezone=zone))
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert f"the service's zone is 'GMT+8' and environment test is configured with '{zone}'" in (
        said.flat
    )
    assert "Nothing was started." in said.err
    _assert_nothing_happened(scene, tip)


def test_a_zone_of_another_name_with_the_same_time_is_accepted(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, timezone="Asia/Shanghai")
    )
    scene.run("apply")
    assert scene.posts == [1]


def test_a_hook_that_rejects_the_claim_is_quoted_and_nothing_is_started(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    write_hook(scene.origin, "pre-receive", "echo 'Ask Ana for access to main.' >&2; exit 1")
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert said.err.startswith(
        "error: the remote declined the claim, so nothing was started under it: "
    )
    assert "Ask Ana for access to main." in said.err
    assert "git.ledgerBranch" in said.err
    _assert_nothing_happened(scene, tip)


def test_without_a_git_identity_nothing_is_started(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "config", "user.useConfigOnly", "true")
    settings = scene.folder / "gitconfig"
    settings.write_text(settings.read_text().replace("name = Test", "").replace("email =", "x ="))
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert 'git config user.name "NAME"' in said.err
    _assert_nothing_happened(scene, tip)


def test_an_apply_without_a_remote_says_so(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "remote", "remove", "origin")
    said = scene.run("apply", exits=1)
    assert "origin" in said.err
    assert scene.posts == []


def test_an_apply_outside_of_git_says_so(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / ".git").rename(scene.folder / "gone")
    assert "not a git repository" in scene.run("apply", exits=1).err
    assert scene.posts == []


def _conflict(ledger: str) -> str:
    return f"{ledger}<<<<<<< HEAD\n"


def _cut(ledger: str) -> str:
    return ledger + ledger.splitlines()[0][:40]


def _newer(ledger: str) -> str:
    return ledger + '{"v":2,"event":"started"}\n'


def _unknown_event(ledger: str) -> str:
    return ledger + '{"v":1,"event":"started","at":"2024-03-02T00:00:00Z"}\n'


def _blank(ledger: str) -> str:
    return ledger + "\n"


@pytest.mark.parametrize(
    ("damage", "line", "words"),
    sampled(
        [
            (_conflict, 3, "a merge conflict stands in the ledger"),
            (_cut, 3, "not a ledger event"),
            (_newer, 3, "written in format 2, this reconciler reads format 1"),
            (_unknown_event, 3, "not a ledger event"),
            (_blank, 3, "not a ledger event"),
        ],
        every=5,
    ),
)
def test_a_damaged_ledger_stops_everything_with_file_and_line(
    open_scene: OpenScene, damage: Callable[[str], str], line: int, words: str
) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    ledger = (scene.clone / LEDGER).read_text()
    scene.push({LEDGER: damage(ledger), "triggers/b.yaml": manifest("b", 2)})
    for command in ("apply", "plan", "status"):
        said = scene.run(command, exits=1)
        assert said.err.startswith(f"error: {LEDGER}:{line}: {words}")
        assert said.out == ""
    report = scene.run("validate", exits=1).out
    assert report.startswith(f"{LEDGER}:{line}:1: ledger-")
    assert words in report
    assert scene.posts == [1]


@pytest.mark.long  # tests/ledger/test_files.py has the rule
def test_a_ledger_that_lost_a_sealed_file_stops_everything(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    ledger = (scene.clone / LEDGER).read_text()
    scene.push({"state/test/ledger-000002.jsonl": ledger, "triggers/b.yaml": manifest("b", 2)})
    said = scene.run("apply", exits=1)
    assert "state/test/ledger-000002.jsonl: has a gap before: number 1 was expected" in said.err
    assert scene.posts == [1]


def test_a_configuration_that_is_not_on_the_branch_is_not_taken_from_here(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    text = (scene.clone / CONFIGURATION).read_text()
    scene.remove(CONFIGURATION)
    (scene.clone / CONFIGURATION).write_text(text)
    said = scene.run("apply", exits=1)
    assert said.err.startswith("error: reconciler.yaml is not on origin/main\n")
    assert scene.posts == []


def test_an_environment_that_is_not_on_the_branch_is_refused(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    two = configuration(scene.url, environments=("test", "prod"))
    (scene.clone / CONFIGURATION).write_text(two)
    said = scene.run("apply", "--env", "prod", exits=1)
    assert "reconciler.yaml on origin's main has no environment prod" in said.err


def test_a_git_section_that_differs_from_the_branchs_is_refused(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    other = configuration(scene.url, git_section={"ledgerBranch": "ledger"})
    (scene.clone / CONFIGURATION).write_text(other)
    said = scene.run("apply", exits=1)
    assert "has another `git` section than here" in said.err
    assert scene.posts == []


@pytest.mark.parametrize(
    "bad",
    sampled(
        [
            {"triggers/bad.yaml": "a: [1\n"},
            {"triggers/bad.yaml": manifest("bad", 0)},
            {"triggers/bad.yaml": manifest("a", 9)},  # the name is taken
            {"triggers/bad.yaml": manifest("bad", 1, triggerTime="2024-03-02T08:00:30+08:00")},
            {"triggers/bad.yaml": manifest("bad", 1, parameters={"SITE": "a"})},
            {"triggers/bad.yaml": manifest("bad", 9, duplicateOf="nowhere")},
        ],
        every=6,
    ),
    ids=["syntax", "range", "name-taken", "collision", "duplicate", "reference"],
)
def test_one_invalid_manifest_on_the_branch_blocks_everything(
    open_scene: OpenScene, bad: dict[str, str]
) -> None:
    scene = open_scene(runs("a", "b") | bad)
    tip = scene.tip()
    said = scene.run("apply", exits=1)
    assert "triggers/bad.yaml:" in said.err
    assert "error: nothing was started: the branch's manifests have " in said.err
    _assert_nothing_happened(scene, tip)


def test_a_changed_run_on_the_branch_blocks_everything(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    scene.push({"triggers/a.yaml": manifest("a", 9), "triggers/b.yaml": manifest("b", 2)})
    assert ": changed: a is recorded" in scene.run("apply", exits=1).err
    assert scene.posts == [1]


def test_pushes_that_use_up_the_longest_claims_end_the_apply_which_says_what_to_raise(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "LONGEST", 1)  # of what the push takes, so that it is soon over
    monkeypatch.setattr(protocol, "MOST_LATE_CLAIMS", 1)
    limits = {"claimSeconds": 0.4}
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, limits=limits, timeoutSeconds=0.1)
    )
    write_hook(scene.origin, "pre-receive", "sleep 0.6")
    said = scene.run("apply", exits=1)
    assert "gave up: the time of 2 claims in a row was used up before they had landed" in said.flat
    assert re.search(r"the last push took \d s: raise limits.claimSeconds to [2-9]", said.flat)
    assert scene.posts == []


def test_a_branch_that_was_reset_and_lost_its_ledger_is_not_believed(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    before = scene.tip()
    scene.run("apply")
    git(scene.origin, "update-ref", "refs/heads/main", before)
    said = scene.run("apply", exits=1)
    assert "state/test: the ledger" in said.err
    assert "has lost events" in said.err
    assert scene.posts == [1]


@pytest.mark.long  # tests/test_lost_ledger.py has the rule
def test_a_ledger_that_lost_its_last_line_is_not_believed(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    claim, *_ = (scene.clone / LEDGER).read_text().splitlines()
    scene.push({LEDGER: f"{claim}\n"})
    said = scene.run("apply", exits=1)
    assert "state/test: the ledger" in said.err
    assert "has lost events" in said.err
    assert scene.posts == [1]


def _while_the_zone_is_asked(scene_of: Callable[[], Scene], files: dict[str, str]) -> Fault:
    """Something lands on the branch after an apply has read it, and before its claim."""

    def push() -> None:
        scene = scene_of()
        writer = make_clone(scene.origin, scene.folder / "writer")
        commit(writer, files)
        git(writer, "push", "--quiet", "origin", "main")

    return Fault(on="timezone", call_before=push)


def test_an_invalid_manifest_that_lands_meanwhile_blocks_everything(open_scene: OpenScene) -> None:
    scene: Scene
    bad = {"triggers/bad.yaml": manifest("bad", 0)}
    scene = open_scene(runs("a"), _while_the_zone_is_asked(lambda: scene, bad))
    said = scene.run("apply", exits=1)
    assert "triggers/bad.yaml:" in said.err
    assert (scene.ledger(), scene.posts) == ([], [])


@pytest.mark.long  # an invalid manifest that lands meanwhile stays
def test_a_run_that_is_suspended_meanwhile_is_not_started(open_scene: OpenScene) -> None:
    scene: Scene
    suspended = {"triggers/a.yaml": manifest("a", 1, suspend=True)}
    scene = open_scene(runs("a", "b"), _while_the_zone_is_asked(lambda: scene, suspended))
    scene.run("apply")
    assert scene.posts == [2]
    assert scene.states() == {"a": "pending", "b": "triggered"}


def test_times_that_cannot_be_meant_are_refused_by_every_command(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, triggerTime=1709337600),
            "triggers/b.yaml": manifest("b", 2, triggerTime="1988-03-02T00:00:00Z"),
        }
    )
    for command in ("validate", "plan", "apply"):
        said = scene.run(command, exits=1)
        assert "1709337600 is in seconds" in said.out + said.err
        assert "widen limits.firstYear" in said.out + said.err
    assert scene.posts == []


def test_the_years_that_times_may_have_are_configured(open_scene: OpenScene) -> None:
    ahead = datetime.now(UTC).year + 8
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, triggerTime="1988-03-02T00:00:00Z"),
            "triggers/b.yaml": manifest("b", 2, triggerTime=f"{ahead}-03-02T00:00:00Z"),
        },
        configured=lambda url: configuration(url, limits={"firstYear": 1980, "yearsAhead": 9}),
    )
    scene.run("validate")
    assert "2 triggered" in scene.run("apply").out


@pytest.mark.parametrize(
    "names", sampled([("main/ledger", "main"), ("x", "x/y")], every=2, whole=True)
)
def test_a_ledger_branch_that_git_cannot_keep_beside_another_is_said_to_need_another_name(
    open_scene: OpenScene, names: tuple[str, str]
) -> None:
    """And not a lock that was left behind, for there is none."""
    ledger, other = names
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, git_section={"ledgerBranch": ledger})
    )
    if other != "main":
        git(scene.clone, "push", "--quiet", "origin", f"main:{other}")
    for _ in range(2):
        said = scene.run("apply", exits=1)
        assert "Git keeps no branch below another one's name" in said.flat
        assert "name another one in reconciler.yaml (git.ledgerBranch" in said.flat
        assert "lock file" not in said.flat
        assert "left behind" not in said.flat
    assert scene.posts == []
