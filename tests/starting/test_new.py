"""`new` writes a manifest that is valid beside all others, or none."""

import json
import socket
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from reconciler.sandbox import FlowOptions, Sandbox, SandboxOptions, environment, run_sandbox
from tests.environments import make_setting, manifest
from tests.repositories import commit, git, isolate
from tests.sampling import examples, sampled
from tests.starting.running import ALL, files, ran

_TRIGGER = ("new", "trigger", "--name", "wind", "--flow-id", "3377")
_DATED = (*_TRIGGER, "--business-date", "2024-03-01")
_BACKFILL = ("new", "backfill", "--name", "month", "--flow-id", "3377")
_MARCH = ("--from", "2024-03-01", "--to", "2024-03-03")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that has begun, without its examples."""
    isolate(monkeypatch, tmp_path)
    return begun(tmp_path / "runs")


def begun(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet")
    assert ran(folder, "init", *ALL, "--ci", "none").code == 0
    for example in (folder / "triggers").iterdir():
        example.unlink()
    return folder


def test_a_trigger_is_written_as_it_was_described(folder: Path) -> None:
    done = ran(folder, *_DATED, "--at", "08:00", "--parameter", "SITE=012", "--description", "a: b")
    assert (done.code, done.out) == (0, "wrote triggers/wind.yaml: 1 run\n")
    assert "reconciler plan" in done.err
    text = files(folder)["triggers/wind.yaml"]
    assert text.splitlines()[0] == (
        "# yaml-language-server: $schema=../schemas/trigger.schema.json"
    )
    assert yaml.safe_load(text) == {
        "apiVersion": "reconciler/v1",
        "kind": "Trigger",
        "metadata": {"name": "wind", "description": "a: b"},
        "spec": {
            "flowId": 3377,
            "businessDate": "2024-03-01",
            "at": "08:00",
            "parameters": {"SITE": "012"},
        },
    }
    assert ran(folder, "validate", "--strict").code == 0


@pytest.mark.parametrize("time", ["2024-03-02T08:00:00+08:00", "1709337600000"])
def test_a_trigger_time_is_a_text_or_a_number(folder: Path, time: str) -> None:
    assert ran(folder, *_TRIGGER, "--trigger-time", time).code == 0
    plan = json.loads(ran(folder, "plan", "--offline", "--format", "json").out)
    assert plan["runs"][0]["triggerTime"] == 1709337600000


def test_a_backfill_is_written_as_it_was_described(folder: Path) -> None:
    matrix = ("--matrix", "SITE=a,012", "--matrix", "SITE=no", "--stagger", "1m")
    done = ran(folder, *_BACKFILL, *_MARCH, *matrix, "--max-active", "2", "--sequential")
    assert done.out == "wrote triggers/month.yaml: 9 runs\n", done.err
    spec = yaml.safe_load(files(folder)["triggers/month.yaml"])["spec"]
    assert spec["businessDates"] == {"from": "2024-03-01", "to": "2024-03-03", "every": "1d"}
    assert spec["matrix"] == {"SITE": ["a", "012", "no"]}
    assert (spec["stagger"], spec["maxActive"], spec["sequential"]) == ("1m", 2, True)


def test_a_backfill_may_be_of_times_and_by_cron(folder: Path) -> None:
    times = ("--from", "2024-03-01T00:00:00Z", "--to", "2024-03-01T05:00:00Z")
    assert "6 runs" in ran(folder, *_BACKFILL, *times, "--every", "1h").out
    cron = ("--name", "by-cron", "--cron", "0 8 * * 1-5")
    assert "1 run\n" in ran(folder, *_BACKFILL, *_MARCH, *cron).out


@examples(
    20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # of two commands each: tests/manifest/test_writing.py has many more
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_value_comes_back_exactly_as_it_was_typed(folder: Path, value: str) -> None:
    (folder / "triggers/wind.yaml").unlink(missing_ok=True)
    assert ran(folder, *_DATED, "--parameter", f"SITE={value}").code == 0
    found = json.loads(ran(folder, "plan", "--offline", "--format", "json").out)
    assert found["runs"][0]["parameters"] == [{"key": "SITE", "value": value}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    sampled(
        [
            (("--name", "Wind"), "Invalid value for --name"),
            (("--name", "../wind"), "Invalid value for --name"),
            (("--business-date", "2024-02-30"), "spec.businessDate"),
            (("--business-date", "2099-01-01"), "spec.businessDate"),
            (("--at", "25:00"), "spec.at"),
            (("--parameter", "SITE"), "is not KEY=VALUE"),
            (("--parameter", "A=1", "--parameter", "A=2"), "'A' is given 2 times"),
            (("--out", "wind.yaml"), "would declare nothing"),
            (("--out", "triggers/wind.json"), "would declare nothing"),
            (("--out", "../triggers/wind.yaml"), "would declare nothing"),
            (("--trigger-time", "1709337600000"), "not both"),
        ],
        every=4,
    ),
)
def test_what_is_not_valid_is_said_and_not_written(
    folder: Path, wrong: tuple[str, ...], words: str
) -> None:
    before = files(folder)
    done = ran(folder, *_DATED, *wrong)
    assert done.code in {1, 2}
    assert words in done.err.replace("\n  ", " ")
    assert files(folder) == before


def test_what_is_not_valid_beside_the_others_is_not_written(folder: Path) -> None:
    assert ran(folder, *_DATED).code == 0
    again = ran(folder, *_DATED, "--name", "copy")
    assert again.code == 1
    assert "duplicate" in again.err
    assert "triggers/copy.yaml" not in files(folder)


def test_what_was_wrong_before_does_not_stand_in_its_way(folder: Path) -> None:
    (folder / "triggers/broken.yaml").write_text("a: [\n")
    assert ran(folder, *_DATED).out == "wrote triggers/wind.yaml: 1 run\n"


def test_a_file_that_is_there_is_left_as_it_is(folder: Path) -> None:
    (folder / "triggers/wind.yaml").write_text("# mine\n")
    done = ran(folder, *_DATED)
    assert done.code == 1
    assert "is there already" in done.err
    assert files(folder)["triggers/wind.yaml"] == "# mine\n"


def test_a_folder_below_has_its_own_way_to_the_schema(folder: Path) -> None:
    assert ran(folder, *_DATED, "--out", "triggers/wind/a.yaml").code == 0
    (head, *_) = files(folder)["triggers/wind/a.yaml"].splitlines()
    assert head.endswith("$schema=../../schemas/trigger.schema.json")


def test_without_a_terminal_it_names_all_that_is_missing(folder: Path) -> None:
    done = ran(folder, "new", "backfill", "--flow-id", "1")
    assert done.code == 2
    assert all(option in done.err for option in ("--name", "--from", "--to"))
    assert "Error: Say --name, --from, --to: there is no terminal to ask on." in done.err


def test_on_a_terminal_it_asks_until_each_answer_is_right(folder: Path) -> None:
    typed = "Bad Name\nwind\n0\n3377\n2024-02-30\n2024-03-01\nSITE\nSITE=012\n\n"
    done = ran(folder, "new", "trigger", typed=typed)
    assert done.code == 0, done.err
    spec = yaml.safe_load(files(folder)["triggers/wind.yaml"])["spec"]
    expected = {"flowId": 3377, "businessDate": "2024-03-01", "parameters": {"SITE": "012"}}
    assert spec == expected


@pytest.mark.parametrize(
    ("first", "last"),
    [("2024-03-05", "2024-03-01"), ("2024-03-05T08:00:00Z", "2024-03-01T08:00:00Z")],
)
def test_an_end_before_its_beginning_is_asked_again_and_no_other_answer_is_lost(
    folder: Path, first: str, last: str
) -> None:
    done = ran(folder, "new", "backfill", typed=f"month\n3377\n{first}\n{last}\n{first}\n\n\n")
    assert done.out == "wrote triggers/month.yaml: 1 run\n", done.err
    assert "lies before from" in done.err


@pytest.mark.parametrize("time", ["2024-03-02T08:00:00+08:00", "1709337600000"])
def test_a_time_typed_for_a_date_is_the_trigger_time(folder: Path, time: str) -> None:
    assert ran(folder, *_TRIGGER, typed=f"{time}\n\n").code == 0
    assert "triggerTime" in files(folder)["triggers/wind.yaml"]


def test_a_backfill_that_is_typed_keeps_its_runs_apart_by_itself(folder: Path) -> None:
    typed = "month\n3377\n2024-03-01\n2024-03-03\nSITE=a,b\n\n\nMODE=full\n\n"
    done = ran(folder, "new", "backfill", typed=typed)
    assert done.out == "wrote triggers/month.yaml: 6 runs\n", done.err
    spec = yaml.safe_load(files(folder)["triggers/month.yaml"])["spec"]
    assert (spec["stagger"], spec["parameters"]) == ("1m", {"MODE": "full"})


_OTHER = manifest("x", 2)
_FLOW = FlowOptions(name="Daily wind", parameters=("MODE", "SITE"))


def test_with_keys_at_hand_the_flow_is_named_and_its_parameters_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    sandbox = Sandbox(SandboxOptions(flows={3377: _FLOW, 1: FlowOptions(exists=False)}))
    with run_sandbox(sandbox) as url:
        setting = make_setting(
            tmp_path / "all", url, sandbox, {"triggers/x.yaml": manifest("x", 2)}
        )
        for name, value in environment(sandbox).items():
            monkeypatch.setenv(name, value)
        done = ran(setting.clone, *_DATED, "--parameter", "SITE=1")
        assert "flow 3377 is called Daily wind, and declares MODE, SITE" in done.err
        assert "it declares, and is not given: MODE" in done.err
        later = (*_TRIGGER, "--business-date", "2024-03-02")
        typed = ran(setting.clone, *later, "--name", "typed", typed="full\ncn-02\n\n")
        assert typed.out == "wrote triggers/typed.yaml: 1 run\n", typed.err
        wrong = ran(setting.clone, *_DATED, "--name", "wrong", "--at", "25:00")
        assert wrong.code == 1
        spec = yaml.safe_load(files(setting.clone)["triggers/typed.yaml"])["spec"]
        assert spec["parameters"] == {"MODE": "full", "SITE": "cn-02"}
        missing = ran(setting.clone, *_DATED, "--name", "no", "--flow-id", "1")
        assert "flow 1 does not exist, or is not visible to this user" in missing.err
        offline = ran(
            setting.clone, *later, "--at", "01:00", "--name", "o", "--parameter", "A=1", "--offline"
        )
        assert "Daily wind" not in offline.err
    assert not sandbox.instances


def test_keys_are_sent_only_where_the_shared_branch_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    sandbox = Sandbox(SandboxOptions(flows={3377: _FLOW}))
    with run_sandbox(sandbox) as url:
        setting = make_setting(tmp_path / "all", url, sandbox, {})
        text = (setting.clone / "reconciler.yaml").read_text()
        commit(setting.clone, {"reconciler.yaml": text.replace("orgId: o1", "orgId: o2")})
        for name, value in environment(sandbox).items():
            monkeypatch.setenv(name, value)
        done = ran(setting.clone, *_DATED)
    assert "flow 3377 was not looked up" in done.err
    assert "credentials are sent only where that branch says" in done.err
    assert done.code == 0


def test_a_gateway_that_does_not_answer_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    monkeypatch.setattr("reconciler.cli.composing._SECONDS", 0.05)
    sandbox = Sandbox(SandboxOptions())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        setting = make_setting(tmp_path / "all", url, sandbox, {})
        for name, value in environment(sandbox).items():
            monkeypatch.setenv(name, value)
        done = ran(setting.clone, *_DATED)
    assert "flow 3377 was not looked up: no answer within 0.05 s" in done.err
    assert done.out == "wrote triggers/wind.yaml: 1 run\n"


def test_a_problem_stays_on_one_line_whatever_its_file_is_called(folder: Path) -> None:
    out = "triggers/a\nerror: all is well.yaml"
    done = ran(folder, *_DATED, "--at", "25:00", "--out", out)
    assert done.code == 1
    assert "  triggers/a\\nerror: all is well.yaml:" in done.err
