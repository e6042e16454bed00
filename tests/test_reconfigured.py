"""What a change does to the configuration."""

from typing import Any

from msgspec.structs import fields, replace

from reconciler.configuration import (
    Configuration,
    Environment,
    GatewayConfiguration,
    GitConfiguration,
    Limits,
    parse_configuration,
)
from reconciler.model import Source
from reconciler.plan.review import changed_settings, former_names
from reconciler.webhooks import Occasion, Webhook, WebhookFormat
from tests.environments import configuration

HERE = parse_configuration(
    Source(path="reconciler.yaml", content=configuration("http://127.0.0.1:9").encode())
)
TEST = HERE.environments["test"]


def differences(before: Configuration | None, after: Configuration) -> dict[str, tuple[Any, Any]]:
    return {one.pointer: (one.before, one.after) for one in changed_settings(before, after, "test")}


def with_environment(environment: Environment) -> Configuration:
    return replace(HERE, environments={"test": environment})


def test_nothing_differs_from_itself() -> None:
    assert differences(HERE, HERE) == {}


def test_no_field_of_the_configuration_changes_unseen() -> None:
    unseen = {"zone", "name"}  # the zone is what `timezone` means, the name the environment's key
    for kind, part in ((GatewayConfiguration, "gateway"), (Limits, "limits")):
        for field in {one.name for one in fields(kind)} - unseen:
            changed: Any = replace(getattr(TEST, part), **{field: "other"})
            after = with_environment(
                replace(TEST, gateway=changed)
                if part == "gateway"
                else replace(TEST, limits=changed)
            )
            (pointer,) = differences(HERE, after)
            assert pointer.startswith(f"/environments/test/{part}/"), field
    for field in {one.name for one in fields(GitConfiguration)}:
        after = replace(HERE, git=replace(HERE.git, **{field: "other"}))
        assert len(differences(HERE, after)) == 1, field
    for field in ("manifests", "state"):
        other: dict[str, Any] = {field: "other"}
        after = with_environment(replace(TEST, **other))
        assert differences(HERE, after) == {
            f"/environments/test/{field}": (getattr(TEST, field), "other")
        }


def test_no_field_of_a_webhook_changes_unseen() -> None:
    webhook = Webhook(url_env="NOTIFY_URL")
    before = with_environment(replace(TEST, notify=(webhook,)))
    others: dict[str, Any] = {
        "format": WebhookFormat.SLACK,
        "url": "https://alerts.test",
        "url_env": "NOTIFY_OTHER",
        "secret_env": "NOTIFY_SECRET",
        "events": (Occasion.STARTED,),
    }
    assert {one.name for one in fields(Webhook)} == set(others)
    for name, value in others.items():
        changed: Any = replace(webhook, **{name: value})
        (pointer,) = differences(before, with_environment(replace(TEST, notify=(changed,))))
        assert pointer.startswith("/environments/test/notify/0/"), name
    new = differences(HERE, before)
    assert new["/environments/test/notify/0/urlEnv"] == (None, "NOTIFY_URL")
    gone = differences(before, HERE)
    assert gone == {name: (after, was) for name, (was, after) in new.items()}


def test_a_field_that_is_left_out_has_its_default() -> None:
    text = configuration("http://127.0.0.1:9").replace("      maxRunsPerApply: 1000\n", "")
    before = parse_configuration(Source(path="reconciler.yaml", content=text.encode()))
    assert differences(before, HERE) == {"/environments/test/limits/maxRunsPerApply": (200, 1000)}


def test_retired_folders_and_environments_that_are_gone_are_told() -> None:
    assert differences(HERE, replace(HERE, retired=("old",))) == {"/retired": ([], ["old"])}
    before = replace(HERE, environments={"test": TEST, "old": TEST})
    folders = {"manifests": "triggers", "state": "state/test"}
    assert differences(before, HERE) == {"/environments/old": (folders, None)}


def test_without_a_base_everything_is_new() -> None:
    found = differences(None, HERE)
    assert found["/environments/test/gateway/orgId"] == (None, "o1")
    assert found["/git/remote"] == (None, "origin")


def test_of_what_is_new_only_that_is_shown_which_is_not_so_anyway() -> None:
    limits = Limits(concurrency=3)
    plain = replace(TEST.gateway, timeout=30, settle=5)
    after = with_environment(replace(TEST, limits=limits, gateway=plain))
    other = replace(HERE, environments={"other": replace(TEST, name="other")})
    gateway = {
        one: f"/environments/test/gateway/{one}" for one in ("url", "orgId", "userId", "timezone")
    }
    for before in (None, other):
        shown = {one.pointer for one in changed_settings(before, after, "test") if not one.is_usual}
        assert {"/environments/test/manifests", *gateway.values()} <= shown
        assert "/environments/test/limits/concurrency" in shown
        assert "/environments/test/limits/claimSeconds" not in shown
        assert "/retired" not in shown
    (back,) = changed_settings(
        after, with_environment(replace(after.environments["test"], limits=Limits())), "test"
    )
    assert not back.is_usual  # though it is as by default now


def named(**environments: Environment) -> Configuration:
    return replace(
        HERE, environments={key: replace(one, name=key) for key, one in environments.items()}
    )


def former(before: Configuration, after: Configuration, *, moved: bool = False) -> dict[str, str]:
    return former_names(before, after, lambda *_: moved)


OTHER = replace(TEST, manifests="m", state="s")


def test_an_environment_is_known_by_its_ledger_or_by_its_manifests_at_the_same_service() -> None:
    before = named(old=TEST)
    assert former(before, named(new=replace(TEST, manifests="m"))) == {"new": "old"}
    assert former(before, named(new=replace(TEST, state="s"))) == {"new": "old"}
    assert former(before, named(new=OTHER)) == {}
    assert former(before, named(new=OTHER), moved=True) == {"new": "old"}
    elsewhere = replace(TEST, state="s", gateway=replace(TEST.gateway, org_id="o9"))
    assert former(before, named(new=elsewhere)) == {}


def test_one_that_still_stands_there_or_that_two_could_be_was_not_renamed() -> None:
    assert former(named(old=TEST), named(old=TEST, new=OTHER), moved=True) == {}
    assert former(named(old=TEST), named(new=OTHER, more=OTHER), moved=True) == {}
    assert former(named(old=OTHER, more=OTHER), named(new=TEST), moved=True) == {}
    both = named(new=TEST, more=OTHER)
    assert former(named(old=TEST, former=OTHER), both) == {"new": "old", "more": "former"}
    assert former(named(old=TEST), both, moved=True) == {"new": "old"}


def test_a_renamed_environment_is_compared_with_what_it_was() -> None:
    limits = replace(TEST.limits, concurrency=1)
    found = changed_settings(named(old=TEST), named(new=replace(TEST, limits=limits)), "new", "old")
    assert {one.pointer: (one.before, one.after) for one in found} == {
        "/environments": ("old", "new"),
        "/environments/new/limits/concurrency": (TEST.limits.concurrency, 1),
    }
