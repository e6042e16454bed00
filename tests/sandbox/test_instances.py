"""What becomes of instances, by a clock that the test moves."""

import json
from typing import Any

import pytest

from reconciler.model import EpochMs
from reconciler.sandbox import FlowInstance, FlowOptions, SandboxOptions, Status
from reconciler.sandbox.flows import Lane, RunningSpan
from tests.sandbox.asking import NOW, Served, served

MINUTE = 60_000
HOUR = 3_600_000


def status(it: Served, name: str) -> tuple[int, str | None, str | None]:
    found = it.client.instance(name)
    assert found["statusDesc"] == Status(found["status"]).name
    return found["status"], found["startTime"], found["endTime"]


def test_an_instance_is_described_as_the_reference_does() -> None:
    pairs = [{"key": "REPLACE", "value": "ddé"}]
    with served() as it:
        name = it.client.triggered(triggerTime=NOW - 24 * HOUR, parameters=pairs)
        found = it.client.instance(name)
        assert json.loads(found.pop("parameters")) == pairs
        assert found == {
            "instanceId": "3377-20240301080000",
            "flowId": 3377,
            "flowName": "flow-3377",
            "status": 2,
            "statusDesc": "RUNNING",
            "triggerTime": "2024-03-01 08:00:00",
            "startTime": "2024-03-02 08:00:00",
            "endTime": None,
            "timestamp": "2024-03-02 08:00:00",
            "owner": "u1",
            "calDt": "2024-02-29",
        }


def test_stamps_are_in_the_servers_zone_and_the_flow_id_can_be_text() -> None:
    options = SandboxOptions(timezone="America/New_York", flow_id_as_string=True)
    with served(options=options) as it:
        found = it.client.instance(it.client.triggered())
        assert found["triggerTime"] == "2024-03-01 19:00:00"
        assert found["calDt"] == "2024-02-29"
        assert found["flowId"] == "3377"


def test_a_past_trigger_time_starts_at_once_and_succeeds_after_the_runs_duration() -> None:
    with served() as it:
        name = it.client.triggered(triggerTime=NOW - HOUR)
        assert status(it, name) == (2, "2024-03-02 08:00:00", None)
        it.clock.pass_seconds(1.999)
        assert status(it, name) == (2, "2024-03-02 08:00:00", None)
        it.clock.pass_seconds(0.001)
        assert status(it, name) == (1, "2024-03-02 08:00:00", "2024-03-02 08:00:02")


def test_a_trigger_time_ahead_is_waited_for() -> None:
    with served() as it:
        name = it.client.triggered(triggerTime=NOW + HOUR)
        it.clock.pass_seconds(3599.999)
        assert status(it, name) == (5, None, None)
        it.clock.pass_seconds(0.001)
        assert status(it, name) == (2, "2024-03-02 09:00:00", None)


def test_a_flow_runs_one_instance_at_a_time_and_flows_run_side_by_side() -> None:
    with served() as it:
        first, second = it.client.triggered(), it.client.triggered()
        other = it.client.triggered(flowId=1)
        assert [status(it, one)[0] for one in (first, second, other)] == [2, 6, 2]
        it.clock.pass_seconds(2)
        assert [status(it, one)[0] for one in (first, second, other)] == [1, 2, 1]
        it.clock.pass_seconds(2)
        assert status(it, second) == (1, "2024-03-02 08:00:02", "2024-03-02 08:00:04")


def test_one_that_becomes_ready_first_goes_first_whenever_it_was_created() -> None:
    with served() as it:
        late = it.client.triggered(triggerTime=NOW + 60_000)
        early = it.client.triggered(triggerTime=NOW + 59_000)
        it.clock.pass_seconds(60)
        assert (status(it, late)[0], status(it, early)[0]) == (6, 2)


@pytest.mark.parametrize("end", [Status.FAIL, Status.TIMEOUT, Status.INTERNAL_ERROR])
def test_a_flow_can_be_declared_to_end_badly_and_to_take_its_time(end: Status) -> None:
    flows = {3377: FlowOptions(ends=end, run_seconds=10)}
    with served(options=SandboxOptions(flows=flows)) as it:
        name = it.client.triggered()
        it.clock.pass_seconds(9.9)
        assert status(it, name)[0] == Status.RUNNING
        it.clock.pass_seconds(0.1)
        assert status(it, name)[0] == end


def test_a_flows_instances_can_be_declared_to_end_one_by_one_and_the_last_end_repeats() -> None:
    ends = (Status.FAIL, Status.TIMEOUT, Status.SUCCESS)
    with served(options=SandboxOptions(flows={3377: FlowOptions(ends=ends)})) as it:
        # The order that counts is that of their creation, not that of their runs.
        other = it.client.triggered(flowId=1)
        names = [it.client.triggered(triggerTime=NOW + (4 - n) * MINUTE) for n in range(4)]
        it.clock.pass_seconds(600)
        assert [status(it, name)[0] for name in names] == [*ends, Status.SUCCESS]
        assert status(it, other)[0] == Status.SUCCESS


def test_a_cancelled_instance_has_had_its_turn_of_the_flows_ends() -> None:
    flows = {3377: FlowOptions(ends=(Status.FAIL, Status.SUCCESS))}
    with served(options=SandboxOptions(flows=flows)) as it:
        first, second = it.client.triggered(), it.client.triggered()
        it.client.cancel(first)
        it.clock.pass_seconds(600)
        assert [status(it, name)[0] for name in (first, second)] == [8, 1]


@pytest.mark.parametrize("cancelled", [True, False])
def test_an_instance_can_be_forgotten_some_time_after_its_end(*, cancelled: bool) -> None:
    flows = {3377: FlowOptions(run_seconds=10, forgets_after=60)}
    with served(options=SandboxOptions(flows=flows)) as it:
        name, other = it.client.triggered(), it.client.triggered(flowId=1)
        if cancelled:
            it.client.cancel(name)
        else:
            it.clock.pass_seconds(10)
        it.clock.pass_seconds(59.999)
        assert it.client.found() == [name, other]
        assert status(it, name)[0] == (Status.CANCEL if cancelled else Status.SUCCESS)
        it.clock.pass_seconds(0.001)
        unknown = it.client.cancel("1-2").json()
        assert it.client.instance(name) is None
        assert it.client.cancel(name).json() == unknown
        found = it.client.search().json()["data"]
        assert [one["instanceId"] for one in found["flowInsts"]] == [other]
        assert found["count"] == 1
        assert [one.id for one in it.sandbox.instances] == [name, other]


def test_an_instance_that_has_not_ended_is_not_forgotten() -> None:
    flows = {3377: FlowOptions(run_seconds=3600, forgets_after=0)}
    with served(options=SandboxOptions(flows=flows)) as it:
        running, ready = it.client.triggered(), it.client.triggered()
        waiting = it.client.triggered(triggerTime=NOW + 24 * HOUR)
        it.clock.pass_seconds(3599)
        assert it.client.found() == [running, ready, waiting]
        it.clock.pass_seconds(1)
        assert it.client.found() == [ready, waiting]
        assert status(it, ready)[0] == Status.RUNNING


def test_asking_after_each_start_lays_out_no_instance_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laid_out: list[str] = []
    lay_out = Lane._lay_out

    def note(self: Lane, one: FlowInstance, free: EpochMs) -> RunningSpan:
        laid_out.append(one.id)
        return lay_out(self, one, free)

    monkeypatch.setattr(Lane, "_lay_out", note)
    with served() as it:
        for n in range(50):
            it.client.instance(it.client.triggered(triggerTime=NOW + n * MINUTE))
        assert it.client.search(status="1,2,5,6").json()["data"]["count"] == 50
        assert len(laid_out) == 50


def test_a_start_before_others_and_a_cancellation_move_those_behind_them() -> None:
    with served() as it:
        names = [it.client.triggered(triggerTime=NOW + n * MINUTE) for n in (1, 2, 3)]
        assert [status(it, name)[0] for name in names] == [5, 5, 5]
        between = it.client.triggered(triggerTime=NOW + 2 * MINUTE - 1_000)
        it.clock.pass_seconds(120)
        assert status(it, names[0]) == (1, "2024-03-02 08:01:00", "2024-03-02 08:01:02")
        assert status(it, between) == (2, "2024-03-02 08:01:59", None)
        assert status(it, names[1]) == (6, None, None)
        it.client.cancel(between)
        assert status(it, between) == (8, "2024-03-02 08:01:59", "2024-03-02 08:02:00")
        assert status(it, names[1]) == (2, "2024-03-02 08:02:00", None)
        assert status(it, names[2]) == (5, None, None)


def test_cancelling_a_running_instance_ends_it_and_lets_the_next_one_start() -> None:
    with served() as it:
        first, second = it.client.triggered(), it.client.triggered()
        it.clock.pass_seconds(1)
        answer = it.client.cancel(first).json()
        assert (answer["code"], answer["data"]) == (0, None)
        assert status(it, first) == (8, "2024-03-02 08:00:00", "2024-03-02 08:00:01")
        assert status(it, second) == (2, "2024-03-02 08:00:01", None)


@pytest.mark.parametrize("ahead", [0, HOUR])
def test_cancelling_what_has_not_started_keeps_it_from_starting(ahead: int) -> None:
    with served() as it:
        it.client.triggered()
        name = it.client.triggered(triggerTime=NOW + ahead)
        last = it.client.triggered(triggerTime=NOW + ahead)
        assert it.client.cancel(name).json()["code"] == 0
        assert status(it, name) == (8, None, "2024-03-02 08:00:00")
        it.clock.pass_seconds(max(ahead / 1000, 2))
        assert status(it, name)[0] == 8
        assert status(it, last)[0] == 2


def test_what_has_ended_or_never_was_cannot_be_cancelled() -> None:
    with served() as it:
        name = it.client.triggered()
        it.clock.pass_seconds(2)
        assert it.client.cancel(name).json()["code"] == 62104
        assert it.client.cancel("1-20240101000000").json()["code"] == 62104
        assert status(it, name)[0] == 1
        assert it.client.call("flowInstances", "cancel", {"id": name}).status_code == 400


def test_asking_for_an_instance_that_never_was_succeeds_without_data() -> None:
    with served() as it:
        answer = it.client.call(
            "flowInstances", "get", query={"userId": "u", "orgId": "o", "flowInstId": "1-2"}
        )
        assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, 0, None)


def test_get_flow_tells_what_an_apply_wants_to_know() -> None:
    flows = {
        1: FlowOptions(
            name="wind daily", owner="u1;u2", locked=True, tasks=2, parameters=("SITE", "MODE")
        ),
        2: FlowOptions(exists=False),
        3: FlowOptions(owner="u2", user_locked=True, parameters=()),
    }
    with served(options=SandboxOptions(flows=flows)) as it:

        def flow(flow_id: str) -> Any:
            query = {"userId": "u1", "orgId": "o1", "flowId": flow_id}
            return it.client.call("flows", "get", query=query).json()

        found = flow("1")["data"]
        assert (found["flowId"], found["flowName"], found["owner"]) == (1, "wind daily", "u1;u2")
        assert (found["locked"], found["isUserLocked"], found["hasEditPri"]) == (True, False, True)
        assert len(found["graph"]["tasks"]) == 2
        assert found["type"] == 0
        assert [one["key"] for one in found["parameters"]] == ["SITE", "MODE"]
        assert flow("2")["code"] == 62104
        assert (flow("3")["data"]["isUserLocked"], flow("3")["data"]["hasEditPri"]) == (True, False)
        assert flow("3")["data"]["parameters"] == []
        assert flow("4")["data"]["owner"] == "u1"
        assert "parameters" not in flow("4")["data"]
        assert flow("x")["code"] == 400


def test_time_and_zone_are_the_sandboxs_own() -> None:
    with served(options=SandboxOptions(timezone="Asia/Shanghai")) as it:
        assert it.client.call("time", "getCurrentTime", query={}).json()["data"] == NOW
        zone = it.client.call("time", "getTimeZone", query={}).json()["data"]
        assert zone == {"timezone": "Asia/Shanghai"}


def test_the_date_header_agrees_with_the_sandboxs_clock() -> None:
    with served() as it:
        answer = it.client.call("time", "getCurrentTime", query={})
        assert answer.headers.get_list("date") == ["Sat, 02 Mar 2024 00:00:00 GMT"]
