"""The sandbox's file: what it can say, and what it is told when it says something else."""

import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from reconciler.cli.main import run
from reconciler.errors import ConfigurationError
from reconciler.model import EpochMs
from reconciler.sandbox import (
    ALWAYS,
    NEVER,
    ClockJump,
    Drop,
    Fault,
    FlowOptions,
    ParametersShown,
    Reply,
    SandboxOptions,
    Status,
    Stranger,
    read_sandbox_file,
)
from reconciler.sandbox.faults import HTML

README = Path(__file__).parents[2] / "reconciler" / "sandbox" / "README.md"


def read(folder: Path, text: str) -> tuple[SandboxOptions, tuple[Fault, ...]]:
    file = folder / "faults.yaml"
    file.write_text(text, encoding="utf-8")
    return read_sandbox_file(file)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        read(folder, text)
    assert raised.value.hint is not None
    return [
        line.removeprefix(f"{folder / 'faults.yaml'}: ") for line in str(raised.value).split("\n")
    ]


def test_every_option_can_be_set(tmp_path: Path) -> None:
    options, faults = read(
        tmp_path,
        """
accessKey: key
secretKey: secret
requireAuth: false
tokenSeconds: 60
timezone: Europe/Berlin
latency: 0.1
maxBodyBytes: 1000
runSeconds: 5
pageBase: 0
instanceType: 2
flowIdAsString: true
flowIdShown: zero
windowsIgnored: true
emptyList: "null"
users: {o1: [u1, u2]}
flows:
  1: {name: wind, owner: u1;u2, exists: false, privilege: false, locked: true}
  2: {userLocked: true, tasks: 0, runSeconds: 60, ends: FAIL}
  3:
  4: {parameters: [SITE, MODE], ends: [FAIL, SUCCESS], forgetsAfter: 60}
  5: {parameters: []}
  6: {defaults: {MODE: full, SITE: ""}}
ids: minute
idNamesFlow: false
countShown: page
pastEnd: last
createdZone: UTC
triggerTimeZone: GMT+1
stampLayout: letterZ
statusShown: word
lists: newest
sees: own
listAfterSeconds: 20
createdLagSeconds: -0.5
createdCut: minute
triggerTimeShown: roundedMinute
parametersShown: [merged, filled, upperCase, {cut: 8}, reordered, retyped, map]
clockJumps:
  - {after: 10, by: -3600}
strangers:
  - flowId: 1
    triggerTime: 2024-03-02T08:00:00+08:00
    parameters: {SITE: cn-01, MODE: ""}
    createdSecondsAgo: 30
    owner: u9
    type: 1
    ends: FAIL
    runSeconds: 60
  - {flowId: 2, triggerTime: 1709337600500, afterTrigger: 0.5}
  - {flowId: 3, triggerTime: "2024-03-02T00:00:00.5Z"}
""",
    )
    assert faults == ()
    assert options == SandboxOptions(
        access_key="key",
        secret_key="secret",
        require_auth=False,
        token_seconds=60,
        timezone="Europe/Berlin",
        latency=0.1,
        max_body_bytes=1000,
        run_seconds=5,
        page_base=0,
        instance_type=2,
        flow_id_as_string=True,
        flow_id_shown="zero",
        windows_ignored=True,
        empty_list="null",
        users={"o1": frozenset({"u1", "u2"})},
        flows={
            1: FlowOptions(name="wind", owner="u1;u2", exists=False, privilege=False, locked=True),
            2: FlowOptions(user_locked=True, tasks=0, run_seconds=60, ends=Status.FAIL),
            3: FlowOptions(),
            4: FlowOptions(
                parameters=("SITE", "MODE"),
                ends=(Status.FAIL, Status.SUCCESS),
                forgets_after=60,
            ),
            5: FlowOptions(parameters=()),
            6: FlowOptions(defaults={"MODE": "full", "SITE": ""}),
        },
        ids="minute",
        id_names_flow=False,
        count_shown="page",
        past_end="last",
        created_zone="UTC",
        trigger_time_zone="GMT+1",
        stamp_layout="letterZ",
        status_shown="word",
        lists="newest",
        sees="own",
        list_after_seconds=20,
        created_lag_seconds=-0.5,
        created_cut="minute",
        trigger_time_shown="roundedMinute",
        parameters_shown=ParametersShown(
            merged=True, filled=True, case="upper", cut=8, reordered=True, retyped=True, as_map=True
        ),
        clock_jumps=(ClockJump(after=10, by=-3600),),
        strangers=(
            Stranger(
                flow_id=1,
                trigger_time=EpochMs(1_709_337_600_000),
                parameters=(("SITE", "cn-01"), ("MODE", "")),
                created_seconds_ago=30,
                owner="u9",
                type=1,
                ends=Status.FAIL,
                run_seconds=60,
            ),
            Stranger(flow_id=2, trigger_time=EpochMs(1_709_337_600_500), after_trigger=0.5),
            Stranger(flow_id=3, trigger_time=EpochMs(1_709_337_600_500)),
        ),
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("[]", ParametersShown()),
        ("[lowerCase]", ParametersShown(case="lower")),
        ("[hidden]", ParametersShown(hidden="absent")),
        ("[blank]", ParametersShown(hidden="null")),
    ],
)
def test_how_parameters_are_shown_is_a_list_of_words(
    tmp_path: Path, words: str, shown: ParametersShown
) -> None:
    options, _ = read(tmp_path, f"parametersShown: {words}")
    assert options.parameters_shown == shown


def test_every_instance_can_be_kept_out_of_searches_for_good(tmp_path: Path) -> None:
    assert read(tmp_path, "listAfterSeconds: never")[0].list_after_seconds == NEVER


def test_every_fault_can_be_written(tmp_path: Path) -> None:
    _, faults = read(
        tmp_path,
        """
faults:
  - {on: trigger, flowId: 3377, after: 2, times: always, drop: true, effect: true}
  - {"on": any, times: 3, drop: true}
  - {on: search, delayBefore: 1.5, delayAfter: 2}
  - {on: time, expireToken: true}
  - {on: trigger, rateLimit: 20}
  - {on: trigger, listAfter: 30}
  - {on: trigger, listAfter: never, answer: {status: 503, code: 62109}, effect: true}
  - {on: token, answer: {msg: 'no', headers: {Retry-After: 3}}}
  - {on: flow, answer: {status: 502, html: true}}
  - {on: instance, answer: {body: ""}}
  - {on: trigger, extraAnswer: same}
  - {on: trigger, extraAnswer: {status: 503, html: true}, extraAfter: 0.5}
""",
    )
    assert faults == (
        Fault(on="trigger", flow_id=3377, after=2, times=ALWAYS, ending=Drop(effect=True)),
        Fault(on="any", times=3, ending=Drop()),
        Fault(on="search", delay_before=1.5, delay_after=2),
        Fault(on="time", expire_token=True),
        Fault(on="trigger", rate_limit=20),
        Fault(on="trigger", list_after=30),
        Fault(on="trigger", list_after=NEVER, ending=Reply(effect=True, status=503, code=62109)),
        Fault(on="token", ending=Reply(msg="no", headers={"Retry-After": "3"})),
        Fault(on="flow", ending=Reply(status=502, body=HTML)),
        Fault(on="instance", ending=Reply(body="")),
        Fault(on="trigger", extra_answer="same"),
        Fault(on="trigger", extra_answer=Reply(status=503, body=HTML), extra_after=0.5),
    )
    left_out = {
        one.name
        for one in fields(Fault)
        if all(getattr(fault, one.name) == one.default for fault in faults)
    }
    assert left_out == {"call_before", "call_after"}  # only a test in Python can give these


@pytest.mark.parametrize("text", ["", "# nothing\n", "faults: []\n"])
def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (SandboxOptions(), ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- 1", "must be a mapping, not [1]"),
        ("timezone: Mars", "timezone: 'Mars' is not a time zone"),
        ("latency: -1", "latency: must be a number of seconds, not -1"),
        ("latency: .inf", "latency: must be a number of seconds, not inf"),
        ("latency: true", "latency: must be a number of seconds, not True"),
        ("pageBase: 2", "pageBase: must be from 0 to 1, not 2"),
        ("tokenSeconds: 0", "tokenSeconds: must be at least 1, not 0"),
        ("tokenSeconds: 1.5", "tokenSeconds: must be a whole number, not 1.5"),
        ("requireAuth: 1", "requireAuth: must be true or false, not 1"),
        ("accessKey: ''", "accessKey: must be text, not ''"),
        ("users: {o1: [1]}", "users.o1[0]: must be text, not 1"),
        ("flows: {a: {}}", "flows.a: must be a whole number, not 'a'"),
        ("flows: {1: {ends: RUNNING}}", "flows.1.ends: must be one of: SUCCESS, FAIL,"),
        ("flows: {1: {ends: [FAIL, x]}}", "flows.1.ends[1]: must be one of: SUCCESS, FAIL,"),
        ("flows: {1: {ends: []}}", "flows.1.ends: must not be an empty list"),
        ("flows: {1: {parameters: SITE}}", "flows.1.parameters: must be a list, not 'SITE': write"),
        ("flows: {1: {parameters: [1]}}", "flows.1.parameters[0]: must be text, not 1"),
        ("flows: {1: {forgetsAfter: -1}}", "flows.1.forgetsAfter: must be a number of seconds"),
        ("flows: {1: {tasks: x}}", "flows.1.tasks: must be a whole number, not 'x'"),
        ("flows: {1: {defaults: {K: 1}}}", "flows.1.defaults.K: must be text, not 1"),
        ("ids: minutes", "ids: must be one of: unique, minute, hour, day; not 'minutes'"),
        ("lists: none", "lists: must be one of: all, newest; not 'none'"),
        ("sees: 1", "sees: must be one of: all, own; not 1"),
        ("listAfterSeconds: -1", "listAfterSeconds: must be a number of seconds, not -1; or write"),
        ("createdLagSeconds: x", "createdLagSeconds: must be a number of seconds, not 'x'"),
        ("createdLagSeconds: -.inf", "createdLagSeconds: must be fewer seconds than -inf"),
        ("createdLagSeconds: .nan", "createdLagSeconds: must be fewer seconds than nan"),
        ("createdCut: week", "createdCut: must be one of: second, minute, hour, day; not 'week'"),
        (
            "triggerTimeShown: rounded",
            "triggerTimeShown: must be one of: second, minute, hour, day, rounded",
        ),
        (
            "parametersShown: hidden",
            "parametersShown: must be a list, not 'hidden': write [hidden]",
        ),
        ("users: {o1: u2}", "users.o1: must be a list, not 'u2': write [u2]"),
        ("parametersShown: [cut]", "parametersShown[0]: must be one of: merged, filled, upperCase"),
        ("parametersShown: [map, {cut: x}]", "parametersShown[1].cut: must be a whole number"),
        (
            "parametersShown: [{cut: 1, x: 1}]",
            "parametersShown[0].x: there is no such field; there",
        ),
        ("parametersShown: [{}]", "parametersShown[0].cut: is missing"),
        ("parametersShown: [map, map]", "parametersShown[1]: says again"),
        ("parametersShown: [upperCase, lowerCase]", "parametersShown[1]: says again, or otherwise"),
        ("parametersShown: [hidden, blank]", "parametersShown[1]: says again, or otherwise"),
        ("parametersShown: [hidden, map]", "parametersShown: what is absent or null"),
        ("clockJumps: [{after: -1, by: 1}]", "clockJumps[0].after: must be a number of seconds"),
        ("clockJumps: [{after: 1}]", "clockJumps[0].by: is missing"),
        ("strangers: [{owner: u1}]", "strangers[0].flowId: is missing"),
        ("strangers: [1]", "strangers[0]: must be a mapping, not 1"),
        ("strangers: [{flowId: 1, ends: WAIT}]", "strangers[0].ends: must be one of: SUCCESS,"),
        ("strangers: [{flowId: 1, type: 3}]", "strangers[0].type: must be from 0 to 2, not 3"),
        (
            "strangers: [{flowId: 1, triggerTime: 2024-03-02T08:00:00}]",
            "strangers[0].triggerTime: '2024-03-02T08:00:00' needs a time and an offset",
        ),
        (
            "strangers: [{flowId: 1, triggerTime: -1}]",
            "strangers[0].triggerTime: must be from 0 to 253402214400000, not -1",
        ),
        (
            "strangers: [{flowId: 1, triggerTime: 2024-03-02}]",
            "strangers[0].triggerTime: '2024-03-02' needs a time and an offset",
        ),
        (
            "strangers: [{flowId: 1, parameters: {K: 1}}]",
            "strangers[0].parameters.K: must be text, not 1",
        ),
        (
            "strangers: [{flowId: 1, createdSecondsAgo: 1, afterTrigger: 1}]",
            "strangers[0]: createdSecondsAgo and afterTrigger: it is created only once",
        ),
        ("delay: 1", "delay: there is no such field; there are: accessKey, "),
        ("faults: {}", "faults: must be a list, not {}"),
        ("faults: [1]", "faults[0]: must be a mapping, not 1"),
        ("faults: [{drop: true}]", "faults[0].on: which requests?"),
        ("faults: [{on: start, drop: true}]", "faults[0].on: must be one of: token, refresh,"),
        ("faults: [{on: trigger}]", "faults[0]: the rule has no fault; there are: rateLimit,"),
        ("faults: [{on: trigger, drop: false}]", "faults[0]: the rule has no fault"),
        ("faults: [{on: trigger, effect: true}]", "faults[0].effect: goes with drop or answer"),
        ("faults: [{on: trigger, drop: true, answer: {}}]", "faults[0]: drop and answer: "),
        ("faults: [{on: trigger, kill: true}]", "faults[0].kill: there is no such field"),
        (
            "faults: [{on: trigger, times: 0, drop: true}]",
            "faults[0].times: must be at least 1, not 0; or write always",
        ),
        (
            "faults: [{on: trigger, listAfter: late}]",
            "faults[0].listAfter: must be a number of seconds, not 'late'; or write never",
        ),
        ("faults: [{on: search, listAfter: 1}]", "faults[0]: only what is triggered"),
        (
            "faults: [{on: trigger, extraAnswer: twice}]",
            "faults[0].extraAnswer: must be same, or what answer takes, not 'twice'",
        ),
        (
            "faults: [{on: trigger, extraAnswer: {status: 1}}]",
            "faults[0].extraAnswer.status: must be from 200",
        ),
        ("faults: [{on: trigger, extraAfter: 1}]", "faults[0]: the rule has no fault"),
        (
            "faults: [{on: trigger, extraAfter: 1, delayAfter: 1}]",
            "faults[0]: extraAfter says when an extraAnswer follows",
        ),
        (
            "faults: [{on: trigger, drop: true, extraAnswer: same}]",
            "faults[0]: no answer follows another on a connection that is dropped",
        ),
        ("faults: [{on: any, answer: 503}]", "faults[0].answer: must be a mapping, not 503"),
        ("faults: [{on: any, answer: {status: 99}}]", "faults[0].answer.status: must be from 200"),
        ("faults: [{on: any, answer: {html: true, body: x}}]", "faults[0].answer: html and body"),
        ("faults: [{on: any, answer: {headers: {'A B': x}}}]", "faults[0].answer.headers: 'A B'"),
        ("faults: [{on: any, answer: {headers: {A: é}}}]", "faults[0].answer.headers.A: must be"),
    ],
)
def test_what_a_file_cannot_say_is_told_with_its_place(
    tmp_path: Path, text: str, problem: str
) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(problem)


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = "latency: x\nfaults: [{on: a, times: b}, {on: any, drop: 1}]\n"
    places = [line.partition(":")[0] for line in problems(tmp_path, text)]
    assert places == ["latency", "faults[0].on", "faults[0].times", "faults[1].drop"]


def test_each_problem_stands_on_a_line_of_its_own_where_people_read_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text('parametersShown: hidden\n"a\\nb": 1\nlatency: x\n')
    assert run(["sandbox", "--faults", str(file)]) == 1
    first, second, third, hint = capfd.readouterr().err.splitlines()
    assert first.startswith(f"error: {file}: parametersShown: must be a list, not 'hidden'")
    assert second.startswith(f"  {file}: a\\nb: there is no such field; there are: ")
    assert third == f"  {file}: latency: must be a number of seconds, not 'x'"
    assert hint == "  An example of such a file: reconciler explain sandbox-file"
    file.write_text("faults:\n  - {on: trigger\n")
    assert run(["sandbox", "--faults", str(file)]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == f"error: {file} is not YAML: while parsing a flow mapping"
    assert lines[1].endswith("line 2, column 5:")


def test_a_file_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)faults.yaml is not YAML: .*line 2"):
        read(tmp_path, "faults:\n  - {on: trigger\n")
    (tmp_path / "faults.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_sandbox_file(tmp_path / "faults.yaml")


def test_a_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml cannot be read: No such file"):
        read_sandbox_file(tmp_path / "absent.yaml")


def test_a_zone_that_does_not_exist_is_a_problem_of_the_options_too() -> None:
    with pytest.raises(ConfigurationError, match="'Mars' is not a time zone"):
        SandboxOptions(timezone="Mars")


def test_every_example_of_the_readme_can_be_read(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        read(tmp_path, example)
