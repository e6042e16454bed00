"""A checkout that somebody wrote who is not trusted: it cannot ask for credentials."""

import socket
from collections.abc import Iterator, Mapping

import pytest
import yaml

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, runs
from tests.repositories import git
from tests.sampling import sampled

_BASES = [
    ("GITHUB_BASE_REF", "main"),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
    ("CHANGE_TARGET", "main"),
    ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"),
    ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
    ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "main"),
]


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    return open_scene(runs("a"))


@pytest.fixture
def thief() -> Iterator[socket.socket]:
    """Somebody who listens, and must never hear of anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def _heard(thief: socket.socket) -> bool:
    try:
        thief.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def change(scene: Scene, section: Mapping[str, str] | None = None, **gateway: str) -> None:
    """Change the configuration of the checkout."""
    path = scene.clone / CONFIGURATION
    content = yaml.safe_load(path.read_text())
    content["environments"]["test"]["gateway"] |= gateway
    if section is not None:
        content["git"] = dict(section)
    path.write_text(yaml.safe_dump(content))


def test_a_gateway_that_the_shared_branch_does_not_name_hears_nothing(
    scene: Scene, thief: socket.socket
) -> None:
    change(scene, url=f"http://127.0.0.1:{thief.getsockname()[1]}")
    said = scene.run("plan", "--online", exits=1)
    assert "test: gateway.url differs from the one on origin's branch" in said.flat
    assert "Without --online a plan needs no credentials." in said.err
    assert not _heard(thief)
    scene.run("plan")


@pytest.mark.parametrize(
    ("field", "value"),
    sampled(
        [
            ("orgId", "o2"),
            ("userId", "u2"),
            ("accessKeyEnv", "ENOS_OTHER_KEY"),
            ("secretKeyEnv", "GITHUB_TOKEN"),
            ("caFile", "ca.pem"),
        ],
        every=5,
    ),
)
def test_each_field_that_decides_who_gets_what_must_stand_on_the_branch(
    scene: Scene, field: str, value: str
) -> None:
    change(scene, None, **{field: value})
    said = scene.run("plan", "--online", exits=1)
    assert f"gateway.{field} differs from the one on" in said.flat
    assert scene.sandbox.requests == []


def test_an_environment_that_only_the_checkout_has_gets_none(scene: Scene) -> None:
    path = scene.clone / CONFIGURATION
    path.write_text(path.read_text().replace("  test:", "  new:"))
    said = scene.run("plan", "--online", exits=1)
    assert "new: " in said.err
    assert scene.sandbox.requests == []


def test_without_a_shared_branch_nobody_gets_credentials(scene: Scene) -> None:
    git(scene.clone, "remote", "remove", "origin")
    said = scene.run("plan", "--online", exits=1)
    assert "no shared branch says where credentials may be sent" in said.flat
    assert scene.sandbox.requests == []


@pytest.mark.parametrize(("variable", "base"), sampled(_BASES, every=3))
def test_a_pull_request_cannot_name_its_own_branch_as_the_shared_one(
    scene: Scene,
    thief: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    base: str,
) -> None:
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    change(scene, {"branch": "feature"}, url=f"http://127.0.0.1:{thief.getsockname()[1]}")
    git(scene.clone, "commit", "--quiet", "--all", "--message", "Mine")
    git(scene.clone, "push", "--quiet", "origin", "feature")
    monkeypatch.setenv(variable, base)
    said = scene.run("plan", "--online", exits=1)
    assert "gateway.url differs from the one on origin/main" in said.flat
    assert not _heard(thief)


def test_status_and_apply_of_a_pull_request_go_by_the_base_branch(
    scene: Scene, thief: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.run("apply")
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    change(scene, {"branch": "feature"}, url=f"http://127.0.0.1:{thief.getsockname()[1]}")
    git(scene.clone, "commit", "--quiet", "--all", "--message", "Mine")
    git(scene.clone, "push", "--quiet", "origin", "feature")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    scene.run("status", "--refresh")
    scene.run("apply")
    assert not _heard(thief)
    assert git(scene.clone, "rev-parse", "feature") == scene.tip("feature")


def test_a_base_branch_that_names_another_one_is_still_the_shared_one(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    change(scene, {"branch": "main"})
    scene.push({})
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    scene.run("plan", "--online")
    monkeypatch.setenv("GITHUB_BASE_REF", "")
    scene.run("plan", "--online")


@pytest.mark.parametrize(
    "variable", sampled(["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "XENOS_KEY"], every=3)
)
def test_a_variable_of_another_name_is_not_read_even_if_the_branch_names_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "ghs-in-clear")
    change(scene, accessKeyEnv=variable)
    scene.push({})
    for command in (("plan", "--online"), ("apply",)):
        said = scene.run(*command, exits=1)
        assert f"the environment variable {variable} is not read" in said.flat
        assert f"RECONCILER_KEY_VARIABLES={variable}" in said.flat
        assert "ghs-in-clear" not in said.flat
    assert scene.sandbox.requests == []


def test_a_variable_that_the_pipeline_allows_is_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROD_ACCESS", scene.sandbox.options.access_key)
    monkeypatch.setenv("RECONCILER_KEY_VARIABLES", "OTHER, PROD_ACCESS")
    change(scene, accessKeyEnv="PROD_ACCESS")
    scene.push({})
    scene.run("apply")
    assert scene.posts == [1]


def test_one_variable_is_not_both_keys_for_the_access_key_is_sent_in_clear(scene: Scene) -> None:
    change(scene, accessKeyEnv="ENOS_SECRET_KEY")
    scene.push({})
    for command in ("validate", "apply"):
        assert "names the same variable as secretKeyEnv" in scene.run(command, exits=1).flat
    assert scene.sandbox.requests == []


def test_certificates_are_those_of_the_shared_branch(scene: Scene) -> None:
    change(scene, caFile="ca.pem")
    scene.push({"ca.pem": "theirs"})
    (scene.clone / "ca.pem").write_text("mine")
    for command in (("plan", "--online"), ("apply",)):
        said = scene.run(*command, exits=1)
        assert "ca.pem (gateway.caFile) is not what the shared branch holds" in said.flat
    assert scene.sandbox.requests == []


@pytest.mark.parametrize(
    ("variable", "value"),
    sampled(
        [
            ("BUILD_URL", "https://ci:hunter2@ci.test/job/7/"),
            ("BUILD_URL", "https://ci.test/job/7/?token=hunter2"),
            ("CI_JOB_URL", "https://hunter2@ci.test/job/7#hunter2"),
        ],
        every=3,
    ),
)
def test_a_password_in_the_address_of_a_job_reaches_no_ledger(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = scene.run("apply", "--verbose")
    assert scene.ledger()[0]["by"].startswith("https://")
    assert "ci.test/job/7" in scene.ledger()[0]["by"]
    assert "hunter2" not in f"{scene.ledger()}{said}{git(scene.clone, 'log', '-p', 'origin/main')}"
    assert "hunter2" not in scene.run("status", "a", "--verbose").flat


@pytest.mark.parametrize(
    "address", ["http://me:hunter2@127.0.0.1:1/x", "http://127.0.0.1:1/x?private_token=hunter2"]
)
def test_a_password_in_the_address_of_a_remote_reaches_no_output(
    scene: Scene, address: str
) -> None:
    git(scene.clone, "remote", "set-url", "origin", address)
    for command in (("plan",), ("status",), ("apply",)):
        said = scene.run(*command, "--verbose", exits=1)
        assert "127.0.0.1" in said.err
        assert "hunter2" not in said.flat


@pytest.mark.parametrize(
    ("proxy", "named"),
    sampled(
        [
            ("http://me:hunter2@127.0.0.1:1", "by the proxy http://127.0.0.1:1"),
            ("http://me:hunter2@127.0.0.1:99999", "its port is no number from 1 to 65535"),
            ("nonsense://me:hunter2@x", "its scheme is none of http"),
        ],
        every=3,
    ),
)
def test_a_password_in_the_address_of_a_proxy_reaches_no_output(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, proxy: str, named: str
) -> None:
    change(scene, url="https://gateway.invalid")
    scene.push({})
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for command in (("plan", "--online"), ("apply", "--verbose")):
        said = scene.run(*command, exits=1).flat
        assert "hunter2" not in said
        assert named in said
        assert "HTTPS_PROXY" in said
