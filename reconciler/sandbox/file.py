"""The sandbox's file: its options and its fault script, in YAML (README.md has the format)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from reconciler.errors import ConfigurationError
from reconciler.model import Parameters
from reconciler.sandbox.behaviour import (
    ENDINGS,
    ClockJump,
    CountShown,
    CreatedCut,
    EmptyList,
    FlowIdShown,
    FlowOptions,
    Ids,
    Lists,
    ParametersShown,
    PastEnd,
    SandboxOptions,
    Sees,
    StampLayout,
    StatusShown,
    Stranger,
    TriggerTimeShown,
)
from reconciler.sandbox.faults import ALWAYS, HTML, NEVER, Drop, Ending, Fault, Reply
from reconciler.sandbox.readers import (
    Reader,
    UnreadableValueError,
    choice,
    flag,
    headers,
    instant,
    items,
    mapping,
    mapping_of,
    number,
    one_or_more,
    raw_text,
    record,
    seconds,
    signed_seconds,
    text,
    words,
    zone,
)
from reconciler.sandbox.wire import Operation

_HINT = "An example of such a file: reconciler explain sandbox-file"


def read_sandbox_file(path: Path) -> tuple[SandboxOptions, tuple[Fault, ...]]:
    """The options and the faults of a file.

    Raises ConfigurationError with everything that is wrong in it.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        first, *more = str(error).splitlines()
        raise _InvalidSandboxFileError([f"{path} is not YAML: {first}", *more]) from None
    try:
        found = _FILE({} if content is None else content)
    except UnreadableValueError as error:
        lines = [f"{path}: {where.lstrip('.')}: {problem}" for where, problem in error.problems]
        raise _InvalidSandboxFileError(line.replace(": : ", ": ") for line in lines) from None
    faults = found.pop("faults", ())
    return SandboxOptions(**found), faults


class _InvalidSandboxFileError(ConfigurationError):
    """The file is not what the sandbox reads: what is wrong, a line each."""

    has_lines = True

    def __init__(self, lines: Iterable[str]) -> None:
        # A line feed in a name of the file begins none.
        super().__init__("\n".join("\\n".join(line.splitlines()) for line in lines), hint=_HINT)


def _fault(value: Any) -> Fault:
    # YAML 1.1, which safe_load reads, takes the plain word `on` for true.
    found = _RULE({"on" if name is True else name: one for name, one in mapping(value).items()})
    if "on" not in found:
        raise UnreadableValueError([(".on", "which requests? Name an operation, or any")])
    ending = _ending(found)
    if found.keys() <= _WHEN and ending is None:
        raise UnreadableValueError.from_words(
            f"the rule has no fault; there are: {', '.join(_FAULTS)}"
        )
    try:
        return Fault(**found, ending=ending)
    except ValueError as error:
        raise UnreadableValueError.from_words(str(error)) from None


def _ending(found: dict[str, Any]) -> Ending | None:
    """Remove the fields of the ending from `found`, and make the ending of them."""
    drop, answer = found.pop("drop", False), found.pop("answer", None)
    effect = found.pop("effect", None)
    if drop and answer is not None:
        raise UnreadableValueError.from_words("drop and answer: a request ends in one way only")
    if drop:
        return Drop(effect=bool(effect))
    if answer is not None:
        return Reply(effect=bool(effect), **answer)
    if effect is not None:
        raise UnreadableValueError([(".effect", "goes with drop or answer")])
    return None


def _answer(value: Any) -> dict[str, Any]:
    found = _ANSWER(value)
    if found.pop("html", False):
        if "body" in found:
            raise UnreadableValueError.from_words("html and body: an answer has one body only")
        found["body"] = HTML
    return found


def _extra_answer(value: Any) -> Literal["same"] | Reply:
    if value == "same":
        return "same"
    if not isinstance(value, dict):
        raise UnreadableValueError.from_words(f"must be same, or what answer takes, not {value!r}")
    return Reply(**_answer(value))


def _stranger(value: Any) -> Stranger:
    try:
        return Stranger(**_STRANGER(value))
    except ValueError as error:
        raise UnreadableValueError.from_words(str(error)) from None


def _pairs(value: Any) -> Parameters:
    return tuple(mapping_of(text, raw_text)(value).items())


def _jump(value: Any) -> ClockJump:
    return ClockJump(**_JUMP(value))


def _parameters_shown(value: Any) -> ParametersShown:
    """A list of words; `cut` comes with a number."""
    found: dict[str, Any] = {}
    for index, one in enumerate(items(_way_shown)(value)):
        if not found.keys().isdisjoint(one):
            raise UnreadableValueError(
                [(f"[{index}]", "says again, or otherwise, what stands before")]
            )
        found |= one
    if found.keys() > {"hidden"}:
        raise UnreadableValueError.from_words(
            "what is absent or null is not shown in any other way"
        )
    return ParametersShown(**found)


def _way_shown(value: Any) -> dict[str, Any]:
    return _CUT(value) if isinstance(value, dict) else choice(_WAYS_SHOWN)(value)


def _users(value: Any) -> frozenset[str]:
    return frozenset(items(text)(value))


def _flow(value: Any) -> FlowOptions:
    return FlowOptions(**_FLOW({} if value is None else value))


_WHEN = frozenset({"on", "flow_id", "after", "times", "extra_after"})
_LATE: Reader[float] = choice({"never": NEVER}, seconds)
_ENDING = choice({status.name: status for status in ENDINGS})
_FAULTS: dict[str, tuple[str, Reader[Any]]] = {
    "rateLimit": ("rate_limit", number(1)),
    "delayBefore": ("delay_before", seconds),
    "expireToken": ("expire_token", flag),
    "listAfter": ("list_after", _LATE),
    "delayAfter": ("delay_after", seconds),
    "drop": ("drop", flag),
    "answer": ("answer", _answer),
    "extraAnswer": ("extra_answer", _extra_answer),
}
_RULE = record(
    {
        "on": ("on", choice({name: name for name in (*get_args(Operation), "any")})),
        "flowId": ("flow_id", number(1)),
        "after": ("after", number(0)),
        "times": ("times", choice({ALWAYS: ALWAYS}, number(1))),
        **_FAULTS,
        "effect": ("effect", flag),
        "extraAfter": ("extra_after", seconds),
    }
)
_ANSWER = record(
    {
        "status": ("status", number(200, 599)),
        "code": ("code", number(-(2**31), 2**31 - 1)),
        "msg": ("msg", text),
        "headers": ("headers", headers),
        "body": ("body", raw_text),
        "html": ("html", flag),
    }
)
_FLOW = record(
    {
        "name": ("name", text),
        "owner": ("owner", text),
        "exists": ("exists", flag),
        "privilege": ("privilege", flag),
        "locked": ("locked", flag),
        "userLocked": ("user_locked", flag),
        "tasks": ("tasks", number(0, 1000)),
        "parameters": ("parameters", items(text)),
        "defaults": ("defaults", mapping_of(text, raw_text)),
        "runSeconds": ("run_seconds", seconds),
        "ends": ("ends", one_or_more(_ENDING)),
        "forgetsAfter": ("forgets_after", seconds),
    }
)
_STRANGER = record(
    {
        "flowId": ("flow_id", number(1)),
        "triggerTime": ("trigger_time", instant),
        "parameters": ("parameters", _pairs),
        "createdSecondsAgo": ("created_seconds_ago", seconds),
        "afterTrigger": ("after_trigger", seconds),
        "owner": ("owner", text),
        "type": ("type", number(0, 2)),
        "ends": ("ends", _ENDING),
        "runSeconds": ("run_seconds", seconds),
    },
    needed=("flowId",),
)
_JUMP = record({"after": ("after", seconds), "by": ("by", signed_seconds)}, needed=("after", "by"))
_WAYS_SHOWN: dict[str, dict[str, Any]] = {
    "merged": {"merged": True},
    "filled": {"filled": True},
    "upperCase": {"case": "upper"},
    "lowerCase": {"case": "lower"},
    "reordered": {"reordered": True},
    "retyped": {"retyped": True},
    "map": {"as_map": True},
    "hidden": {"hidden": "absent"},
    "blank": {"hidden": "null"},
}
_CUT = record({"cut": ("cut", number(0))}, needed=("cut",))
_FILE = record(
    {
        "accessKey": ("access_key", text),
        "secretKey": ("secret_key", text),
        "requireAuth": ("require_auth", flag),
        "tokenSeconds": ("token_seconds", number(1)),
        "timezone": ("timezone", zone),
        "latency": ("latency", seconds),
        "maxBodyBytes": ("max_body_bytes", number(0)),
        "runSeconds": ("run_seconds", seconds),
        "pageBase": ("page_base", number(0, 1)),
        "instanceType": ("instance_type", number(0, 2)),
        "flowIdAsString": ("flow_id_as_string", flag),
        "flowIdShown": ("flow_id_shown", words(get_args(FlowIdShown))),
        "windowsIgnored": ("windows_ignored", flag),
        "emptyList": ("empty_list", words(get_args(EmptyList))),
        "ids": ("ids", words(get_args(Ids))),
        "idNamesFlow": ("id_names_flow", flag),
        "lists": ("lists", words(get_args(Lists))),
        "sees": ("sees", words(get_args(Sees))),
        "listAfterSeconds": ("list_after_seconds", _LATE),
        "countShown": ("count_shown", words(get_args(CountShown))),
        "pastEnd": ("past_end", words(get_args(PastEnd))),
        "createdLagSeconds": ("created_lag_seconds", signed_seconds),
        "createdCut": ("created_cut", words(get_args(CreatedCut))),
        "createdZone": ("created_zone", zone),
        "triggerTimeShown": ("trigger_time_shown", words(get_args(TriggerTimeShown))),
        "triggerTimeZone": ("trigger_time_zone", zone),
        "stampLayout": ("stamp_layout", words(get_args(StampLayout))),
        "statusShown": ("status_shown", words(get_args(StatusShown))),
        "parametersShown": ("parameters_shown", _parameters_shown),
        "clockJumps": ("clock_jumps", items(_jump)),
        "strangers": ("strangers", items(_stranger)),
        "users": ("users", mapping_of(text, _users)),
        "flows": ("flows", mapping_of(number(1), _flow)),
        "faults": ("faults", items(_fault)),
    }
)
