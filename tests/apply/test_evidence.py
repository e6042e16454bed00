"""What a search says of a run in doubt: found, certainly not there, or nobody can tell."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.evidence import (
    Ambiguous,
    Found,
    NoneFound,
    Suspect,
    evidence_of,
    judge,
    search_window,
)
from reconciler.apply.ports import Instance
from reconciler.model import EpochMs, InstanceId
from tests.building import EIGHT, NOW, PARAMETERS, a_run, after, an_instance

TIME = after(EIGHT, 7_250)  # 08:00:07.250
CLAIMED_AT = after(NOW, 400)
RUN = a_run(trigger_time=TIME)
SUSPECT = Suspect(
    flow_id=RUN.flow_id, trigger_time=TIME, parameters=PARAMETERS, claimed_at=CLAIMED_AT
)
SIGNED = replace(SUSPECT, authorship=("RECONCILER_RUN", "wind c1"))
MINE = an_instance(RUN)
SIGNED_MINE = replace(MINE, parameters=(*PARAMETERS, ("RECONCILER_RUN", "wind c1")))
OTHER = (("REPLACE", "other"),)


def judged(
    *found: Instance, suspect: Suspect = SUSPECT, taken: tuple[str, ...] = ()
) -> Found | NoneFound | Ambiguous:
    return judge(suspect, found, frozenset(map(InstanceId, taken)))


def test_an_instance_with_everything_that_the_run_has_is_its_own() -> None:
    assert judged(MINE) == Found(instance=InstanceId("3377-1"))


def test_an_empty_search_finds_none() -> None:
    assert judged() == NoneFound()


@pytest.mark.parametrize(
    "shown",
    [TIME, after(EIGHT, 7_000), EIGHT],
    ids=["as sent", "cut to the second", "cut to the minute"],
)
def test_the_service_may_cut_the_trigger_time(shown: EpochMs) -> None:
    assert judged(replace(MINE, trigger_time=shown)) == Found(instance=MINE.id)


@pytest.mark.parametrize("shown", [after(EIGHT, 8_000), after(EIGHT, 1_000), after(EIGHT, 60_000)])
def test_an_instance_of_another_trigger_time_is_not_the_runs(shown: EpochMs) -> None:
    assert judged(replace(MINE, trigger_time=shown)) == NoneFound()


def test_an_instance_of_another_flow_is_not_the_runs() -> None:
    assert judged(replace(MINE, flow_id=1)) == NoneFound()


@pytest.mark.parametrize(
    ("created", "its"),
    [(NOW, True), (after(NOW, 1000), True), (after(NOW, -1), False), (after(NOW, -1000), False)],
)
def test_an_instance_is_the_runs_only_if_created_no_earlier_than_the_second_of_its_claim(
    created: EpochMs, its: bool
) -> None:
    assert NOW % 1000 == 0
    assert judged(replace(MINE, created=created, created_latest=created)) == (
        Found(instance=MINE.id) if its else NoneFound()
    )


def test_the_order_of_parameters_may_be_lost_but_none_of_them() -> None:
    pair = (("A", "1"), ("B", "2"))
    suspect = replace(SUSPECT, parameters=pair)
    assert isinstance(judged(replace(MINE, parameters=pair[::-1]), suspect=suspect), Found)
    for others in (pair[:1], (*pair, pair[0]), (("A", "2"), ("B", "1"))):
        found = judged(replace(MINE, parameters=others), suspect=suspect)
        assert isinstance(found, Ambiguous)


def test_an_instance_that_is_too_old_only_by_one_reading_of_its_stamp_is_ambiguous() -> None:
    # The reference names no zone for the stamps: by another reading it may be the run's.
    both = replace(MINE, created=after(NOW, -8 * 3_600_000), created_latest=NOW)
    assert isinstance(judged(both), Ambiguous)
    assert judged(replace(both, created_latest=after(NOW, -1))) == NoneFound()


@pytest.mark.parametrize("field", ["flow_id", "trigger_time", "created", "parameters"])
@pytest.mark.parametrize("parameters", [PARAMETERS, ()])
def test_an_instance_that_is_not_wholly_readable_is_neither_taken_nor_ruled_out(
    field: str, parameters: tuple[tuple[str, str], ...]
) -> None:
    suspect = replace(SUSPECT, parameters=parameters)
    values: dict[str, Any] = {"parameters": parameters, field: None}
    dim = an_instance(RUN, **values)
    found = judged(dim, suspect=suspect)
    assert isinstance(found, Ambiguous)
    assert found.reason.endswith("cannot be recognised for certain: 3377-1")


def test_a_run_whose_manifest_is_gone_is_not_recognised_but_can_be_found_absent() -> None:
    gone = replace(SUSPECT, parameters=None)
    assert isinstance(judged(MINE, suspect=gone), Ambiguous)
    assert judged(suspect=gone) == NoneFound()


def test_instances_with_other_parameters_might_be_the_runs_until_another_run_has_them() -> None:
    stranger = replace(MINE, parameters=OTHER)
    assert isinstance(judged(stranger), Ambiguous)
    assert judged(stranger, taken=("3377-1",)) == NoneFound()


def test_several_instances_that_match_are_ambiguous() -> None:
    found = judged(MINE, replace(MINE, id=InstanceId("3377-2")))
    assert found == Ambiguous(reason="several instances match: 3377-1, 3377-2")


def test_one_that_matches_beside_one_that_may_is_ambiguous() -> None:
    found = judged(MINE, replace(MINE, id=InstanceId("3377-2"), parameters=None))
    assert isinstance(found, Ambiguous)
    assert "one instance matches and others may be this run's as well" in found.reason


def test_an_instance_that_looks_like_the_runs_and_is_recorded_for_another_is_ambiguous() -> None:
    # The service may give two instances of one flow and minute the same id.
    assert isinstance(judged(MINE, taken=("3377-1",)), Ambiguous)


def test_instances_of_others_do_not_hide_the_runs_own() -> None:
    theirs = replace(MINE, id=InstanceId("3377-2"), parameters=OTHER)
    assert judged(theirs, MINE, taken=("3377-2",)) == Found(instance=MINE.id)


# With a correlation parameter


def test_an_instance_that_names_the_claim_is_the_runs_whatever_else_cannot_be_read() -> None:
    dim = replace(SIGNED_MINE, created=None, created_latest=None, trigger_time=None, flow_id=None)
    assert judged(dim, suspect=SIGNED) == Found(instance=MINE.id)


@pytest.mark.parametrize("author", ["wind c0", "other c1", ""])
def test_an_instance_that_names_another_claim_is_not_the_runs(author: str) -> None:
    theirs = replace(MINE, parameters=(*PARAMETERS, ("RECONCILER_RUN", author)))
    assert judged(theirs, suspect=SIGNED) == NoneFound()
    theirs = replace(theirs, id=InstanceId("3377-2"))
    assert judged(theirs, SIGNED_MINE, suspect=SIGNED) == Found(instance=MINE.id)


def test_an_instance_that_names_no_claim_may_be_the_runs() -> None:
    # The claim may be older than the setting, or the service keeps declared parameters only.
    assert isinstance(judged(MINE, suspect=SIGNED), Ambiguous)
    assert isinstance(judged(replace(MINE, parameters=None), suspect=SIGNED), Ambiguous)


def test_a_run_whose_manifest_is_gone_is_recognised_by_its_claim() -> None:
    gone = replace(SIGNED, parameters=None)
    assert judged(SIGNED_MINE, suspect=gone) == Found(instance=MINE.id)


# Whatever the service lists

instances = st.builds(
    Instance,
    id=st.sampled_from(["1", "2", "3"]).map(InstanceId),
    flow_id=st.sampled_from([None, RUN.flow_id, RUN.flow_id, 1]),
    trigger_time=st.sampled_from([None, TIME, EIGHT, after(EIGHT, 60_000)]),
    created=st.sampled_from([None, NOW, after(NOW, 5_000), after(NOW, -1_000)]),
    created_latest=st.sampled_from([None, NOW, after(NOW, 5_000), after(NOW, -1_000)]),
    parameters=st.sampled_from([None, (), PARAMETERS, OTHER, SIGNED_MINE.parameters]),
    status=st.none(),
)
suspects = st.sampled_from([SUSPECT, SIGNED, replace(SUSPECT, parameters=())])
known = st.frozensets(st.sampled_from(["1", "2", "3"]).map(InstanceId))


@given(suspects, st.lists(instances, max_size=4), known)
def test_absence_is_claimed_only_if_each_instance_is_ruled_out_for_a_reason_of_its_own(
    suspect: Suspect, found: list[Instance], taken: frozenset[InstanceId]
) -> None:
    verdict = judge(suspect, found, taken)
    alone = [judge(suspect, [one], taken) for one in found]
    assert (verdict == NoneFound()) is all(one == NoneFound() for one in alone)


@given(suspects, st.lists(instances, max_size=4), known)
def test_an_instance_is_found_only_if_every_other_is_ruled_out(
    suspect: Suspect, found: list[Instance], taken: frozenset[InstanceId]
) -> None:
    verdict = judge(suspect, found, taken)
    if isinstance(verdict, Found):
        assert verdict.instance not in taken
        alone = [judge(suspect, [one], taken) for one in found]
        assert sorted(alone, key=repr) == sorted(
            [verdict, *[NoneFound()] * (len(found) - 1)], key=repr
        )


@given(suspects, st.lists(instances, max_size=4), known, st.data())
def test_the_order_of_the_list_decides_nothing(
    suspect: Suspect, found: list[Instance], taken: frozenset[InstanceId], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(found))
    one, other = judge(suspect, found, taken), judge(suspect, shuffled, taken)
    assert type(one) is type(other)
    assert isinstance(one, Ambiguous) or one == other


# What is asked and kept


@given(st.integers(0, 4_102_444_800_000).map(EpochMs))
def test_the_whole_minute_of_the_trigger_time_is_searched(instant: EpochMs) -> None:
    start, end = search_window(instant)
    assert start <= instant < end
    assert (start % 60_000, end - start) == (0, 60_000)


def test_the_evidence_says_what_was_asked_when_and_what_was_found() -> None:
    dim = replace(MINE, id=InstanceId("3377-2"), created=None)
    assert evidence_of(SUSPECT, [MINE, dim], after(NOW, 9_000)) == {
        "searchedAt": "2024-03-02T04:00:09.000Z",
        "flowId": 3377,
        "fromTriggerTime": EIGHT,
        "toTriggerTime": EIGHT + 60_000,
        "createdFrom": "2024-03-02T04:00:00.000Z",
        "found": [
            {"id": "3377-1", "created": "2024-03-02T04:00:00.000Z"},
            {"id": "3377-2", "created": None},
        ],
    }


def test_a_repeated_run_whose_instance_shares_the_id_of_the_first_is_never_taken_for_absent() -> (
    None
):
    # Ids are cut to the minute, so a revision can get the id that the first run has.
    for parameters in (None, PARAMETERS, (("REPLACE", "filled in"),)):
        suspect = replace(SUSPECT, parameters=(("REPLACE", "${cal_dt}"),))
        found = judged(replace(MINE, parameters=parameters), suspect=suspect, taken=(MINE.id,))
        assert isinstance(found, Ambiguous)
    unreadable = judged(replace(MINE, parameters=None), taken=(MINE.id,))
    assert isinstance(unreadable, Ambiguous)
