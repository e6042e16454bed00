"""No switch is done until the simulation draws it, or it is said here why it cannot matter."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from reconciler import renaming, schedule
from reconciler.apply import ports
from reconciler.configuration import (
    Configuration,
    Environment,
    GatewayConfiguration,
    GitConfiguration,
    Limits,
    parse_configuration,
)
from reconciler.ledger import Ledger
from reconciler.model import Run, Source, Terms
from reconciler.schema import load_schema
from tests.simulation.estate import life
from tests.simulation.estate.people import CHANGES
from tests.simulation.oddities import SWITCHES, Oddities, drawn_oddities, oddities_of
from tests.simulation.process import Process
from tests.simulation.simulate import BrokenPromiseError, simulate
from tests.simulation.world import Commit, World

SEEDS = 120  # at most: enough once each field has taken a second value
FEWEST_SEEDS = 20  # in which what is said not to be drawn keeps its value
SEEDS_OF_ESTATES = 80

DRAWN: Mapping[type, Mapping[str, str]] = {
    Configuration: {},
    GitConfiguration: {},
    Environment: {"gateway": "by its fields", "limits": "by its fields"},
    GatewayConfiguration: {
        "user_id": "others change it between two applies, and a user may see its own only",
        "timeout": "by the seed",
        "settle": "by the seed",
        "same_minute_allowed": "by the seed, and runs of one flow share minutes then",
        "correlation_parameter": "by the seed, and others switch it on and off",
        "stamp_slack": "by the seed; no stamp is off by more",
    },
    Limits: {
        "concurrency": "by the seed",
        "requests_per_second": "by the seed: how many runs a claim takes, and how they are shared",
        "claim_seconds": "by the seed",
        "max_active_per_flow": "by the seed",
    },
    Run: {
        "name": "of runs and of those of backfills",
        "revision": "others raise it",
        "flow_id": "one of three, so that runs share flows",
        "trigger_time": "past, soon, far ahead, and not in whole seconds",
        "parameters": "texts that a list may retype, change, cut, or fill in",
        "digest": "with what it is of",
        "file": "with the manifest",
        "terms": "by their fields, which are below",
        "suspend": "others set it and take it away",
        "not_after": "by the seed, within the world's time",
        "duplicate_of": "by the seed",
        "depends_on": "by the seed: chains, fans, backfills, dates",
        "matching": "by the seed: a report and its import, by date, value, or both",
        "after": "by the seed, in both orders; others take dates out of the chain",
        "max_active": "by the seed, and others raise it",
        "stop_after": "by the seed, and others raise it",
        "retry": "by the seed",
        "cancel": "others set it and take it away",
        "stagger": "by the seed",
        "delay": "what the stagger comes to",
        "attempt": "what the retry comes to",
        "sequence": "by the seed: the newest first",
        "times": "of backfills",
        "again": "others edit a backfill, by mistake or meaning it",
    },
}

# By the simulation of several environments (`estate`).
DRAWN_BY_ESTATES: Mapping[type, Mapping[str, str]] = {
    Configuration: {
        "git": "by its fields",
        "environments": "one to five; others rename, split, copy, nest and remove them",
        "retired": "others retire ledgers, and take them from the list",
    },
    GitConfiguration: {
        "branch": "named, or the remote's default, which others move",
        "ledger_branch": "by the seed, and others set and unset it",
    },
    Environment: {
        "name": "others change it",
        "manifests": "the same; folders lie in one another",
        "state": "others move it, leave it behind, and let two environments share it",
    },
    GatewayConfiguration: {
        "org_id": "others change it under a ledger",
        "service": "others set it and take it away",
    },
    Limits: {"max_runs": "others make it too small for what is declared"},
    Run: {
        "formerly": "others rename manifests, and say so or not",
        "declared_as": "what that comes to",
    },
}

_OTHER_SERVICE = "what a claim was made for changes by the user, and the user is drawn"
_FOR_PEOPLE = "shown to people; nothing that starts, settles or observes a run reads it"
LEFT: Mapping[type, Mapping[str, str]] = {
    Configuration: {"places": _FOR_PEOPLE},
    GitConfiguration: {"remote": "what it is called; where it leads to is drawn (`estate`)"},
    Environment: {
        "places": _FOR_PEOPLE,
        "notify": "read once nothing is claimed and all is recorded (tests/acceptance/test_notify)",
    },
    GatewayConfiguration: {
        "url": _OTHER_SERVICE,
        "timezone": "only business dates need it, and they are trigger times by now",
        "zone": "the same; another than the service's is refused (tests/apply)",
        "access_key_env": "read where the gateway is opened",
        "secret_key_env": "read where the gateway is opened",
        "ca_file": "read where the gateway is opened",
        "instance_url": _FOR_PEOPLE,
    },
    Limits: {
        "max_runs_per_apply": "refuses before the first claim (tests/apply)",
        "max_runs_per_backfill": "of what may be declared",
        "first_year": "the same: what lies before is a problem (tests/expansion)",
        "years_ahead": "the same: what lies later is a problem (tests/expansion)",
        "sensitive_parameters": _FOR_PEOPLE,
    },
    Run: {
        "marks": _FOR_PEOPLE,
        "labels": _FOR_PEOPLE,
        "description": _FOR_PEOPLE,
        "sensitive": _FOR_PEOPLE,
    },
}

BECOMES: Mapping[str, str] = {  # each property of a manifest's `spec`: the field of a run
    "flowId": "flow_id",
    "triggerTime": "trigger_time",
    "triggerTimes": "trigger_time",
    "businessDate": "trigger_time",
    "businessDates": "trigger_time",
    "at": "trigger_time",
    "parameters": "parameters",
    "matrix": "parameters",
    "exclude": "name",  # which runs there are
    "stagger": "stagger",
    "order": "sequence",
    "sequential": "after",
    "maxActive": "max_active",
    "stopAfter": "stop_after",
    "revision": "revision",
    "suspend": "suspend",
    "notAfter": "not_after",
    "duplicateOf": "duplicate_of",
    "dependsOn": "depends_on",
    "formerly": "formerly",
    "again": "again",
    "retry": "retry",
    "cancel": "cancel",
    "sensitive": "sensitive",
}


def _names(of: Any) -> Sequence[str]:
    """Of the fields of a value's type; of a run also those of its terms."""
    kinds = (of, Terms) if of is Run else (of,)
    return [name for kind in kinds for name in kind.__struct_fields__]


@pytest.mark.parametrize("of", DRAWN, ids=lambda of: of.__name__)
def test_every_field_is_drawn_or_named_with_a_reason(of: type) -> None:
    drawn = {*DRAWN[of], *DRAWN_BY_ESTATES.get(of, ())}
    assert not drawn & set(LEFT[of])
    assert set(_names(of)) <= drawn | set(LEFT[of])


@pytest.mark.parametrize("kind", ["trigger", "backfill"])
def test_every_property_of_a_manifest_becomes_something_that_is_drawn(kind: str) -> None:
    spec = load_schema("trigger")["$defs"][kind]["properties"]["spec"]["properties"]
    assert set(spec) <= set(BECOMES)
    assert {BECOMES[name] for name in spec} <= {
        *DRAWN[Run],
        *DRAWN_BY_ESTATES[Run],
        "sensitive",
    }


@pytest.mark.long  # dozens of lives; that each field is drawn or named stays
def test_what_is_said_to_be_drawn_takes_several_values(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[tuple[type, str], set[str]] = defaultdict(set)

    def take(value: Any) -> None:
        for name in _names(type(value)):
            seen[type(value), name].add(repr(getattr(value, name)))

    def snapshot(self: Process, commit: Commit) -> ports.Snapshot:
        environment = commit.environment
        for value in (environment, environment.gateway, environment.limits, *commit.runs):
            take(value)
        return read(self, commit)

    def start(self: World, applier: str, user: str, run: Run, claim: Any, *, frozen: bool) -> Any:
        take(run)
        return begin(self, applier, user, run, claim, frozen=frozen)

    read, begin = Process._snapshot, World.start
    monkeypatch.setattr(Process, "_snapshot", snapshot)
    monkeypatch.setattr(World, "start", start)
    drawn = [(of, name) for of, names in DRAWN.items() for name in names]
    for seed in range(SEEDS):
        with suppress(BrokenPromiseError):  # that is for others to say
            simulate(seed)
        if seed >= FEWEST_SEEDS and not _drawn_once(drawn, seen):
            break
    assert not _drawn_once(drawn, seen)
    for of in DRAWN:
        assert not {name for name in LEFT[of] if len(seen[of, name]) > 1} - {"marks"}, of


@pytest.mark.long  # dozens of lives; that each field is drawn or named stays
def test_what_estates_are_said_to_draw_takes_several_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[tuple[type, str], set[str]] = defaultdict(set)
    counts: set[int] = set()

    def parse(source: Source) -> Configuration:
        read = original(source)
        counts.add(len(read.environments))
        environments = read.environments.values()
        gateways = [(one.gateway, one.limits) for one in environments]
        for value in (read, read.git, *environments, *(one for pair in gateways for one in pair)):
            for name in _names(type(value)):
                seen[type(value), name].add(repr(getattr(value, name)))
        return read

    def named(runs: Sequence[Run], ledger: Ledger) -> tuple[Run, ...]:
        found = by_name(runs, ledger)
        for run in found:
            for name in DRAWN_BY_ESTATES[Run]:
                seen[Run, name].add(repr(getattr(run, name)))
        return found

    original, by_name = parse_configuration, renaming.with_recorded_names
    monkeypatch.setattr(life, "parse_configuration", parse)
    monkeypatch.setattr(schedule, "with_recorded_names", named)
    drawn = [(of, name) for of, names in DRAWN_BY_ESTATES.items() for name in names]
    for seed in range(SEEDS_OF_ESTATES):
        with suppress(BrokenPromiseError):  # that is for others to say
            life.simulate(seed, changes=[*CHANGES])  # all of them, and often
        if {1, 2, 3} <= counts and not _drawn_once(drawn, seen):
            break
    assert {1, 2, 3} <= counts
    assert not _drawn_once(drawn, seen)


def _drawn_once(
    drawn: Sequence[tuple[type, str]], seen: Mapping[tuple[type, str], set[str]]
) -> list[tuple[type, str]]:
    """The fields said to be drawn that have taken no second value so far."""
    return [field for field in drawn if len(seen[field]) < 2]


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_oddity_makes_the_service_another_one(switch: str) -> None:
    names = frozenset({switch})
    drawn = [oddities_of(random.Random(seed), names) for seed in range(20)]
    assert any(one != Oddities(names=names) for one in drawn)


def test_a_seed_mixes_no_oddity_one_or_several() -> None:
    counts = Counter(len(drawn_oddities(random.Random(seed)).names) for seed in range(1_000))
    assert counts[0] > 350
    assert counts[1] > 200
    assert sum(number for many, number in counts.items() if many > 1) > 200
