"""Looking many instances up over a real socket, in the sandbox and as a script tells it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from reconciler.apply.ports import ObservedInstances, StartedInstance
from reconciler.enos.access import Credentials
from reconciler.enos.client import EnosGateway, open_gateway
from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox import (
    Drop,
    Fault,
    FlowOptions,
    Sandbox,
    SandboxOptions,
    Status,
    run_sandbox,
)
from reconciler.sandbox.flows import StartRequest
from tests.enos.scripted import SERVICE_TIME, Act, Scripted, answer, http, opened, scripted
from tests.enos.scripted import settings as gateway_settings
from tests.sampling import sampled

DAY = 86_400_000
HOUR = 3_600_000


def filled(
    sandbox: Sandbox, flows: Sequence[int], times: Sequence[int], *, list_after: float = 0
) -> list[StartedInstance]:
    """Starts each flow at each of the times; gives what there is to look up."""
    started = (
        sandbox._instances.add(
            StartRequest(
                flow_id=flow,
                trigger_time=EpochMs(time),
                parameters=(("DAY", str(time)),),
                owner="u1",
                user="u1",
                list_after=list_after,
            ),
            EpochMs(SERVICE_TIME),
        )
        for time in times
        for flow in flows
    )
    return [StartedInstance(id=one.id, trigger_time=one.trigger_time) for one in started]


def sandbox_at(moment: int, *faults: Fault, **options: Any) -> Sandbox:
    return Sandbox(SandboxOptions(**options), faults, clock=lambda: moment)


def observed_instances(
    sandbox: Sandbox, sought: Sequence[StartedInstance], most: int = 300, turn: int = 0
) -> ObservedInstances:
    keys = Credentials(access_key=sandbox.options.access_key, secret_key=sandbox.options.secret_key)

    async def ask(url: str) -> ObservedInstances:
        async with open_gateway(gateway_settings(url), keys) as enos:
            return await enos.observe_instances(sought, most, turn)

    with run_sandbox(sandbox) as url:
        return asyncio.run(ask(url))


def asked(sandbox: Sandbox) -> Counter[str]:
    return Counter(one.operation for one in sandbox.requests if one.operation != "token")


@pytest.mark.parametrize(
    ("kind", "base", "days"),
    sampled([(2, 0, 20), (2, 0, 100), (0, 1, 100), (1, 0, 100), (2, 1, 100)], every=5),
)
def test_ten_thousand_instances_of_a_hundred_flows_take_less_than_300_requests(
    kind: int, base: int, days: int
) -> None:
    sandbox = sandbox_at(SERVICE_TIME + HOUR, instance_type=kind, page_base=base)
    midnights = [SERVICE_TIME - day * DAY for day in range(days)]
    sought = filled(sandbox, range(1, 101), midnights)
    result = observed_instances(sandbox, sought)
    assert result.failure is None
    assert len(result.instances) == 100 * days
    for one in sought:
        (found,) = result.instances[one.id]
        assert (found.id, found.trigger_time) == (one.id, one.trigger_time)
        assert found.parameters == (("DAY", str(one.trigger_time)),)
        assert found.status == Status.SUCCESS
    assert result.whole == result.instances.keys()
    assert sum(asked(sandbox).values()) <= days + 10  # a page each holds a hundred


@pytest.mark.long  # a crowd of thousands
def test_others_instances_between_the_sought_ones_are_read_too() -> None:
    sandbox = sandbox_at(SERVICE_TIME + HOUR)
    days = range(SERVICE_TIME - 9 * DAY, SERVICE_TIME + 1, DAY)
    filled(sandbox, range(901, 921), [day + hour * HOUR for day in days for hour in range(1, 24)])
    sought = filled(sandbox, range(1, 51), days)
    result = observed_instances(sandbox, sought, 400)
    assert result.failure is None
    assert len(result.instances) == 500
    assert result.whole == result.instances.keys()
    assert sum(asked(sandbox).values()) <= 55  # 51 pages


def test_what_the_service_has_forgotten_or_does_not_list_is_asked_for_by_id() -> None:
    flows = {1: FlowOptions(run_seconds=1, forgets_after=60), 2: FlowOptions(ends=Status.FAIL)}
    sandbox = sandbox_at(SERVICE_TIME + HOUR, flows=flows)
    days = range(SERVICE_TIME - 19 * DAY, SERVICE_TIME + 1, DAY)
    forgotten, listed = filled(sandbox, [1], days), filled(sandbox, [2], days)
    unlisted = filled(sandbox, [3], days, list_after=2 * 3600)
    result = observed_instances(sandbox, [*forgotten, *listed, *unlisted])
    assert result.failure is None
    for one in forgotten:
        assert result.instances[one.id] == ()
    for one in listed:
        assert [it.status for it in result.instances[one.id]] == [Status.FAIL]
    for one in unlisted:
        assert [it.status for it in result.instances[one.id]] == [Status.SUCCESS]
    assert asked(sandbox)["instance"] == 40
    assert asked(sandbox)["search"] <= 20


@pytest.mark.long  # tests/enos/test_observing_limits.py has the rule
def test_a_service_that_breaks_down_midway_leaves_what_was_learned() -> None:
    broken = Fault(on="search", after=10, times="always", ending=Drop())
    sandbox = sandbox_at(SERVICE_TIME + HOUR, broken)
    sought = filled(sandbox, range(1, 101), range(SERVICE_TIME - 29 * DAY, SERVICE_TIME + 1, DAY))

    async def no_time(_: float) -> None:
        await asyncio.sleep(0)

    keys = Credentials(access_key="sandbox-key", secret_key="sandbox-secret")

    async def ask(url: str) -> ObservedInstances:
        async with open_gateway(gateway_settings(url), keys, sleep=no_time) as enos:
            return await enos.observe_instances(sought, 300)

    with run_sandbox(sandbox) as url:
        result = asyncio.run(ask(url))
    assert result.failure is not None
    assert "List Flow Instances at 127.0.0.1" in result.failure
    assert 800 <= len(result.instances) <= 1_500
    assert asked(sandbox)["instance"] + asked(sandbox)["search"] <= 300 + 3 * 8  # repeats


def test_the_limit_holds_and_the_first_come_first() -> None:
    sandbox = sandbox_at(SERVICE_TIME + HOUR)
    sought = filled(sandbox, range(1, 51), range(SERVICE_TIME - 59 * DAY, SERVICE_TIME + 1, DAY))
    sought.reverse()
    result = observed_instances(sandbox, sought, most=16)
    assert sum(asked(sandbox).values()) <= 16
    left = len(sought) - len(result.instances)
    assert result.failure == (
        f"{left} of 3000 instances were not looked up: it takes more than 16 requests"
    )
    assert {one.id for one in sought[:300]} <= result.instances.keys()
    later = observed_instances(sandbox, sought, most=16, turn=1)
    assert len(later.instances.keys() - result.instances.keys()) > 300


def ask(
    script: dict[str, Act | list[Act]],
    sought: Sequence[StartedInstance],
    question: Callable[[EnosGateway], Awaitable[Any]] | None = None,
) -> tuple[ObservedInstances, Scripted]:
    async def run() -> tuple[ObservedInstances, Scripted]:
        async with scripted(script) as gateway, opened(gateway) as enos:
            if question is not None:
                await question(enos)
            return await enos.observe_instances(sought, 100), gateway

    return asyncio.run(run())


def found(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "instanceId": name,
        "flowId": "3377",
        "triggerTime": "2024-03-02 08:00:00",
        "timestamp": "2024-03-02 08:00:05.0",
        "parameters": "[]",
        "status": 2,
    } | changes


def page(*entries: Any, count: int | None = None) -> Act:
    return answer({"flowInsts": list(entries), "count": len(entries) if count is None else count})


SOME = [
    StartedInstance(id=InstanceId(f"3377-{n}"), trigger_time=EpochMs(SERVICE_TIME + n))
    for n in range(8)
]
ALL = page(*(found(one.id) for one in SOME))
BY_ID: list[Act] = [answer(found(one.id)) for one in SOME]


def test_a_search_asks_for_pages_of_100_of_everybodys_instances() -> None:
    result, gateway = ask({"instance/search": ALL}, SOME)
    assert result.failure is None
    assert list(result.instances) == [one.id for one in SOME]
    first, *others = gateway.of("instance/search")
    assert len(others) == 8  # pages 1, 2 and 0 of three types, which all show the same here
    assert first.content["type"] in {0, 1, 2}
    assert first.content | {"type": 0} == {
        "type": 0,
        "expression": "",
        "owner": "",
        "fromTriggerTime": SERVICE_TIME - 60_000,
        "toTriggerTime": SERVICE_TIME + 120_000,
        "status": "",
        "pagination": {"pageNo": 1, "pageSize": 100, "sorters": []},
    }


def test_an_entry_that_cannot_be_read_keeps_nothing_from_being_learned() -> None:
    entries = [None, 5, {"flowId": 3377}, *(found(one.id) for one in SOME)]
    result, _ = ask({"instance/search": page(*entries)}, SOME)
    assert (len(result.instances), result.failure) == (8, None)
    assert result.whole == set()


def test_a_page_that_counts_instances_and_lists_none_leaves_the_questions_by_id() -> None:
    gets: list[Act] = [answer(found(one.id)) for one in SOME]
    result, _ = ask({"instance/search": answer({"count": 3}), "instance/get": gets}, SOME)
    counted = "List Flow Instances counts 3 instances of type 0 and shows 0"
    assert result.failure == f"{counted}: the search was not whole"
    assert (len(result.instances), result.whole) == (8, frozenset())


@pytest.mark.parametrize("data", [None, [], {"flowInsts": 5, "count": 5}])
def test_an_answer_that_is_no_page_is_told_and_leaves_the_questions_by_id(data: Any) -> None:
    gets: list[Act] = [answer(found(one.id)) for one in SOME]
    result, _ = ask({"instance/search": answer(data), "instance/get": gets}, SOME)
    assert result.failure is not None
    assert result.failure.startswith("List Flow Instances at 127.0.0.1:")
    assert "answered with no " in result.failure
    assert result.whole == set()


def test_few_instances_are_asked_for_by_id_at_once() -> None:
    result, gateway = ask({"instance/get": BY_ID[:1]}, SOME[:1])
    assert list(result.instances) == [SOME[0].id]
    assert [one.query["flowInstId"] for one in gateway.of("instance/get")] == [SOME[0].id]


@pytest.mark.parametrize("act", [answer(None), answer(code=404)])
def test_an_instance_that_the_service_says_it_has_not_has_none(act: Act) -> None:
    result, _ = ask({"instance/get": act}, SOME[:1])
    assert (result.instances, result.failure) == ({SOME[0].id: ()}, None)


@pytest.mark.parametrize("act", [http(404), answer(code=62104), answer(found("3377-other"))])
def test_an_instance_of_which_nobody_can_tell_is_missing(act: Act) -> None:
    result, _ = ask({"instance/get": act}, SOME[:1])
    assert result.instances == {}
    assert result.failure is not None
    assert result.failure.startswith("Get Flow Instance at 127.0.0.1:")
