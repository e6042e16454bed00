"""Plans for scripts."""

from reconciler.model import InstanceId
from reconciler.plan import Action
from reconciler.render.plan_json import plan_json, plans_json
from tests.render.values import COMMIT, DIGEST, EIGHT, a_plan, a_problem, planned


def test_a_plan_has_the_fields_of_the_contract() -> None:
    run = planned(
        "wind@2",
        Action.DONE,
        "triggered",
        labels={"team": "wind"},
        parameters=(("B", "2"), ("A", "1")),
        instance=InstanceId("3377-1"),
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
            }
        ],
        "problems": [],
    }


def test_a_run_that_is_no_longer_declared_has_no_file_and_maybe_no_flow() -> None:
    run = planned("gone", Action.ORPHANED, "recorded", place=None, flow_id=None, parameters=())
    (found,) = plan_json(a_plan(run, commit=None))["runs"]
    assert (found["file"], found["line"], found["flowId"]) == (None, None, None)


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
