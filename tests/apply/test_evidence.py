"""Whose a listed instance is, and what a search says of a run in doubt."""

import json
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.apply.evidence import (
    BY_AGREEMENT,
    BY_NONCE,
    Ambiguous,
    Found,
    Judgement,
    NoneFound,
    evidence_of,
    judge,
    judge_vanished,
    standing,
)
from reconciler.apply.known import Known
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import Standing, Suspect, correlation_value, search_window
from reconciler.ledger import Event, events
from reconciler.model import EpochMs, InstanceId, Nonce, Run, RunId
from reconciler.times import format_instant, parse_zone
from tests.building import (
    CLAIM_MS,
    EIGHT,
    NOW,
    PARAMETERS,
    a_claim,
    a_ledger,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_instance,
    an_unknown,
)

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SLACK = 300_000
NAME = "RECONCILER_RUN"
C0, C1 = Nonce("c0ffee00" * 4), Nonce("c1c1c1c1" * 4)
TIME = after(EIGHT, 7_250)  # 08:00:07.250
CLAIMED_AT = after(NOW, 400)
RUN = a_run(trigger_time=TIME)
OTHER = a_run("other", trigger_time=TIME, parameters=())
SUSPECT = Suspect(
    run=RUN.id,
    claim=C1,
    flow_id=RUN.flow_id,
    trigger_time=TIME,
    parameters=PARAMETERS,
    claimed_at=CLAIMED_AT,
    slack=SLACK,
)
SIGNED = replace(SUSPECT, correlation=NAME)
MINE = an_instance(RUN)
NOBODY = Known(())


def known_of(*recorded: Event) -> Known:
    return Known([a_ledger(*recorded)])


def claimed(*runs: Run, claim: Nonce = C1, at: EpochMs = CLAIMED_AT, **more: Any) -> events.Claim:
    return a_claim(*runs, claim=claim, at=at, **({"correlation": NAME} | more))


def started(
    run: Run, instance: str = "3377-1", *, claim: Nonce = C0, at: EpochMs = NOW
) -> list[Event]:
    """Claimed at that time, and triggered half a second later."""
    text = claimed(run, claim=claim, at=after(at, 500)).at
    return [claimed(run, claim=claim, at=at), a_triggered(run, instance, claim, at=text)]


def carrying(value: str, key: str = NAME) -> Instance:
    return replace(MINE, parameters=(*PARAMETERS, (key, value)))


def created(at: EpochMs | None, one: Instance = MINE) -> Instance:
    return replace(one, created=at, created_latest=at)


def stands(one: Instance, known: Known = NOBODY, suspect: Suspect = SUSPECT) -> Standing:
    return standing(suspect, one, known)


def judged(*found: Instance, suspect: Suspect = SUSPECT, known: Known = NOBODY) -> Judgement:
    return judge(suspect, found, known, known.making(suspect.zone))


# Another flow


def test_an_instance_of_another_flow_is_not_the_runs_unless_it_carries_the_nonce() -> None:
    assert stands(replace(MINE, flow_id=1)) is Standing.NOT_OURS
    signed = replace(carrying(correlation_value(RUN.id, C1)), flow_id=1)
    assert stands(signed, suspect=SIGNED) is Standing.OURS


def test_an_instance_that_does_not_say_its_flow_may_be_the_runs() -> None:
    assert isinstance(judged(replace(MINE, flow_id=None)), Ambiguous)


# Its trigger time


@pytest.mark.parametrize("minutes", [-60 * 24 * 365, -1, 1, 8, 60 * 24])
def test_what_the_search_for_its_minute_lists_may_be_the_runs_whatever_time_it_shows(
    minutes: int,
) -> None:
    """As where a service shows when it was really triggered, or a month for a minute."""
    shown = replace(MINE, trigger_time=after(TIME, minutes * MINUTE))
    assert isinstance(judged(shown), Ambiguous)
    assert judged(created(after(CLAIMED_AT, -SLACK - 1), shown)) == NoneFound()
    signed = replace(carrying(correlation_value(RUN.id, C1)), trigger_time=shown.trigger_time)
    assert judged(signed, suspect=SIGNED) == Found(instance=MINE.id, by=BY_NONCE)


def test_one_that_shows_the_next_minute_is_not_taken_for_the_runs() -> None:
    """It may be rounded, or that minute's own."""
    late = replace(SUSPECT, trigger_time=after(EIGHT, 40 * SECOND))
    assert isinstance(
        judged(replace(MINE, trigger_time=after(EIGHT, MINUTE)), suspect=late), Ambiguous
    )


def test_parameters_that_are_shown_as_a_blank_are_not_known_to_be_none() -> None:
    bare = replace(SUSPECT, parameters=())
    assert isinstance(judged(replace(MINE, parameters=(), carried="[]"), suspect=bare), Found)
    for blank in ("", "  "):
        row = replace(MINE, parameters=(), carried=blank)
        assert isinstance(judged(row, suspect=bare), Ambiguous)


# The nonce


def test_an_instance_with_this_claims_nonce_is_the_runs_whatever_else_is_odd() -> None:
    odd = replace(
        carrying(correlation_value(RUN.id, C1)),
        flow_id=None,
        trigger_time=None,
        created=after(NOW, -10 * SLACK),
        created_latest=after(NOW, -10 * SLACK),
    )
    known = known_of(*started(OTHER))  # it even has another run's id
    assert judged(odd, suspect=SIGNED, known=known) == Found(instance=MINE.id, by=BY_NONCE)
    gone = replace(SIGNED, parameters=None)
    assert isinstance(judged(odd, suspect=gone), Found)


@pytest.mark.parametrize("siblings", [(), (OTHER,)], ids=["alone", "with others"])
@pytest.mark.parametrize(
    "value",
    [
        f"{C1} wind",
        f"{C1} wind".upper(),
        f"{C1} win",
        f"  {C1} wind ",
        f"wind {C1}",
    ],
    ids=["as sent", "upper case", "cut", "padded", "as older versions sent it"],
)
def test_a_nonce_is_read_however_the_service_shows_it(
    value: str, siblings: tuple[Run, ...]
) -> None:
    known = known_of(claimed(RUN, *siblings))
    for key in (NAME, NAME.lower()):
        assert stands(carrying(value, key), known, SIGNED) is Standing.OURS


def test_a_nonce_whose_run_is_cut_off_tells_only_where_the_claim_has_no_other() -> None:
    assert stands(carrying(C1), known_of(claimed(RUN)), SIGNED) is Standing.OURS
    assert stands(carrying(C1), known_of(claimed(RUN, OTHER)), SIGNED) is Standing.POSSIBLE


@pytest.mark.parametrize("shown", ["wind", "win"])
def test_what_reads_as_one_run_may_be_what_is_left_of_a_longer_name(shown: str) -> None:
    longer = a_run("wind-10", trigger_time=TIME, parameters=())
    known = known_of(claimed(RUN, longer))
    one = carrying(f"{C1} {shown}")
    assert stands(one, known, SIGNED) is Standing.POSSIBLE
    assert stands(one, known, replace(SIGNED, run=longer.id)) is Standing.POSSIBLE
    whole = carrying(correlation_value(longer.id, C1))
    assert stands(whole, known, SIGNED) is Standing.NOT_OURS
    assert stands(whole, known, replace(SIGNED, run=longer.id)) is Standing.OURS


def test_a_nonce_that_is_not_whole_proves_nothing() -> None:
    known = known_of(claimed(RUN), claimed(OTHER, claim=C0))
    for value in (C1[:-1], f"{C1}a wind", f"{C0[:-1]} other", f"x{C0} other", f"{C0}a other", ""):
        assert stands(carrying(value), known, SIGNED) is Standing.POSSIBLE


def test_an_instance_with_another_claims_nonce_is_not_the_runs() -> None:
    """Not even the same run's, under an older claim."""
    known = known_of(claimed(RUN), claimed(OTHER, claim=C0))
    for value in (correlation_value(OTHER.id, C0), correlation_value(RUN.id, C0).upper(), C0):
        assert stands(carrying(value), known, SIGNED) is Standing.NOT_OURS


BEFORE, SINCE = after(CLAIMED_AT, -2_000), after(CLAIMED_AT, 2_000)
APART = [
    *started(a_run("p", flow_id=7), "7-5f0c9a1e", claim=Nonce("c7"), at=BEFORE),
    *started(a_run("q", flow_id=7), "7-77b21d40", claim=Nonce("c8"), at=BEFORE),
]


@pytest.mark.parametrize(
    ("recorded", "hides"),
    [
        ([claimed(RUN), claimed(OTHER, claim=C0)], True),  # nobody knows when it was started
        ([claimed(RUN), *started(OTHER, at=SINCE)], True),
        ([*started(OTHER, at=BEFORE), claimed(RUN)], False),  # the run's own would be listed
        ([claimed(RUN), *started(OTHER, at=BEFORE)], True),  # the clock was set back between them
        ([claimed(RUN), *started(OTHER, at=SINCE), *APART], False),  # each has an id of its own
        ([claimed(RUN), *started(OTHER, at=SINCE), APART[0], APART[1]], True),
    ],
)
def test_what_a_newer_instance_of_another_may_hide_is_not_absent(
    recorded: list[Event], hides: bool
) -> None:
    """A service that gives two runs one id may list only the newer."""
    known = known_of(*recorded)
    verdict = judged(carrying(correlation_value(OTHER.id, C0)), suspect=SIGNED, known=known)
    assert isinstance(verdict, Ambiguous if hides else NoneFound)
    created_before = created(
        after(CLAIMED_AT, -SLACK - 1), carrying(correlation_value(OTHER.id, C0))
    )
    assert judged(created_before, suspect=SIGNED, known=known) == NoneFound()


def test_ids_show_that_each_start_has_its_own_only_by_starts_that_are_known_for_sure() -> None:
    assert known_of(*APART).making(UTC).of_each
    by_hand = a_triggered(a_run("q", flow_id=7), "7-77b21d40", claim=None)
    assert not known_of(*APART[:2], by_hand).making(UTC).of_each
    inferred = msgspec.structs.replace(APART[3], inferred=True)
    assert not known_of(*APART[:3], inferred).making(UTC).of_each
    named = [APART[2], a_resolved(a_run("q", flow_id=7), "7-77b21d40")]
    assert not known_of(*APART[:2], *named).making(UTC).of_each
    late = a_run("q", flow_id=7, trigger_time=after(EIGHT, SECOND))
    rounded = started(late, "7-77b21d40", claim=Nonce("c8"))
    assert not known_of(*APART[:2], *rounded).making(UTC).of_each


@pytest.mark.parametrize(
    "ids", [("7-1", "7-2"), ("7-a", "7-b"), ("7-node0001", "7-node0002", "8-node0001")]
)
def test_two_ids_of_one_flow_and_time_may_differ_by_the_machine_that_took_the_request(
    ids: tuple[str, ...],
) -> None:
    recorded: list[Event] = []
    for number, id_ in enumerate(ids):
        run = a_run(f"r{number}", flow_id=int(id_[0]))
        recorded += started(run, id_, claim=Nonce(f"d{number}"), at=BEFORE)
    assert not known_of(*recorded).making(UTC).of_each


def _of_two_flows(ids: tuple[str, ...]) -> list[Event]:
    """Starts of two flows, at one time after another, a day and more from the run."""
    recorded: list[Event] = []
    for number, id_ in enumerate(ids):
        time = after(EIGHT, (1 + number // 2) * 24 * HOUR)
        run = a_run(f"r{number}", flow_id=7 + number % 2, trigger_time=time)
        recorded += started(run, id_, claim=Nonce(f"d{number}"), at=BEFORE)
    return recorded


@pytest.mark.parametrize(
    ("ids", "apart"),
    [
        (("5f0c9a1e", "77b21d40", "0d9e35aa", "b1c2d3e4"), True),
        (("5f0c9a1e", "77b21d40", "0d9e35aa"), False),  # as many machines as ids, perhaps
        (("1", "2", "3", "4"), False),
        (("t1-node0001", "t1-node0002", "t2-node0003", "t2-node0001"), False),
        (("5f0c9a1e", "77b21d40", "0d9e35aa", "0d9e35aa"), False),
        (("20240302000000-a", "20240302000000-b", "5f0c9a1e", "77b21d40"), False),
        (("202403020000001", "202403020000002", "202403030000003", "202403030000004"), False),
    ],
)
def test_ids_of_two_flows_at_one_time_show_whether_flows_may_share_one(
    ids: tuple[str, ...], *, apart: bool
) -> None:
    making = known_of(*_of_two_flows(ids)).making(UTC)
    assert (making.may_lack_flow, making.of_each) == (not apart, False)


def test_a_start_of_another_flow_hides_nothing_on_a_service_that_gives_flows_their_own_ids() -> (
    None
):
    other = started(a_run("other", flow_id=9, trigger_time=TIME), "e5a6b7c8", at=SINCE)
    for ids, hides in ((("5f0c9a1e", "77b21d40", "0d9e35aa"), False), (("1", "2", "3"), True)):
        known = known_of(claimed(RUN), *other, *_of_two_flows(ids))
        assert isinstance(judged(suspect=SIGNED, known=known), Ambiguous if hides else NoneFound)


def test_the_nonce_of_a_run_of_the_next_minute_counts_for_it_may_be_rounded_into_this_one() -> None:
    late = a_run("late", trigger_time=after(EIGHT, -200))
    known = known_of(claimed(RUN), claimed(late, claim=C0))
    assert stands(carrying(correlation_value(late.id, C0)), known, SIGNED) is Standing.NOT_OURS


def test_a_nonce_that_no_ledger_knows_proves_nothing() -> None:
    assert stands(carrying(correlation_value(OTHER.id, C0)), known_of(claimed(RUN)), SIGNED) is (
        Standing.POSSIBLE
    )


def test_an_instance_with_this_claims_nonce_and_another_of_its_runs_is_not_the_runs() -> None:
    known = known_of(claimed(RUN, OTHER))
    for value in (
        correlation_value(OTHER.id, C1),
        correlation_value(OTHER.id, C1).upper(),
        f"other {C1}",
    ):
        assert stands(carrying(value), known, SIGNED) is Standing.NOT_OURS
    strange = carrying(f"{C1} something")
    assert stands(strange, known, SIGNED) is Standing.POSSIBLE


def unreadable(value: str, *, twice: bool = False) -> Instance:
    text = json.dumps([{"key": NAME, "value": value}])
    return replace(MINE, parameters=None, carried=json.dumps(text) if twice else text)


@pytest.mark.parametrize("twice", [False, True])
def test_a_nonce_is_found_in_parameters_that_cannot_be_read(*, twice: bool) -> None:
    run = a_run("march/2024-03-02", trigger_time=TIME)
    suspect = replace(SIGNED, run=run.id)
    known = known_of(claimed(run, OTHER), claimed(a_run("third", trigger_time=TIME), claim=C0))
    own = unreadable(correlation_value(run.id, C1), twice=twice)
    assert stands(own, known, suspect) is Standing.OURS
    slashed = replace(own, carried=own.carried.replace("/", "\\/"))
    assert stands(slashed, known, suspect) is Standing.OURS
    others = [correlation_value(OTHER.id, C1), correlation_value(RunId("third"), C0)]
    for value in others:
        assert stands(unreadable(value, twice=twice), known, suspect) is Standing.NOT_OURS


def test_a_nonce_counts_only_where_the_reconciler_puts_it() -> None:
    known = known_of(claimed(RUN), claimed(OTHER, claim=C0))
    assert (
        stands(carrying(correlation_value(OTHER.id, C0), "NOTE"), known, SIGNED)
        is Standing.POSSIBLE
    )
    assert (
        stands(carrying(correlation_value(RUN.id, C1), "NOTE"), known, SIGNED) is Standing.POSSIBLE
    )


def test_a_parameter_that_the_manifest_sends_is_no_other_claims_nonce() -> None:
    """As where somebody pastes what the console shows."""
    known = known_of(claimed(RUN), claimed(OTHER, claim=C0))
    pasted = replace(SIGNED, parameters=((NAME, f"see {C0.upper()} other"),))
    assert stands(carrying(correlation_value(OTHER.id, C0)), known, pasted) is Standing.POSSIBLE
    assert stands(unreadable(correlation_value(OTHER.id, C0)), known, pasted) is Standing.POSSIBLE


def test_several_instances_with_the_nonce_are_a_question_for_a_person() -> None:
    one = carrying(correlation_value(RUN.id, C1))
    found = judged(one, replace(one, id=InstanceId("3377-2")), suspect=SIGNED)
    assert found == Ambiguous(reason="several instances carry this claim's nonce: 3377-1, 3377-2")
    assert isinstance(judged(one, replace(one, status=4), suspect=SIGNED), Found)


# Its age


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (SLACK + 1, Standing.NOT_OURS),
        (SLACK, Standing.POSSIBLE),
        (500, Standing.POSSIBLE),
        (-10 * SLACK, Standing.POSSIBLE),
    ],
)
def test_an_instance_is_too_old_only_by_more_than_two_clocks_differ(
    before: int, expected: Standing
) -> None:
    assert stands(created(after(CLAIMED_AT, -before))) is expected


def test_a_stamp_that_can_be_read_in_two_zones_counts_as_the_later_time() -> None:
    long_ago = after(NOW, -8 * 3_600_000)
    assert stands(replace(MINE, created=long_ago, created_latest=NOW)) is Standing.POSSIBLE


def test_where_nobody_knows_when_the_claim_was_made_age_says_nothing() -> None:
    undated = replace(SUSPECT, claimed_at=None)
    assert stands(created(EpochMs(1)), suspect=undated) is Standing.POSSIBLE
    assert stands(created(None)) is Standing.POSSIBLE


# What stood there before


def test_what_was_seen_before_the_claim_is_not_the_runs_though_it_is_not_old() -> None:
    stamp = after(NOW, -5_000)
    before = frozenset({events.Seen(id=MINE.id, created=stamp)})
    suspect = replace(SUSPECT, before=before, gap=SECOND)
    assert stands(created(stamp), suspect=suspect) is Standing.NOT_OURS
    for newer in (after(stamp, SECOND), None):  # under the same id
        assert stands(created(newer), suspect=suspect) is Standing.POSSIBLE
    other_id = replace(created(stamp), id=InstanceId("3377-2"))
    assert stands(other_id, suspect=suspect) is Standing.POSSIBLE


@pytest.mark.parametrize(
    ("stamp", "gap", "tells"),
    [
        (-3_000, SECOND, True),
        (-3_000, SECOND - 1, False),  # a stamp in seconds, in one second with the claim
        (-30_000, 30 * SECOND - 1, False),  # one that may be cut to half a minute
        (-30_000, 30 * SECOND, True),
        (-50_000, SECOND, True),
        (0, HOUR, False),  # to the hour, or more
    ],
)
def test_a_stamp_tells_the_old_from_the_new_if_the_look_was_before_the_claim_by_what_it_is_cut_to(
    stamp: int, gap: int, tells: bool
) -> None:
    one = created(after(NOW, stamp))
    before = frozenset({events.Seen(id=one.id, created=one.created)})
    suspect = replace(SUSPECT, before=before, gap=gap)
    assert stands(one, suspect=suspect) is (Standing.NOT_OURS if tells else Standing.POSSIBLE)
    assert isinstance(judged(one, suspect=suspect), NoneFound if tells else Ambiguous)


def test_a_stamp_that_is_cut_to_the_minute_does_not_tell_the_old_from_the_new() -> None:
    assert NOW % MINUTE == 0
    before = frozenset({events.Seen(id=MINE.id, created=NOW), events.Seen(id=MINE.id)})
    suspect = replace(SUSPECT, before=before)
    assert stands(created(NOW), suspect=suspect) is Standing.POSSIBLE
    assert stands(created(None), suspect=suspect) is Standing.POSSIBLE


# Recorded as another run's


def test_another_runs_instance_may_share_its_id_with_the_runs_of_its_minute() -> None:
    known = known_of(*started(OTHER))
    assert stands(MINE, known) is Standing.ANOTHERS
    found = judged(MINE, known=known)
    assert isinstance(found, Ambiguous)
    assert found.reason.startswith("instance 3377-1 is recorded as another run's, and")


def test_an_id_that_runs_of_another_minute_or_flow_have_as_well_proves_nothing() -> None:
    for more in ({"trigger_time": after(TIME, MINUTE)}, {"flow_id": 12}):
        other = a_run("other", **({"trigger_time": TIME} | more))
        known = known_of(*started(other))
        assert stands(MINE, known) is Standing.POSSIBLE
        assert isinstance(judged(MINE, known=known), Ambiguous)
        hidden = replace(MINE, trigger_time=None, flow_id=None)
        assert stands(hidden, known) is Standing.ANOTHERS


def test_a_record_counts_only_for_an_instance_that_its_own_start_can_have_made() -> None:
    other = a_run("other", trigger_time=after(TIME, MINUTE))
    for its_claim in (after(NOW, -2 * SLACK), after(NOW, 2 * SLACK)):
        known = known_of(*started(other, at=its_claim))
        assert stands(MINE, known) is Standing.POSSIBLE
    known = known_of(*started(other))
    assert stands(created(None), known) is Standing.POSSIBLE
    by_hand = known_of(a_triggered(other, claim=None))
    assert stands(MINE, by_hand) is Standing.POSSIBLE


def test_what_shows_just_what_its_own_run_carries_and_nothing_of_this_one_is_not_the_runs() -> None:
    hers = (("REPLACE", "hers"),)
    neighbour = a_run("other", trigger_time=TIME, parameters=hers)
    known = known_of(*started(neighbour))
    assert stands(replace(MINE, parameters=hers), known) is Standing.NOT_OURS
    for shown in (None, (), RUN.parameters, (*hers, ("MODE", "full")), (("REPLACE", "HERS"),)):
        assert stands(replace(MINE, parameters=shown), known) is Standing.ANOTHERS
    # The next minute's, which rounding makes of this one's time, if ids are those of an hour.
    late = replace(SUSPECT, trigger_time=after(EIGHT, 59_700))
    neighbour = a_run("other", trigger_time=after(EIGHT, MINUTE))
    row = replace(MINE, trigger_time=neighbour.trigger_time)
    assert stands(row, known_of(*started(neighbour)), late) is Standing.ANOTHERS


def test_the_runs_own_record_under_the_claim_rules_nothing_out() -> None:
    assert stands(MINE, known_of(*started(RUN, claim=C1))) is Standing.POSSIBLE
    assert stands(MINE, known_of(*started(RUN, claim=C0))) is Standing.ANOTHERS


def test_ids_that_are_told_apart_in_a_minute_are_not_shared_in_it() -> None:
    third = a_run("third", trigger_time=TIME, flow_id=RUN.flow_id)
    known = known_of(*started(OTHER), *started(third, "3377-2", claim=Nonce("c2")))
    assert stands(MINE, known) is Standing.NOT_OURS
    assert judged(MINE, replace(MINE, id=InstanceId("3377-2")), known=known) == NoneFound()


@pytest.mark.parametrize(
    ("seconds", "instance", "expected"),
    [((10, 45, 50), "b", Standing.ANOTHERS), ((45, 50, 50), "a", Standing.NOT_OURS)],
)
def test_two_ids_that_rounding_explains_do_not_tell_a_third_run_apart(
    seconds: tuple[int, int, int], instance: str, expected: Standing
) -> None:
    """A service that rounds times to minutes has two ids in each, and shares both."""
    first, second, mine = (after(EIGHT, one * SECOND) for one in seconds)
    one, two = a_run("one", trigger_time=first), a_run("two", trigger_time=second)
    known = known_of(*started(one, "a"), *started(two, "b", claim=Nonce("c2")))
    suspect = replace(SUSPECT, trigger_time=mine)
    assert stands(replace(MINE, id=InstanceId(instance)), known, suspect) is expected


# Agreement


def test_an_instance_that_alone_is_possible_and_agrees_in_everything_is_the_runs() -> None:
    assert judged(MINE) == Found(instance=MINE.id, by=BY_AGREEMENT)
    theirs = replace(MINE, id=InstanceId("3377-2"), flow_id=1)
    assert judged(theirs, MINE) == Found(instance=MINE.id, by=BY_AGREEMENT)
    beside = known_of(*started(OTHER, "3377-2"))  # the two have ids of their own
    assert isinstance(judged(MINE, replace(theirs, flow_id=3377), known=beside), Found)


@pytest.mark.parametrize(
    "shown",
    [TIME, after(EIGHT, 7_000), EIGHT],
    ids=["as sent", "cut to the second", "cut to the minute"],
)
def test_the_trigger_time_may_be_cut(shown: EpochMs) -> None:
    assert isinstance(judged(replace(MINE, trigger_time=shown)), Found)


@pytest.mark.parametrize(("unit", "cut"), [(60 * MINUTE, 30), (25 * 60 * MINUTE, 8 * 60 + 30)])
def test_a_trigger_time_that_may_be_cut_to_the_hour_or_the_day_rules_nothing_out(
    unit: int, cut: int
) -> None:
    half_past = replace(SUSPECT, trigger_time=after(EIGHT, 30 * MINUTE))
    shown = replace(MINE, trigger_time=after(half_past.trigger_time, -cut * MINUTE))
    assert stands(replace(shown, trigger_unit=unit), suspect=half_past) is Standing.POSSIBLE
    # Nor is it another's that would show the same.
    other = a_run("other", trigger_time=shown.trigger_time or EIGHT, parameters=())
    its = known_of(*started(other))
    assert stands(replace(shown, trigger_unit=unit), its, half_past) is Standing.ANOTHERS


@pytest.mark.parametrize(
    "odd",
    [
        {"flow_id": None},
        {"trigger_time": None},
        {"trigger_time": after(EIGHT, 9_000)},
        {"created": None, "created_latest": None},
        {"created_latest": after(NOW, -1)},
        {"parameters": None},
        {"parameters": ()},
        {"parameters": (("REPLACE", "other"),)},
        {"parameters": (*PARAMETERS, ("DEFAULT", "1"))},
    ],
    ids=repr,
)
def test_what_differs_or_cannot_be_read_is_neither_taken_nor_ruled_out(odd: dict[str, Any]) -> None:
    found = judged(replace(MINE, **odd))
    assert found == Ambiguous(
        reason="what may be its instance cannot be recognised for certain: 3377-1"
    )


@pytest.mark.parametrize(
    ("earliest", "latest"),
    [
        (-MINUTE, MINUTE),  # cut to the minute, which began before the claim
        (-8 * HOUR, 2 * SECOND),  # in UTC it was created after the claim, in the zone it was not
        (-SECOND, -1),  # the second before the claim's
        (10 * MINUTE, 10 * MINUTE),  # after the claim's end, as by a clock that is ahead
    ],
)
def test_a_stamp_that_may_mean_another_time_than_the_claims_does_not_agree(
    earliest: int, latest: int
) -> None:
    suspect = replace(SUSPECT, until=after(CLAIMED_AT, 5 * MINUTE))
    assert isinstance(judged(MINE, suspect=suspect), Found)
    second = EpochMs(CLAIMED_AT - CLAIMED_AT % SECOND)
    row = replace(MINE, created=after(second, earliest), created_latest=after(second, latest))
    assert isinstance(judged(row, suspect=suspect), Ambiguous)


def test_what_a_claim_at_a_full_minute_starts_at_once_agrees_by_a_stamp_in_seconds() -> None:
    assert CLAIMED_AT // SECOND * SECOND == NOW
    assert NOW % MINUTE == 0
    on_the_minute = replace(MINE, created=NOW, created_latest=after(NOW, MINUTE - 1))
    assert isinstance(judged(on_the_minute), Found)


def test_what_may_have_stood_there_before_the_claim_does_not_agree() -> None:
    stood = replace(SUSPECT, before=frozenset({events.Seen(id=MINE.id, created=NOW)}))
    assert isinstance(judged(MINE, suspect=stood), Ambiguous)


def test_the_order_of_parameters_may_be_lost() -> None:
    pair = (("A", "1"), ("B", "2"))
    suspect = replace(SUSPECT, parameters=pair)
    assert isinstance(judged(replace(MINE, parameters=pair[::-1]), suspect=suspect), Found)


@pytest.mark.parametrize(
    "more", [{"parameters": None}, {"claimed_at": None}, {"correlation": NAME}], ids=repr
)
def test_agreement_takes_everything_to_be_known_and_no_nonce_to_look_for(
    more: dict[str, Any],
) -> None:
    suspect = replace(SUSPECT, **more)
    assert isinstance(judged(MINE, suspect=suspect), Ambiguous)
    assert judged(suspect=suspect) == NoneFound()


def test_one_that_agrees_beside_another_that_may_be_the_runs_is_a_question() -> None:
    dim = replace(MINE, id=InstanceId("3377-2"), parameters=None)
    assert judged(MINE, dim) == Ambiguous(
        reason="one instance agrees with it and others may be its own as well: 3377-1, 3377-2"
    )
    assert judged(MINE, replace(MINE, id=InstanceId("3377-2"))) == Ambiguous(
        reason="several instances agree with it: 3377-1, 3377-2"
    )


def test_an_instance_that_agrees_is_not_taken_where_any_other_start_has_its_id() -> None:
    old = known_of(*started(OTHER, at=after(NOW, -2 * SLACK)))  # so old that it rules nothing out
    assert stands(MINE, old) is Standing.POSSIBLE
    assert isinstance(judged(MINE, known=old), Ambiguous)


# Whatever the service lists

LEDGERS = [
    NOBODY,
    known_of(claimed(RUN, OTHER)),
    known_of(*started(OTHER, "1")),
    known_of(*started(OTHER, "1"), claimed(RUN)),
    known_of(*started(OTHER, "1"), *started(a_run("x", trigger_time=TIME), "2", claim=C1)),
    known_of(*started(a_run("y", trigger_time=after(TIME, MINUTE)), "1")),
    known_of(*started(a_run("y", trigger_time=after(TIME, MINUTE)), "1", at=after(NOW, -SLACK))),
]
stamps = st.sampled_from(
    [None, NOW, *(after(CLAIMED_AT, ms) for ms in (0, 5_000, -1_000, -SLACK, -SLACK - 1))]
)
values = st.sampled_from(
    [
        "",
        correlation_value(RUN.id, C1),
        correlation_value(OTHER.id, C1),
        correlation_value(OTHER.id, C0),
        C1,
    ]
)
instances = st.builds(
    Instance,
    id=st.sampled_from(["1", "2", "3"]).map(InstanceId),
    flow_id=st.sampled_from([None, RUN.flow_id, RUN.flow_id, 1]),
    trigger_time=st.sampled_from([None, TIME, EIGHT, after(EIGHT, MINUTE)]),
    created=stamps,
    created_latest=stamps,
    parameters=st.sampled_from([None, (), PARAMETERS, (("REPLACE", "other"),)])
    | values.map(lambda value: (*PARAMETERS, (NAME, value))),
    status=st.none(),
    carried=values.map(lambda value: f'[{{"key":"{NAME}","value":"{value}"}}]'),
)
seen = st.builds(events.Seen, id=st.sampled_from(["1", "2"]).map(InstanceId), created=stamps)
suspects = st.builds(
    replace,
    st.sampled_from([SUSPECT, SIGNED, replace(SUSPECT, parameters=())]),
    before=st.frozensets(seen, max_size=2),
    gap=st.sampled_from([0, SECOND, MINUTE]),
)
known_ones = st.sampled_from(LEDGERS)
lists = st.lists(instances, max_size=4)


@given(suspects, lists, known_ones)
def test_absence_is_claimed_only_if_each_instance_is_ruled_out_for_a_reason_of_its_own(
    suspect: Suspect, found: list[Instance], known: Known
) -> None:
    ruled_out = [standing(suspect, one, known) is Standing.NOT_OURS for one in found]
    if judged(*found, suspect=suspect, known=known) == NoneFound():
        assert all(ruled_out)
        assert all(judged(one, suspect=suspect, known=known) == NoneFound() for one in found)
    if all(ruled_out) and known.making(suspect.zone).of_each:  # nothing hides another
        assert judged(*found, suspect=suspect, known=known) == NoneFound()


@pytest.mark.parametrize(
    ("flow", "minutes", "ids", "hides"),
    [
        (1, 40, ["x"], True),  # made of who knows what
        (1, 40, ["1-2024-03-02"], True),
        (1, 40, ["1-02032024"], True),
        (1, 2, ["1-20240302080000"], True),  # of five minutes
        (1, 40, ["20240302"], True),  # in the same hour
        (1, 180, ["20240302"], True),  # on the same day
        (1, 180, ["2024030203"], True),  # who knows which parts of a time these are
        (1, 3_000, ["20240304"], False),  # no id is of more than a day
        (1, 40, ["20240302", "20240302-2"], False),  # two in one hour: they are not given by it
        (1, 40, ["1-20240302084000"], False),  # it spells out its minute
        (1, 40, ["1-20240302080000"], True),
        (1, 180, ["1-20240302110000"], False),  # and this one its hour
        (1, 180, ["1-20240302000000"], True),
        (2, 0, ["20240302080000"], True),  # of another flow, which it does not name
        (2, 0, ["2-20240302080000"], False),
        (2, 0, ["x"], True),
        (2, 0, ["28489440"], True),  # minutes since 1970
        (2, 1, ["20240302080100"], False),
    ],
)
@pytest.mark.parametrize("later", [True, False])
def test_absence_is_not_proven_where_another_start_may_have_the_id_and_hide_the_runs(
    flow: int, minutes: int, ids: list[str], hides: bool, later: bool
) -> None:
    run = a_run("a", flow_id=1)
    others = [
        a_run(f"b-{index}", flow_id=flow, trigger_time=after(EIGHT, (minutes + index) * MINUTE))
        for index in range(len(ids))
    ]
    at = format_instant(after(NOW, 1_000 if later else -1_000))
    ledger = a_ledger(
        a_claim(*others, claim="c2"),
        *(a_triggered(one, id_, "c2", at=at) for one, id_ in zip(others, ids, strict=True)),
    )
    zone, known = parse_zone("GMT+8"), Known([ledger])
    hidden = known.may_hide(1, run.trigger_time, NOW, zone, known.making(zone))
    assert (hidden is not None) is (hides and later)


@pytest.mark.parametrize("settled", [True, False])
def test_a_late_start_of_another_run_may_hide_the_runs_or_be_what_is_found(
    *, settled: bool
) -> None:
    """Also once a person has settled it: whatever it made is still there."""
    run, other = a_run("a"), a_run("b", trigger_time=after(EIGHT, 30 * MINUTE))
    recorded: list[Event] = [
        *(a_claim(other), an_absent(other), a_claim(other, claim="c2")),
        *(a_triggered(other, "20240302", "c2"), an_unknown(other, "c1", late=True)),
        *([a_resolved(other, "20240302")] if settled else []),
    ]
    known, zone = known_of(*recorded), parse_zone("GMT+8")
    (late,) = known.runs_in_doubt(other.flow_id, other.trigger_time)
    assert (late.run, late.claim, late.starts) == (other.id, "c1", ())
    later = after(NOW, 10 * CLAIM_MS)  # than the start that is known
    hidden = known.may_hide(run.flow_id, run.trigger_time, later, zone, known.making(zone))
    assert hidden is not None
    assert hidden == (late, None)


@pytest.mark.parametrize("kept", ["found", "foundBefore"])
@pytest.mark.parametrize(
    ("id_", "cut"), [("3377-202403020800", False), ("3377-202403020801", False), ("3377-9", True)]
)
def test_what_an_earlier_search_found_still_shows_how_ids_are_made(
    kept: str, id_: str, *, cut: bool
) -> None:
    """It may be hidden by now, and a search must not conclude more than the one before it did."""
    run = a_run(trigger_time=after(EIGHT, 31_000))
    evidence = {kept: [{"id": id_, "created": None}, {"id": "", "created": None}]}
    unclear = msgspec.structs.replace(an_unknown(run), seen=evidence)
    known = known_of(a_claim(run), unclear)
    assert known.making(parse_zone("GMT+8")).cut is cut


@given(suspects, lists, known_ones)
def test_no_id_that_another_start_has_is_given_to_the_run_unless_by_nonce(
    suspect: Suspect, found: list[Instance], known: Known
) -> None:
    verdict = judged(*found, suspect=suspect, known=known)
    if isinstance(verdict, Found) and verdict.by == BY_AGREEMENT:
        assert not known.owners(verdict.instance)
        possible = [one for one in found if stands(one, known, suspect) is Standing.POSSIBLE]
        assert [one.id for one in possible] == [verdict.instance]
    elif isinstance(verdict, Found):
        ours = [one for one in found if stands(one, known, suspect) is Standing.OURS]
        assert {one.id for one in ours} == {verdict.instance}


@given(suspects, lists, known_ones, st.data())
def test_the_order_of_the_list_decides_nothing(
    suspect: Suspect, found: list[Instance], known: Known, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(found))
    one, other = (judged(*each, suspect=suspect, known=known) for each in (found, shuffled))
    assert type(one) is type(other)
    assert isinstance(one, Ambiguous) or one == other


@given(
    st.none() | st.integers(-SLACK, 10 * SLACK),
    st.none() | st.integers(0, MINUTE - 1),
    st.none() | st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5))).map(tuple),
    st.text(max_size=40),
    st.sampled_from([SUSPECT, SIGNED]),
)
def test_however_the_service_shows_an_instance_it_is_never_ruled_out_by_a_difference(
    age: int | None,
    time: int | None,
    parameters: tuple[tuple[str, str], ...] | None,
    carried: str,
    suspect: Suspect,
) -> None:
    """Only by a creation that is older than any clocks explain, a nonce, a flow or a record."""
    shown = replace(
        created(None if age is None else after(CLAIMED_AT, age)),
        trigger_time=None if time is None else after(EIGHT, time),
        parameters=parameters,
        carried=carried,
    )
    assert stands(shown, LEDGERS[1], suspect) is Standing.POSSIBLE


# What is asked and kept


@given(st.integers(0, 4_102_444_800_000).map(EpochMs))
def test_all_that_cutting_and_rounding_make_of_a_trigger_time_is_searched(
    instant: EpochMs,
) -> None:
    start, end = search_window(instant)
    assert start % MINUTE == 0
    assert end - start <= MINUTE + SECOND
    for unit in (SECOND, MINUTE):
        cut, nearest = instant - instant % unit, (instant + unit // 2) // unit * unit
        for shown in (instant, cut, nearest):
            assert start <= shown < end


def test_the_evidence_says_what_was_asked_when_and_what_was_found() -> None:
    dim = replace(MINE, id=InstanceId("3377-2"), created=None)
    assert evidence_of(SUSPECT, [MINE, dim], after(NOW, 9_000)) == {
        "searchedAt": "2024-03-02T04:00:09.000Z",
        "flowId": 3377,
        "fromTriggerTime": EIGHT,
        "toTriggerTime": EIGHT + MINUTE,
        "createdFrom": "2024-03-02T03:55:00.400Z",
        "found": [
            {"id": "3377-1", "created": "2024-03-02T04:00:00.000Z"},
            {"id": "3377-2", "created": None},
        ],
    }


ROW = {"id": "3377-1", "created": "2024-03-02T04:00:01Z"}


@pytest.mark.parametrize(
    ("evidence", "listed", "known", "absent"),
    [
        ({"found": [ROW]}, (), NOBODY, False),
        ({"found": [], "foundBefore": [ROW]}, (), NOBODY, False),
        ({"found": [ROW | {"created": None}]}, (), NOBODY, False),
        ({"found": [ROW]}, (MINE,), NOBODY, True),  # what it is by now was judged
        ({"found": [ROW | {"created": "2024-03-02T03:00:00Z"}]}, (), NOBODY, True),  # too old
        ({"found": [ROW]}, (), known_of(*started(OTHER)), True),  # another's
        ({"found": []}, (), NOBODY, True),
        ({"answer": "HTTP 502"}, (), NOBODY, True),
        ({"found": ["x", {}]}, (), NOBODY, True),
        ("timed out", (), NOBODY, True),
        (None, (), NOBODY, True),
    ],
)
def test_what_may_have_been_the_runs_is_not_absent_once_it_is_listed_no_more(
    evidence: object, listed: tuple[Instance, ...], known: Known, absent: bool
) -> None:
    verdict = judge_vanished(SUSPECT, evidence, listed, known)
    assert isinstance(verdict, NoneFound if absent else Ambiguous)
    seen_at = after(NOW, SECOND)
    seen = frozenset({events.Seen(id=MINE.id, created=seen_at)})
    stood = replace(SUSPECT, before=seen, gap=SECOND)
    stamped = "'created': None" not in str(evidence)
    verdict = judge_vanished(stood, evidence, listed, known)
    assert isinstance(verdict, NoneFound if stamped else Ambiguous)


@pytest.mark.parametrize(
    ("rival", "taken"),
    [
        (replace(SUSPECT, run=OTHER.id, claim=C0), False),
        (replace(SUSPECT, run=OTHER.id, claim=C0, parameters=(*PARAMETERS, ("K", "x"))), False),
        (replace(SUSPECT, run=OTHER.id, claim=C0, parameters=(("REPLACE", "hers"),)), True),
        (replace(SUSPECT, run=OTHER.id, claim=C0, parameters=None, digest=OTHER.digest), False),
        (replace(SUSPECT, run=OTHER.id, claim=C0, claimed_at=after(NOW, 2 * SLACK)), True),
    ],
    ids=["the same", "the same and more", "another value", "only its digest", "claimed later"],
)
def test_what_another_run_in_doubt_may_have_made_is_not_taken_by_agreement(
    rival: Suspect, taken: bool
) -> None:
    verdict = judge(SUSPECT, [MINE], NOBODY, NOBODY.making(SUSPECT.zone), [rival])
    assert isinstance(verdict, Found if taken else Ambiguous)


def test_what_may_hide_a_run_counts_also_where_nobody_knows_when_it_was_claimed() -> None:
    """As of a claim that lapsed because the clock was set back."""
    later = a_run("later", flow_id=RUN.flow_id, trigger_time=after(TIME, 2 * MINUTE))
    known = known_of(*started(later, "20240302", at=after(CLAIMED_AT, SECOND)))
    for suspect in (SUSPECT, replace(SUSPECT, claimed_at=None)):
        assert isinstance(judged(suspect=suspect, known=known), Ambiguous)


def test_ids_of_which_none_is_known_may_stand_for_a_day() -> None:
    """A run in doubt may have been started later, and the service may list one of a day's id."""
    mine = a_run(trigger_time=TIME)
    other = a_run("other", trigger_time=after(TIME, 5 * HOUR), parameters=())
    claims = [a_claim(mine, claim=C1, at=CLAIMED_AT), a_claim(other, claim=C0, at=CLAIMED_AT)]
    known = Known([a_ledger(*claims, an_unknown(mine, C1), an_unknown(other, C0))])
    making = known.making(SUSPECT.zone)
    assert not making.seen
    verdict = judge(SUSPECT, [], known, making)
    assert isinstance(verdict, Ambiguous)
    assert verdict.awaits == known.runs_in_doubt(RUN.flow_id, other.trigger_time)[0]
    assert judge(SUSPECT, [], known, making, unlisted={other.id}) == NoneFound()
