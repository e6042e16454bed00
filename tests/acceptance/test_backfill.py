"""`kind: Backfill` from end to end: each run is started once, however the manifest is edited."""

from importlib.metadata import version
from typing import Any

import pytest
import yaml

from reconciler.sandbox import Drop, Fault
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest

FILE = "triggers/march.yaml"
_MINUTE_MS = 60_000


def backfill(name: str = "march", **spec: Any) -> str:
    """A backfill of two days and two sites; `spec` adds to its spec, and None takes away."""
    fields = {
        "flowId": 7,
        "businessDates": {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"},
        "matrix": {"SITE": ["cn-01", "cn-02"]},
        "stagger": "1m",
        "parameters": {"MODE": "full"},
    } | spec
    content = {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": name},
        "spec": {field: value for field, value in fields.items() if value is not None},
    }
    return yaml.safe_dump(content, sort_keys=False)


def _claimed(scene: Scene) -> dict[str, dict[str, Any]]:
    claims = [one["runs"] for one in scene.ledger() if one["event"] == "claim"]
    return {run: claimed for runs in claims for run, claimed in runs.items()}


def _minutes(scene: Scene) -> list[int]:
    return [one.trigger_time // _MINUTE_MS for one in scene.instances]


def test_each_run_is_started_once_with_its_matrix_values_as_parameters(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    scene.run("apply")
    assert list(scene.states()) == [
        "march/2024-03-01/SITE=cn-01",
        "march/2024-03-01/SITE=cn-02",
        "march/2024-03-02/SITE=cn-01",
        "march/2024-03-02/SITE=cn-02",
    ]
    assert len(scene.posts) == 4
    assert scene.instances[1].parameters == (("MODE", "full"), ("SITE", "cn-02"))
    assert len(set(_minutes(scene))) == 4


def test_the_claim_records_the_stagger_and_the_digest_is_without_it(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: backfill()})
    plan = scene.run("plan", "--format", "json").json["runs"]
    scene.run("apply")
    first, second, *_ = _claimed(scene).values()
    assert "stagger" not in first
    assert second["stagger"] == _MINUTE_MS
    assert second["triggerTime"] == first["triggerTime"] + _MINUTE_MS
    assert [run["triggerTime"] for run in plan[:2]] == [first["triggerTime"], second["triggerTime"]]


@pytest.mark.long  # tests/expansion/test_stability.py has the rule
def test_a_site_more_in_front_and_a_wider_range_move_nothing_that_was_started(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    before = _claimed(scene)
    wider = {"from": "2024-02-29", "to": "2024-03-03", "every": "1d"}
    sites = {"SITE": ["cn-00", "cn-02", "cn-01"]}
    scene.push({FILE: backfill(businessDates=wider, matrix=sites)})
    scene.run("validate")
    scene.run("apply")
    assert before.items() <= _claimed(scene).items()
    assert len(scene.posts) == 12
    assert len(set(_minutes(scene))) == 12
    scene.run("apply")
    assert len(scene.posts) == 12


@pytest.mark.long  # tests/test_plan.py has the rule
def test_what_is_taken_out_is_no_longer_declared_and_its_record_stays(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    scene.push({FILE: backfill(matrix={"SITE": ["cn-02"]})})
    assert scene.run("plan", "--format", "json").json["summary"] == {"done": 2, "orphaned": 2}
    scene.push({FILE: backfill()})
    scene.run("apply")
    assert len(scene.posts) == 4


@pytest.mark.long  # tests/acceptance/test_faults.py has an absence
def test_a_run_proven_absent_is_started_at_the_minute_that_its_claim_recorded(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill()}, configured=_one_second_claims)
    scene.sandbox.add_fault(Fault(on="trigger", after=1, ending=Drop()))
    scene.run("apply")  # the second start never arrives, and is made up for
    assert scene.states()["march/2024-03-01/SITE=cn-02"] == "triggered"
    of_second = [
        one["runs"]["march/2024-03-01/SITE=cn-02"]["triggerTime"]
        for one in scene.ledger()
        if one["event"] == "claim" and "march/2024-03-01/SITE=cn-02" in one["runs"]
    ]
    assert len(of_second) == 2
    assert len(set(of_second)) == 1


def _one_second_claims(url: str) -> str:
    return configuration(url, limits={"claimSeconds": 2}, timeoutSeconds=0.5)


@pytest.mark.long  # what so many cost
def test_changing_what_was_started_is_one_problem_however_many_runs_it_concerns(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    scene.push({FILE: backfill(parameters={"MODE": "other"})})
    scene.run("apply", exits=1)
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert problem["code"] == "changed"
    assert "and 3 more of the runs of march" in problem["message"]
    scene.push({FILE: backfill(parameters={"MODE": "other"}, revision=2)})
    scene.run("apply")
    assert len(scene.posts) == 8


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_duplicate_is_meant_only_where_it_is_named(open_scene: OpenScene) -> None:
    again = "triggers/again.yaml"
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    scene.push({again: backfill("again", duplicateOf="march/2024-03-01")})
    problems = scene.run("validate", "--format", "json", exits=1).json["problems"]
    (problem,) = [one for one in problems if one["file"] == again]
    assert problem["code"] == "duplicate"
    assert "write `duplicateOf: march`" in problem["message"]
    assert "and 1 more of the runs of again" in problem["message"]
    scene.push({again: backfill("again", duplicateOf="march")})
    scene.run("apply")
    assert len(scene.posts) == 8
    assert len(set(_minutes(scene))) == 8


def test_sites_of_one_date_need_a_stagger_and_the_problem_says_so_once(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({FILE: backfill(stagger=None)})
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert problem["code"] == "collision"
    assert "write `stagger: 1m`" in problem["message"]
    scene.run("apply", exits=1)
    assert not scene.posts


def test_a_staggered_run_keeps_out_of_the_minutes_of_other_manifests(
    open_scene: OpenScene,
) -> None:
    other = manifest("other", 7, triggerTime="2024-03-02T00:01:00+08:00")
    scene = open_scene({FILE: backfill(), "triggers/other.yaml": other})
    scene.run("apply")
    assert len(set(_minutes(scene))) == 5


def test_the_newest_start_first_if_they_are_to(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: backfill(order="descending", matrix=None, stagger=None)})
    scene.run("apply")
    first, second = scene.instances
    assert first.trigger_time > second.trigger_time


def test_the_limits_of_an_apply_and_of_a_manifest_hold(open_scene: OpenScene) -> None:
    long = {"from": "2024-01-01", "to": "2024-09-30", "every": "1d"}
    files = {FILE: backfill(businessDates=long, matrix=None, stagger=None)}
    scene = open_scene(files)
    assert "274 to trigger" in scene.run("plan", exits=1).flat
    assert "--max-runs 274" in scene.run("apply", exits=1).err
    tight = configuration(scene.url, limits={"maxRunsPerBackfill": 100})
    scene.push({"reconciler.yaml": tight})
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert problem["code"] == "range"
    assert "100" in problem["message"]
    assert "limits.maxRunsPerBackfill" in problem["message"]
    scene.run("apply", exits=1)
    assert not scene.posts


def test_a_plan_shows_a_backfill_as_one_line_that_unfolds(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: backfill()})
    folded = scene.run("plan").out
    assert "march: 4 runs of flow 7, business dates 2024-03-01 to 2024-03-02" in " ".join(
        folded.split()
    )
    assert "SITE=cn-01" not in folded
    assert "SITE=cn-01" in scene.run("plan", "--verbose").out
    assert "<details>" in scene.run("plan", "--format", "markdown").out
    runs = scene.run("plan", "--format", "json").json["runs"]
    assert [run["run"].split("/")[0] for run in runs] == ["march"] * 4


def test_names_select_by_whole_name_by_part_and_by_prefix(open_scene: OpenScene) -> None:
    files = {FILE: backfill(), "triggers/b.yaml": backfill("march-2", flowId=8)}
    scene = open_scene(files)

    def rows(*names: str) -> int:
        return len(scene.run("status", *names, "--format", "json").json["runs"])

    assert rows() == 8
    assert rows("march") == 4
    assert rows("march/2024-03-01") == 2
    assert rows("march/2024-03-") == 4
    assert rows("march/2024-03-01/SITE=cn-01") == 1
    assert rows("mar") == 8
    assert "neither" in scene.run("status", "april", exits=1).err


MONTHS = {"to": "2024-05-31", "every": "1mo"}
PASSED_OVER = (
    "months-moved: spec.businessDates: months are counted from 2024-02-29, so other days are meant "
    "than before: 3 recorded runs are on days that march no longer means (2024-03-31 to 2024-05-31)"
)


@pytest.mark.long  # tests/test_edits.py has the words
def test_months_that_are_counted_from_another_day_are_said(open_scene: OpenScene) -> None:
    one = manifest("march", 3)
    scene = open_scene({FILE: one})
    scene.run("apply")  # a Trigger of the name, whose record has no date
    months: dict[str, Any] = {"businessDates": {"from": "2024-01-31", **MONTHS}, "matrix": None}
    scene.push({FILE: backfill(**months)}, "Run month ends")
    scene.run("apply")
    assert scene.run("validate").err == ""
    months["businessDates"] = {"from": "2024-02-29", **MONTHS}
    scene.push({FILE: backfill(**months)}, "Take a month away")
    assert PASSED_OVER in scene.run("plan").err
    assert PASSED_OVER in scene.run("validate").err


def test_what_a_backfill_hardly_means_is_said_by_validate_and_plan(open_scene: OpenScene) -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-10", "cron": "0 8 5 * 1"}
    exclude = [{"triggerTime": 1_709_337_600_000}, {"businessDate": "2024-03-04"}]
    scene = open_scene({FILE: backfill(businessDates=dates, exclude=exclude)})
    said = [line.split(": ")[2] for line in scene.run("validate").err.splitlines()]
    assert said == ["cron-days", "excludes-nothing"]
    assert "excludes-nothing: spec.exclude[0]: leaves nothing out" in scene.run("plan").err
    assert "2 problems" in scene.run("validate", "--strict", exits=1).out


def test_a_claim_says_which_zones_its_times_were_made_by(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: backfill()})
    scene.run("apply")
    (claim,) = (one for one in scene.ledger() if one["event"] == "claim")
    assert claim["tzdata"] == version("tzdata")
