"""Plans for scripts."""

import json

import pytest

from reconciler.plan import Action
from reconciler.render.json_output import json_document
from reconciler.render.plan_json import plan_json, plans_json
from reconciler.schema import load_schema, validate
from tests.building import a_run
from tests.render.values import (
    COMMIT,
    DIGEST,
    EIGHT,
    a_plan,
    a_problem,
    a_record,
    a_start,
    of_backfill,
    planned,
)


def test_a_plan_has_the_fields_of_the_contract() -> None:
    run = planned(
        "wind@2",
        Action.DONE,
        "triggered",
        labels={"team": "wind"},
        parameters=(("B", "2"), ("A", "1")),
        record=a_record("wind@2", starts=(a_start("3377-1"),)),
    )
    plan = a_plan(run)
    assert plan_json(plan) == {
        "version": 1,
        "environment": "prod",
        "commit": COMMIT,
        "digest": plan.digest,
        "at": "2024-03-02T00:00:00.000Z",
        "summary": {"done": 1},
        "runs": [
            {
                "run": "wind@2",
                "backfill": None,
                "attempt": 1,
                "action": "done",
                "reason": "triggered",
                "flowId": 3377,
                "triggerTime": EIGHT,
                "parameters": [{"key": "B", "value": "2"}, {"key": "A", "value": "1"}],
                "file": "triggers/wind.yaml",
                "line": 3,
                "digest": DIGEST,
                "labels": {"team": "wind"},
                "instance": "3377-1",
                "dependsOn": [],
                "match": {},
                "after": None,
                "waitsFor": [],
                "blocked": False,
                "refused": False,
                "warning": None,
            }
        ],
        "problems": [],
        "refusals": [],
        "warnings": [],
        "awaited": [],
        "edited": [],
    }


def test_a_run_that_is_no_longer_declared_has_no_file_and_maybe_no_flow() -> None:
    run = planned("gone", Action.ORPHANED, "recorded", place=None, flow_id=None, parameters=())
    (found,) = plan_json(a_plan(run, commit=None))["runs"]
    assert (found["file"], found["line"], found["flowId"]) == (None, None, None)


def test_every_run_of_a_backfill_stands_by_itself() -> None:
    runs = plan_json(a_plan(*of_backfill("wind", 3)))["runs"]
    assert [run["run"] for run in runs] == ["wind/run-0", "wind/run-1", "wind/run-2"]


def test_a_run_says_what_it_is_of_and_what_keeps_it_from_starting() -> None:
    run = planned(
        "march/2024-03-01@2#3",
        Action.WAIT,
        "import failed (FAIL)",
        run=a_run("march/2024-03-01", depends_on=("import", "calendar")),
        waits_for=("import",),
        blocked=True,
        refused=True,
        warning="flow 3377 does not declare MODE",
    )
    (found,) = plan_json(a_plan(run))["runs"]
    assert (found["backfill"], found["attempt"]) == ("march", 3)
    assert (found["dependsOn"], found["waitsFor"]) == (["import", "calendar"], ["import"])
    assert (found["blocked"], found["refused"]) == (True, True)
    assert found["warning"] == "flow 3377 does not declare MODE"


@pytest.mark.parametrize("action", Action)
def test_a_plan_conforms_to_its_schema(action: Action) -> None:
    run = planned("wind/1#2", action, waits_for=("import",), blocked=True, warning="look")
    document = json.loads(json_document(plan_json(a_plan(run, planned("a", flow_id=None)))))
    assert not validate("plan", document)
    described = load_schema("plan")["$defs"]["run"]["properties"]
    assert {*document["runs"][0]} - {*described} == {"digest", "labels"}


def test_problems_have_the_shape_that_validate_gives_them() -> None:
    (found,) = plan_json(a_plan(problems=(a_problem(),)))["problems"]
    assert list(found) == ["file", "line", "column", "code", "pointer", "message"]


def test_one_plan_stands_alone_and_several_under_environments() -> None:
    one, two = a_plan(), a_plan(environment="test")
    assert plans_json([one]) == plan_json(one)
    assert plans_json([one, two]) == {
        "version": 1,
        "environments": [plan_json(one), plan_json(two)],
    }
