"""The real command meets services that are odd in several ways at once, and loses one answer.

A first start fails, and one more in its minute succeeds, whose answer is lost: a further attempt, a
revision, a declared duplicate, or another run of the minute. Whatever the service does meanwhile,
neither is started twice, the end of one is never that of the other, and no wait is without an end.
"""

from itertools import cycle
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.apply import observer, wait
from reconciler.model import EpochMs
from reconciler.sandbox import (
    Drop,
    Fault,
    FlowOptions,
    ParametersShown,
    Reply,
    SandboxOptions,
    Status,
    Stranger,
)
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Scene, configuration, manifest
from tests.sampling import sampled

HALF_PAST = EIGHT_MS + 1_837_600  # 08:30:37.6
PARAMETERS = {"SITE": "cn-01", "N": "12", "DAY": "${cal_dt}"}
FORGETFUL = "ids that are used again once forgotten"
OF_A_MINUTE = {"ids": "minute", "lists": "newest"}
EMPTY = '{"code":0,"msg":"OK","data":{"flowInsts":[],"count":3}}'
NULL_ROW = '{"code":0,"msg":"OK","data":{"flowInsts":[null],"count":1}}'
HERS = Stranger(flow_id=1, trigger_time=EpochMs(HALF_PAST), after_trigger=0.5, run_seconds=0.2)


def on_search(reply: Reply, after: int = 12) -> tuple[Fault, ...]:
    return (Fault(on="search", after=after, times=2, ending=reply),)


SERVICES: dict[str, tuple[dict[str, Any], tuple[Fault, ...]]] = {
    "ids of a day, stamps in UTC, the newest": (
        {"ids": "day", "lists": "newest", "created_zone": "UTC"},
        (),
    ),
    "ids and times of an hour": ({"ids": "hour", "trigger_time_shown": "hour"}, ()),
    "ids and times of an hour, the newest": (
        {"ids": "hour", "trigger_time_shown": "hour", "lists": "newest"},
        (),
    ),
    "times of a day, ids without the flow": (
        {"ids": "day", "trigger_time_shown": "day", "id_names_flow": False},
        (),
    ),
    "everything as text": (
        {
            "stamp_layout": "millisecondsText",
            "flow_id_as_string": True,
            "status_shown": "text",
            "count_shown": "text",
        },
        (),
    ),
    "statuses as words": ({"status_shown": "word", **OF_A_MINUTE}, ()),
    "statuses of its own": ({"status_shown": "undocumented", **OF_A_MINUTE}, ()),
    "no count": ({"count_shown": "none", "ids": "minute"}, ()),
    "a count of the page, and the last page again": (
        {"count_shown": "page", "past_end": "last", "ids": "minute"},
        (),
    ),
    "the first page again": ({"past_end": "first", **OF_A_MINUTE}, ()),
    "a count that lies": ({"count_shown": "more", "ids": "minute"}, ()),
    "a zone with quarters, stamps in UTC": (
        {"created_zone": "UTC", "trigger_time_zone": "UTC", "timezone": "GMT+05:45"},
        (),
    ),
    "stamps of a third zone": (
        {"created_zone": "GMT+3", "trigger_time_zone": "GMT+3", **OF_A_MINUTE},
        (),
    ),
    "local times with a Z, cut to the minute": (
        {"stamp_layout": "letterZ", "trigger_time_shown": "minute", "created_cut": "minute"},
        (),
    ),
    "minutes without seconds": ({"stamp_layout": "noSeconds", "ids": "minute"}, ()),
    "dates": ({"stamp_layout": "date", **OF_A_MINUTE}, ()),
    "stamps far behind, cut": (
        {"created_lag_seconds": 230, "created_cut": "minute", "ids": "minute"},
        (),
    ),
    "stamps far ahead": ({"created_lag_seconds": -290, **OF_A_MINUTE}, ()),
    "late lists": ({"list_after_seconds": 0.25, **OF_A_MINUTE}, ()),
    "hidden parameters, ids of a day": (
        {
            "parameters_shown": ParametersShown(hidden="null"),
            "ids": "day",
            "lists": "newest",
        },
        (),
    ),
    "parameters in capitals, retyped, a map": (
        {
            "parameters_shown": ParametersShown(
                merged=True, case="upper", retyped=True, as_map=True, cut=40
            ),
            "ids": "minute",
        },
        (),
    ),
    FORGETFUL: ({"ids": "minute"}, ()),
    "a stranger under the same id": ({**OF_A_MINUTE, "strangers": (HERS,)}, ()),
    "a stranger beside it, hidden parameters": (
        {
            "ids": "minute",
            "strangers": (HERS,),
            "parameters_shown": ParametersShown(hidden="absent"),
        },
        (),
    ),
    "an empty list with a total": ({"ids": "minute"}, on_search(Reply(body=EMPTY))),
    "a list of null": ({"ids": "minute"}, on_search(Reply(body=NULL_ROW))),
    "HTML under 200": ({"ids": "minute"}, on_search(Reply(body="<html></html>"))),
    "a redirection": (
        {"ids": "minute"},
        on_search(Reply(status=302, headers={"Location": "/login"})),
    ),
    "an encoding that is none": (
        {"ids": "minute"},
        on_search(Reply(headers={"Content-Encoding": "gzip"}, body="{}")),
    ),
    "one refused page": ({"ids": "minute"}, on_search(Reply(code=62102), after=13)),
    "second answers": (
        {"ids": "minute"},
        (Fault(on="search", times="always", extra_answer="same"),),
    ),
    "its own instances only, temporary, pages from 0": (
        {"sees": "own", "instance_type": 2, "page_base": 0, **OF_A_MINUTE},
        (),
    ),
}
LOST = Fault(on="trigger", after=1, ending=Drop(effect=True))
KINDS = ("retry", "revision", "duplicateOf", "sameMinute")


def short(url: str, **gateway: Any) -> str:
    """With claims that an apply can wait for."""
    return configuration(url, limits={"claimSeconds": 3}, timeoutSeconds=1, **gateway)


def first_and_second(kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """The manifests of the first start, and those that add the second."""
    common: dict[str, Any] = {"triggerTime": HALF_PAST, "parameters": PARAMETERS}
    retry: dict[str, Any] = {"retry": {"max": 1}} if kind == "retry" else {}
    first = {"triggers/a.yaml": manifest("a", 1, **common, **retry)}
    if kind == "revision":
        return first, {"triggers/a.yaml": manifest("a", 1, **common, revision=2)}
    if kind == "duplicateOf":
        return first, {"triggers/b.yaml": manifest("b", 1, **common, duplicateOf="a")}
    if kind == "sameMinute":
        common["parameters"] = PARAMETERS | {"SITE": "cn-02"}
        return first, {"triggers/b.yaml": manifest("b", 1, **common)}
    return first, {}


def opened(open_scene: OpenScene, name: str, kind: str) -> Scene:
    odd, faults = SERVICES[name]
    flow = FlowOptions(
        ends=(Status.FAIL, Status.SUCCESS),
        run_seconds=1,
        defaults={"MODE": "full"},
        forgets_after=10 if name == FORGETFUL else None,
    )
    zone = odd.get("timezone", "GMT+8")
    same = {"sameMinute": "allow"} if kind == "sameMinute" else {}
    return open_scene(
        first_and_second(kind)[0],
        LOST,
        *faults,
        options=replace(SandboxOptions(flows={1: flow}), **odd),
        configured=lambda url: short(url, timezone=zone, **same),
    )


@pytest.mark.parametrize(
    ("name", "kind"), sampled(zip(SERVICES, cycle(KINDS), strict=False), every=33)
)
def test_one_lost_answer_leads_to_no_second_start_and_no_false_end(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setattr(observer, "UNCLEAR_LOOKS", 2)
    monkeypatch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)
    scene = opened(open_scene, name, kind)
    scene.run("apply", exits=(0, 1, 4))
    scene.clock.forward(20)
    if again := first_and_second(kind)[1]:
        scene.push(again)
    scene.run("apply", exits=(0, 1, 4))
    scene.clock.forward(5 if name == FORGETFUL else 150)
    scene.run("apply", "--wait", exits=(0, 1, 4))
    own = [one for one in scene.instances if one.owner == "u1"]
    assert len(own) <= 2
    ends = {one["run"]: one["status"] for one in scene.ledger() if one["event"] == "observed"}
    assert ends.pop("a", Status.FAIL) in {Status.FAIL, "NOT_FOUND"}
    assert set(ends.values()) <= {Status.SUCCESS}
