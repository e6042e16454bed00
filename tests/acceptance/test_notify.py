"""`notify`: webhooks are told what an apply has done, once, and cannot hold it up."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from reconciler.notify import posting
from reconciler.sandbox import NEVER, Drop, Fault, FlowOptions, Reply, SandboxOptions, Status
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, configuration, manifest, runs
from tests.notify.receiver import Answer, Receiver, receiving
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled

EVERYTHING = ["started", "failed", "in-doubt", "blocked", "all-done"]
SECRET = "hunter2-of-the-webhook"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(posting, "ATTEMPT_SECONDS", 0.3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def notified(*webhooks: Mapping[str, Any], **more: Any) -> Callable[[str], str]:
    """A configuration in which those webhooks are told."""

    def configured(url: str) -> str:
        content = yaml.safe_load(configuration(url, **more))
        content["environments"]["test"]["notify"] = [dict(one) for one in webhooks]
        return yaml.safe_dump(content, sort_keys=False)

    return configured


def told(receiver: Receiver) -> list[tuple[str, list[str]]]:
    """Every event that was told, with its runs, in the order of the messages."""
    return [
        (event["event"], [one["run"] for one in event["runs"]])
        for received in receiver.received
        for event in received.json["events"]
    ]


def test_what_an_apply_has_started_is_told_once_it_is_recorded(
    open_scene: OpenScene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = {"urlEnv": "NOTIFY_URL", "secretEnv": "NOTIFY_SECRET", "events": EVERYTHING}
    scene = open_scene(runs("a", "b"), configured=notified(webhook))
    monkeypatch.setenv("NOTIFY_URL", receiver.url)
    monkeypatch.setenv("NOTIFY_SECRET", SECRET)
    recorded: list[str] = []
    receiver.on_request = lambda: recorded.extend(one["event"] for one in scene.ledger())
    said = scene.run("apply")
    assert recorded == ["claim", "triggered", "triggered"]
    (received,) = receiver.received
    ((event, told_of),) = told(receiver)
    assert (event, sorted(told_of)) == ("started", ["a", "b"])  # they start side by side
    message = received.json
    assert (message["environment"], message["commit"]) == ("test", scene.tip())
    instances = {one["flowInstanceId"] for one in message["events"][0]["runs"]}
    assert instances == {scene.instance_of(1).id, scene.instance_of(2).id}
    assert received.headers["x-reconciler-delivery"] == message["id"]
    assert received.headers["x-reconciler-timestamp"] == message["time"]
    signed = hmac.new(SECRET.encode(), received.content, hashlib.sha256).hexdigest()
    assert received.headers["x-reconciler-signature"] == f"sha256={signed}"
    assert SECRET not in said.out + said.err
    assert "warning" not in said.err


@pytest.mark.long  # tests/apply/test_effect.py has what is news
def test_what_is_told_of_a_run_is_not_told_again(open_scene: OpenScene, receiver: Receiver) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD),
            "triggers/b.yaml": manifest("b", 2),
        },
        Fault(on="trigger", flow_id=1, list_after=NEVER, ending=Drop(effect=True)),
        options=SandboxOptions(flows={2: FlowOptions(tasks=0)}),
        configured=notified({"url": receiver.url}),
    )
    scene.run("apply", exits=4)
    assert told(receiver) == [("in-doubt", ["a"]), ("failed", ["b"])]
    scene.clock.forward()
    scene.run("apply", exits=4)
    assert len(receiver.received) == 1
    scene.run("resolve", "a", "--not-triggered", "--yes", "--reason", "it was not")
    scene.run("apply", exits=1)
    assert len(receiver.received) == 1  # and a start is not among what it wants


def test_a_failure_is_told_with_what_it_blocks_and_then_that_all_is_done(
    open_scene: OpenScene, receiver: Receiver
) -> None:
    files = {**runs("a", "b"), "triggers/c.yaml": manifest("c", 3, dependsOn=["a"])}
    scene = open_scene(
        files,
        options=SandboxOptions(run_seconds=10, flows={1: FlowOptions(ends=Status.FAIL)}),
        configured=notified({"url": receiver.url, "events": EVERYTHING}),
    )
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    scene.run("apply")
    assert told(receiver) == [
        ("started", ["a", "b"]),
        ("failed", ["a"]),
        ("blocked", ["c"]),
        ("all-done", []),
    ]
    last = receiver.received[-1].json
    assert last["standing"] == {"failed": 1, "succeeded": 1, "blocked": 1}
    assert [one["waitsFor"] for one in last["events"][1]["runs"]] == [["a"]]
    assert last["events"][0]["runs"][0]["status"] == "FAIL"


@pytest.mark.long  # tests/apply/test_effect.py has what is news
def test_an_end_that_status_records_is_told(open_scene: OpenScene, receiver: Receiver) -> None:
    scene = open_scene(
        runs("a"),
        options=SandboxOptions(run_seconds=10, flows={1: FlowOptions(ends=Status.FAIL)}),
        configured=notified({"url": receiver.url}),
    )
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("status", "--refresh")
    scene.run("apply")
    assert told(receiver) == [("failed", ["a"])]


def test_what_is_recorded_is_told_though_the_apply_ends_with_an_error(
    open_scene: OpenScene, receiver: Receiver
) -> None:
    files = {**runs("a"), "triggers/b.yaml": manifest("b", 1, triggerTime="2024-03-03T00:00:00Z")}

    def configure_anew() -> None:
        other = make_clone(scene.origin, scene.folder / "other")
        text = (other / "reconciler.yaml").read_text()
        commit(other, {"reconciler.yaml": text.replace("userId: u1", "userId: u2")})
        git(other, "push", "--quiet")

    scene = open_scene(
        files,
        Fault(on="trigger", call_before=configure_anew),
        configured=notified({"url": receiver.url, "events": ["started"]}),
    )
    said = scene.run("apply", exits=1)
    assert "configured anew meanwhile" in said.err
    assert told(receiver) == [("started", ["a", "b"])]


@pytest.mark.parametrize(
    ("answer", "words", "tries"),
    sampled(
        [
            (Answer(status=500), "it answers 500", 3),
            (Answer(status=429, headers={"retry-after": "86400"}), "it answers 429", 1),
            (
                Answer(status=302, headers={"location": "/hook"}),
                "it answers 302, a redirect: none is",
                1,
            ),
            (Answer(status=403), "it answers 403", 1),
            (Answer(hangs=True), "no answer within 0.3 s", 3),
            (Answer(closes=True), "no answer can be read", 3),
        ],
        every=9,
    ),
    ids=["error", "busy", "loop", "forbidden", "hang", "close"],
)
def test_no_webhook_can_hold_a_claim_or_change_an_exit_code(
    open_scene: OpenScene, answer: Answer, words: str, tries: int
) -> None:
    with receiving(answer) as receiver:
        webhooks = [{"url": receiver.url, "events": EVERYTHING}]
        scene = open_scene(runs("a", "b"), configured=notified(*webhooks))
        open_claims: list[set[str]] = []

        def note() -> None:
            events = scene.ledger()
            claimed = {run for one in events if one["event"] == "claim" for run in one["runs"]}
            open_claims.append(claimed - {one["run"] for one in events if one["event"] != "claim"})

        receiver.on_request = note
        said = scene.run("apply")
        assert "2 triggered" in said.out
        assert f"warning: notify[0] (127.0.0.1) was not told: {words}" in " ".join(said.err.split())
        assert open_claims == [set()] * tries
        assert len({one.json["id"] for one in receiver.received}) == 1
        assert len({one.content for one in receiver.received}) == 1


def test_a_webhook_that_answers_in_the_end_is_told_and_nothing_is_said(
    open_scene: OpenScene,
) -> None:
    with receiving(Answer(status=503, headers={"retry-after": "0"}), Answer()) as receiver:
        scene = open_scene(
            runs("a"), configured=notified({"url": receiver.url, "events": EVERYTHING})
        )
        assert "warning" not in scene.run("apply").err
        assert len(receiver.received) == 2


def test_all_webhooks_together_have_a_bounded_time(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "ATTEMPT_SECONDS", 60.0)
    original = posting.deliver

    async def hurried(deliveries: Any, **_: Any) -> Any:
        return await original(deliveries, total=0.2)

    monkeypatch.setattr(posting, "deliver", hurried)
    with receiving(Answer(hangs=True)) as receiver:
        webhooks = [{"url": receiver.url, "events": EVERYTHING}] * 3
        scene = open_scene(runs("a"), configured=notified(*webhooks))
        said = scene.run("apply")
        assert said.err.count("was not told: no answer within 0.2 s") == 3
        assert len(receiver.received) == 3  # side by side


def test_a_chat_is_not_sent_again_what_it_may_have_shown(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(Answer(hangs=True)) as receiver:
        webhook = {"format": "slack", "urlEnv": "NOTIFY_URL", "events": EVERYTHING}
        scene = open_scene(runs("a"), configured=notified(webhook))
        monkeypatch.setenv("NOTIFY_URL", receiver.url)
        said = scene.run("apply")
        assert "was not told" in said.err
        assert receiver.url not in said.err
        assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    sampled(
        [
            ({}, "the environment variable NOTIFY_URL is not set"),
            ({"NOTIFY_URL": "http://hooks.test/T0/hunter2"}, "its URL must begin with https://"),
            ({"NOTIFY_URL": "hunter2"}, "its URL needs a scheme and a host"),
        ],
        every=3,
    ),
)
def test_a_webhook_without_a_usable_url_is_a_warning(
    open_scene: OpenScene,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: str,
) -> None:
    scene = open_scene(runs("a"), configured=notified({"urlEnv": "NOTIFY_URL"}))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # also where nothing is to be told
        said = scene.run("apply")
        assert f"warning: notify[0] (NOTIFY_URL) was not told: {words}" in said.flat
        assert "hunter2" not in said.flat
    assert "warning" not in scene.run("apply", "--quiet").err


def test_no_configuration_can_ask_for_another_secret(
    open_scene: OpenScene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = {"url": receiver.url, "secretEnv": "ENOS_SECRET_KEY", "events": EVERYTHING}
    scene = open_scene(runs("a", "b"), configured=notified(webhook))
    said = scene.run("apply", "a")
    assert "ENOS_SECRET_KEY is not read: the names of a webhook's variables" in said.flat
    assert not receiver.received
    monkeypatch.setenv("RECONCILER_NOTIFY_VARIABLES", "OTHER, ENOS_SECRET_KEY")
    scene.run("apply")
    assert len(receiver.received) == 1


def test_no_parameter_and_no_word_of_the_service_is_told(
    open_scene: OpenScene, receiver: Receiver
) -> None:
    refused = Reply(code=62104, msg="no task for hunter2")
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, parameters={"DB_PASSWORD": "hunter2", "X": "seen"})},
        Fault(on="trigger", ending=refused),
        configured=notified({"url": receiver.url}),
    )
    scene.run("apply", exits=1)
    text = receiver.received[0].content.decode()
    assert "rejected" in text
    assert not {word for word in ("hunter2", "seen", "DB_PASSWORD", "u1", "o1") if word in text}


def test_a_test_message_goes_to_each_webhook_and_tells_what_came_of_it(
    open_scene: OpenScene, receiver: Receiver
) -> None:
    webhooks = [{"url": receiver.url}, {"format": "teams", "urlEnv": "NOTIFY_TEAMS_URL"}]
    scene = open_scene({}, configured=notified(*webhooks))
    said = scene.run("notify", "test", exits=1)
    unset = "the environment variable NOTIFY_TEAMS_URL is not set"
    assert said.out == (
        "test: notify[0] (127.0.0.1): told\n"
        f"test: notify[1] (NOTIFY_TEAMS_URL): not told: {unset}\n"
    )
    (received,) = receiver.received
    assert received.json["test"] is True
    assert received.json["events"] == []
    assert not scene.sandbox.requests


def test_where_nobody_is_told_a_test_says_so(open_scene: OpenScene) -> None:
    scene = open_scene({})
    assert "nobody is told: reconciler.yaml has no notify" in scene.run("notify", "test").out


@pytest.mark.parametrize("error", sampled([ZeroDivisionError, KeyboardInterrupt], every=2))
def test_whatever_ends_the_telling_the_apply_reports_what_it_did(
    open_scene: OpenScene,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    def fail(_: Any) -> None:
        raise error("hunter2")

    monkeypatch.setattr("reconciler.cli.notifying.news_of", fail)
    scene = open_scene(runs("a"), configured=notified({"url": receiver.url}))
    said = scene.run("apply")
    assert f"warning: notify was not told: {error.__name__}\n" in said.err
    assert "1 triggered" in said.out
