from typing import Any

import pytest
from msgspec.structs import fields

from reconciler.configuration import (
    Configuration,
    GatewayConfiguration,
    GitConfiguration,
    InvalidConfigurationError,
    Limits,
    parse_configuration,
)
from reconciler.errors import ConfigurationError, ExitCode
from reconciler.model import Source
from reconciler.schema import load_schema
from reconciler.webhooks import Occasion, Webhook, WebhookFormat
from tests.corpus.examples import CORPUS, source

IN_ORDER_OF_THE_FILE = (
    Occasion.STARTED,
    Occasion.FAILED,
    Occasion.IN_DOUBT,
    Occasion.BLOCKED,
    Occasion.ALL_DONE,
)


def valid(name: str) -> Configuration:
    return parse_configuration(source(CORPUS / f"config/valid/{name}.yaml"))


def test_what_is_left_out_has_the_defaults_that_the_design_names() -> None:
    configuration = valid("minimal")
    assert configuration.git == GitConfiguration(remote="origin", branch=None, ledger_branch=None)
    environment = configuration.environments["prod"]
    assert (environment.name, environment.manifests, environment.state) == (
        "prod",
        "triggers",
        "state/prod",
    )
    gateway = environment.gateway
    assert (gateway.access_key_env, gateway.secret_key_env) == (
        "ENOS_ACCESS_KEY",
        "ENOS_SECRET_KEY",
    )
    assert (gateway.timeout, gateway.settle, gateway.ca_file) == (30, 5, None)
    assert (gateway.same_minute_allowed, gateway.correlation_parameter) == (False, None)
    assert environment.limits == Limits(
        max_runs_per_apply=200,
        max_runs_per_backfill=10_000,
        concurrency=8,
        requests_per_second=None,
        claim_seconds=120,
    )


def test_every_field_that_is_given_arrives() -> None:
    configuration = valid("everything")
    assert configuration.git == GitConfiguration(
        remote="upstream", branch="trunk", ledger_branch="ledger/prod"
    )
    environment = configuration.environments["prod"]
    gateway = environment.gateway
    assert gateway == GatewayConfiguration(
        url="https://apim.example.test",
        org_id="o15504745674071",
        user_id="u16418031372711526",
        timezone="GMT+8",
        zone=gateway.zone,
        access_key_env="PROD_ACCESS",
        secret_key_env="PROD_SECRET",
        ca_file="certificates/company.pem",
        timeout=10.5,
        settle=0,
        same_minute_allowed=True,
        instance_url="https://enos.example.test/flows/{flowId}/instances?id={flowInstanceId}#log",
        correlation_parameter="RECONCILER_RUN",
    )
    assert str(gateway.zone) == "UTC+08:00"
    assert environment.limits == Limits(
        max_runs_per_apply=500,
        max_runs_per_backfill=2_000,
        concurrency=16,
        requests_per_second=0.5,
        claim_seconds=60,
    )
    assert environment.notify == (
        Webhook(url_env="NOTIFY_URL", secret_env="NOTIFY_SECRET", events=(*IN_ORDER_OF_THE_FILE,)),
        Webhook(url="https://alerts.example.test/reconciler?team=wind"),
        Webhook(format=WebhookFormat.SLACK, url_env="NOTIFY_SLACK_URL", events=(Occasion.FAILED,)),
        Webhook(format=WebhookFormat.TEAMS, url_env="NOTIFY_TEAMS_URL"),
    )


def test_folders_are_normalised_and_environments_keep_their_order() -> None:
    environments = valid("several-environments").environments
    assert list(environments) == ["prod", "prod-2"]
    folders = [environment.manifests for environment in environments.values()]
    assert folders == ["triggers/prod", "triggers/prod-2"]


def test_an_integral_float_is_an_integer() -> None:
    text = (CORPUS / "config/valid/everything.yaml").read_text(encoding="utf-8")
    text = text.replace("concurrency: 16", "concurrency: 16.0").replace("500", "500.0")
    text = text.replace("2000", "2000.0")
    limits = (
        parse_configuration(Source(path="r.yaml", content=text.encode()))
        .environments["prod"]
        .limits
    )
    numbers = (limits.concurrency, limits.max_runs_per_apply, limits.max_runs_per_backfill)
    assert [type(value) for value in numbers] == [int] * 3


def test_the_defaults_in_the_schema_are_those_of_the_program() -> None:
    definitions = load_schema("config")["$defs"]
    git = load_schema("config")["properties"]["git"]["properties"]
    assert git["remote"]["default"] == default(GitConfiguration, "remote")
    gateway = definitions["gateway"]["properties"]
    assert gateway["accessKeyEnv"]["default"] == default(GatewayConfiguration, "access_key_env")
    assert gateway["secretKeyEnv"]["default"] == default(GatewayConfiguration, "secret_key_env")
    assert gateway["timeoutSeconds"]["default"] == default(GatewayConfiguration, "timeout")
    assert gateway["settleSeconds"]["default"] == default(GatewayConfiguration, "settle")
    assert gateway["sameMinute"]["default"] == "refuse"
    assert default(GatewayConfiguration, "same_minute_allowed") is False
    limits = definitions["limits"]["properties"]
    assert limits["maxRunsPerApply"]["default"] == default(Limits, "max_runs_per_apply")
    assert limits["maxRunsPerBackfill"]["default"] == default(Limits, "max_runs_per_backfill")
    assert limits["concurrency"]["default"] == default(Limits, "concurrency")
    assert limits["claimSeconds"]["default"] == default(Limits, "claim_seconds")
    webhook = definitions["webhook"]["properties"]
    assert webhook["format"]["default"] == default(Webhook, "format")
    assert tuple(webhook["events"]["default"]) == default(Webhook, "events")
    assert set(webhook["events"]["items"]["enum"]) == set(Occasion)
    assert set(webhook["format"]["enum"]) == set(WebhookFormat)


def default(owner: Any, name: str) -> Any:
    return next(field.default for field in fields(owner) if field.name == name)


@pytest.mark.parametrize(("claim", "margin"), [(120, 5), (50, 5), (20, 2), (1, 0.1)])
def test_the_margin_is_five_seconds_or_a_tenth_of_a_short_claim(
    claim: float, margin: float
) -> None:
    assert Limits(claim_seconds=claim).margin == pytest.approx(margin)


@pytest.mark.parametrize(
    ("timeout", "claim", "accepted"), [(30, 35, True), (30, 33.4, True), (30, 33, False)]
)
def test_a_claim_must_outlast_one_request_and_the_margin(
    timeout: float, claim: float, *, accepted: bool
) -> None:
    text = (CORPUS / "config/valid/everything.yaml").read_text(encoding="utf-8")
    text = text.replace("claimSeconds: 60", f"claimSeconds: {claim}")
    text = text.replace("timeoutSeconds: 10.5", f"timeoutSeconds: {timeout}")
    made = Source(path="reconciler.yaml", content=text.encode())
    if accepted:
        assert parse_configuration(made)
    else:
        with pytest.raises(InvalidConfigurationError, match="plus a margin"):
            parse_configuration(made)


def test_the_error_is_a_configuration_error_that_tells_every_problem_with_its_place() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_configuration(source(CORPUS / "config/invalid/limits.yaml"))
    error = raised.value
    assert isinstance(error, InvalidConfigurationError)
    assert str(error).splitlines() == [str(problem) for problem in error.problems]
    assert len(error.problems) == 8
    assert error.exit_code is ExitCode.PROBLEM


def test_a_sound_environment_is_checked_although_another_is_broken() -> None:
    text = (CORPUS / "config/invalid/long-timeout.yaml").read_text(encoding="utf-8")
    made = Source(path="r.yaml", content=(text + "  other: {}\n").encode())
    with pytest.raises(InvalidConfigurationError) as raised:
        parse_configuration(made)
    codes = [problem.code for problem in raised.value.problems]
    assert codes == ["range", "required", "required", "required"]


ONE = """version: 1
environments:
  prod:
    manifests: triggers
    state: state/prod
    gateway: {url: "https://a.test", orgId: o, userId: u, timezone: UTC}
"""
DEV = """  dev:
    manifests: t2
    state: state/dev
    gateway: {url: "https://a.test", orgId: o, userId: u, timezone: UTC}
"""
UNREADABLE = {"99999999999999999999": "yaml-number", "1e999": "yaml-number", "!!str x": "yaml-tag"}
WITHIN = (
    ONE.replace("{url", "&g {url").replace("UTC", "VALUE")
    + "  dev: {manifests: t2, state: state/dev, gateway: *g}\n",
    f"{ONE}    limits: &l {{claimSeconds: VALUE}}\n{DEV}    limits: *l\n",
    f"{ONE}    notify: &n [{{format: VALUE, urlEnv: N}}]\n{DEV}    notify: *n\n",
)
ITSELF = (
    ONE.replace("triggers", "&m VALUE") + DEV.replace("t2", "*m"),
    ONE.replace("triggers", "&m VALUE") + "retired: *m\n",
    ONE.replace("triggers", "&m VALUE") + "retired: [*m]\n",
    "git: {branch: &b VALUE, ledgerBranch: *b}\n" + ONE,
)


@pytest.mark.parametrize("template", [*WITHIN, *ITSELF])
@pytest.mark.parametrize("value", UNREADABLE)
def test_what_an_alias_repeats_is_no_sounder_than_what_it_names(template: str, value: str) -> None:
    assert UNREADABLE[value] in problem_codes(template.replace("VALUE", value))


@pytest.mark.parametrize("template", WITHIN)
def test_an_alias_of_nothing_is_found_although_another_repeats_it(template: str) -> None:
    assert problem_codes(template.replace("VALUE", "*zz")) == {"yaml-alias"}


@pytest.mark.parametrize(
    "text",
    [
        f"!!map\n{ONE}".replace("UTC}", "5}"),
        ONE.replace("environments:", "environments: !!map").replace("UTC}", "5}"),
        f"git: !!map {{branch: 1}}\n{ONE}",
    ],
)
def test_nothing_below_a_value_that_is_not_read_counts_as_sound(text: str) -> None:
    assert problem_codes(text) == {"yaml-tag"}


def test_a_field_that_a_merge_key_hides_is_not_taken_for_given_behind_an_alias() -> None:
    text = ONE.replace('{url: "https://a.test", ', "&g {<<: {}, ")
    text += "  dev: {manifests: t2, state: state/dev, gateway: *g}\n"
    assert problem_codes(text) == {"yaml-merge-key"}


def problem_codes(text: str) -> set[str]:
    with pytest.raises(InvalidConfigurationError) as raised:
        parse_configuration(Source(path="reconciler.yaml", content=text.encode()))
    return {problem.code for problem in raised.value.problems}


@pytest.mark.parametrize("name", ["branch", "ledgerBranch"])
@pytest.mark.parametrize("branch", ["HEAD", "@", "refs", "refs/x", "reconciler-trace"])
def test_a_branch_that_is_none_or_the_place_of_traces_is_refused(name: str, branch: str) -> None:
    assert problem_codes(f'git: {{{name}: "{branch}"}}\n{ONE}') == {"pattern"}


@pytest.mark.parametrize(
    "branch", ["head", "HEAD2", "a@b", "refsx/y", "x/refs/y", "reconciler-trac"]
)
def test_a_branch_that_only_begins_like_one_of_those_is_accepted(branch: str) -> None:
    text = f'git: {{branch: "{branch}", ledgerBranch: "{branch}-ledger"}}\n{ONE}'
    assert parse_configuration(Source(path="r.yaml", content=text.encode())).git.branch == branch
