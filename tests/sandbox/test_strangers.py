"""Instances that others start."""

import pytest

from reconciler.model import EpochMs
from reconciler.sandbox import ClockJump, FlowOptions, SandboxOptions, Status, Stranger
from tests.sandbox.asking import NOW, served

ID = "3377-20240302080000"


def test_a_stranger_stands_in_the_lists_as_it_is_described() -> None:
    stranger = Stranger(
        flow_id=3377,
        trigger_time=EpochMs(NOW - 60_000),
        parameters=(("K", "v"),),
        created_seconds_ago=20,
        owner="u9",
        type=1,
        ends=Status.FAIL,
        run_seconds=7,
    )
    with served(options=SandboxOptions(strangers=(stranger,))) as it:
        assert it.client.found() == []
        (found,) = it.client.listed(type=1)
        assert found == it.client.instance("3377-20240302075900")
        assert found["parameters"] == '[{"key": "K", "value": "v"}]'
        assert (found["owner"], found["status"]) == ("u9", Status.FAIL)
        assert found["triggerTime"] == "2024-03-02 07:59:00"
        assert found["timestamp"] == found["startTime"] == "2024-03-02 07:59:40"
        assert found["endTime"] == "2024-03-02 07:59:47"


def test_a_stranger_of_which_little_is_said_is_started_now_by_another_user() -> None:
    with served(options=SandboxOptions(sees="own")) as it:
        added = it.sandbox.add_stranger(Stranger(flow_id=3377))
        assert (added.id, added.trigger_time, added.created) == (ID, NOW, NOW)
        assert it.client.found() == []
        it.client.user = {**it.client.user, "userId": "stranger"}
        assert it.client.found() == [ID]
        assert it.client.instance(ID)["status"] == Status.RUNNING


def test_a_stranger_runs_in_its_flows_turn_and_takes_none_of_the_flows_ends() -> None:
    flows = {3377: FlowOptions(ends=(Status.TIMEOUT, Status.FAIL))}
    with served(options=SandboxOptions(flows=flows)) as it:
        it.sandbox.add_stranger(Stranger(flow_id=3377, run_seconds=10))
        for _ in range(2):
            it.client.triggered()
        it.clock.pass_seconds(9)
        assert [one["status"] for one in it.client.listed()] == [2, 6, 6]
        it.clock.pass_seconds(60)
        found = [one["status"] for one in it.client.listed()]
        assert found == [Status.SUCCESS, Status.TIMEOUT, Status.FAIL]


def test_an_older_stranger_is_not_the_newest_of_its_id_though_it_was_added_last() -> None:
    with served(options=SandboxOptions(ids="minute", lists="newest")) as it:
        it.client.triggered()
        older = Stranger(flow_id=3377, trigger_time=NOW, created_seconds_ago=5)
        assert it.sandbox.add_stranger(older).id == ID
        assert it.client.instance(ID)["owner"] == "u1"
        assert [one["owner"] for one in it.client.listed()] == ["u1"]
        it.sandbox.add_stranger(Stranger(flow_id=3377, trigger_time=NOW))
        assert it.client.instance(ID)["owner"] == "stranger"
        assert [one["owner"] for one in it.client.listed()] == ["stranger"]


def test_a_stranger_can_come_some_time_after_the_flows_first_trigger() -> None:
    strangers = (
        Stranger(flow_id=3377, after_trigger=3, parameters=(("K", "late"),)),
        Stranger(flow_id=3377, after_trigger=0.5, trigger_time=EpochMs(NOW + 60_000)),
        Stranger(flow_id=2, after_trigger=0),
    )
    with served(options=SandboxOptions(strangers=strangers, ids="minute")) as it:
        it.client.trigger(flowId=0)
        it.client.triggered(flowId=1)
        it.clock.pass_seconds(100)
        time = NOW + 45_000
        name = it.client.triggered(triggerTime=time)
        assert [one.flow_id for one in it.sandbox.instances] == [1, 3377]
        it.clock.pass_seconds(2.999)
        it.client.triggered(triggerTime=time)
        assert it.client.found(expression="3377-") == [name, "3377-20240302080100", name]
        it.clock.pass_seconds(0.001)
        assert it.client.instance(name)["owner"] == "stranger"
        late = it.sandbox.instances[-1]
        assert (late.trigger_time, late.created) == (time, NOW + 103_000)
        it.clock.pass_seconds(1000)
        it.client.triggered(triggerTime=time)
        assert len(it.sandbox.instances) == 6


def test_a_stranger_that_waits_for_a_trigger_cannot_be_added_now() -> None:
    with served() as it, pytest.raises(ValueError, match="added by the options"):
        it.sandbox.add_stranger(Stranger(flow_id=1, after_trigger=1))
    with pytest.raises(ValueError, match="created only once"):
        Stranger(flow_id=1, after_trigger=1, created_seconds_ago=1)


def test_the_clock_can_jump_and_stamps_with_it_while_what_runs_goes_on() -> None:
    with served(options=SandboxOptions(ids="minute")) as it:
        before = it.client.triggered()
        it.clock.pass_seconds(1)
        it.sandbox.jump(-3600)
        assert it.client.time() == NOW - 3_599_000
        answer = it.client.call("time", "getCurrentTime", query={})
        assert answer.headers["date"] == "Fri, 01 Mar 2024 23:00:01 GMT"
        ahead = it.client.triggered(flowId=1, triggerTime=NOW)
        assert it.client.instance(before)["status"] == Status.RUNNING
        it.clock.pass_seconds(1)
        found = it.client.instance(before)
        assert (found["status"], found["timestamp"]) == (Status.SUCCESS, "2024-03-02 08:00:00")
        assert (found["startTime"], found["endTime"]) == (
            "2024-03-02 08:00:00",
            "2024-03-02 07:00:02",
        )
        found = it.client.instance(ahead)
        assert (found["status"], found["timestamp"]) == (Status.WAIT, "2024-03-02 07:00:01")
        it.clock.pass_seconds(3598)
        assert it.client.instance(ahead)["startTime"] == "2024-03-02 08:00:00"


def test_jumps_of_the_clock_can_be_planned() -> None:
    jumps = (ClockJump(after=10, by=600), ClockJump(after=20, by=-1.5))
    with served(options=SandboxOptions(clock_jumps=jumps)) as it:
        said = []
        for seconds in (9.999, 0.001, 10):
            it.clock.pass_seconds(seconds)
            said.append(it.client.time() - it.clock.now)
        assert said == [0, 600_000, 598_500]
        assert [one.at for one in it.sandbox.requests][-1] == it.clock.now
