"""Which of the instances that have a run's id is the run's, and how it fares."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.apply.fitting import row_of
from reconciler.apply.instances import Fate, judge_listed, runs_alone
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import correlation_value
from reconciler.enos.statuses import FINAL, status_name
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, InstanceId, Nonce, Parameters, Run, RunId
from tests.apply.service import SERVICE, FakeService, a_look
from tests.building import (
    NOW,
    a_claim,
    a_ledger,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_adopted,
    an_instance,
    an_unknown,
)

SECOND, MINUTE = 1_000, 60_000
NAME = "RECONCILER_RUN"
RUN = a_run()
AGAIN = RUN.but(attempt=2)  # the same in everything, and under the same id here
TWIN = a_run("twin", parameters=(("REPLACE", "twin"),))
SUCCESS, RUNNING, FAIL = 1, 2, -1
STATUSES = tuple(range(-1, 11))


def start(run: Run, claim: str = "c1", at: int = 0, **more: Any) -> list[Event]:
    """Claimed so many milliseconds after NOW, and started within half a second, as `3377-1`."""
    made = a_claim(run, claim=claim, at=after(NOW, at), service=SERVICE, **more)
    text = a_claim(at=after(NOW, at + 500)).at
    return [made, a_triggered(run, "3377-1", claim, at=text)]


def row(at: int | None = 0, status: int | None = RUNNING, **more: Any) -> Instance:
    """What is listed under the id, created so many milliseconds after NOW."""
    stamp = None if at is None else after(NOW, at)
    return an_instance(RUN, status=status, created=stamp, created_latest=stamp, **more)


def stamped(at: int) -> dict[str, Any]:
    """Created so many milliseconds after NOW, as a change of a row."""
    return {"created": after(NOW, at), "created_latest": after(NOW, at)}


def told(ledger: Ledger, *listed: Instance, run: Run = RUN) -> Fate:
    record = ledger.records[run.id]
    look = a_look(FakeService(), ledger, RUN, TWIN)
    return judge_listed(record, record.starts[0], listed, look.known, look.suspect)


ALONE = a_ledger(*start(RUN))


def test_a_later_instance_under_an_adopted_id_is_not_the_one_that_was_adopted() -> None:
    """Where only the newest of an id is listed, its end would be recorded as the run's."""
    adopted = msgspec.structs.replace(an_adopted(RUN), evidence=row_of(row(-MINUTE)))
    ledger = a_ledger(adopted)
    assert told(ledger, row(-MINUTE, SUCCESS)).status == SUCCESS
    later = told(ledger, row(MINUTE, FAIL))
    assert (later.status, later.for_good) == (None, True)
    assert told(ledger, row(None, SUCCESS)).status == SUCCESS  # without a stamp nothing is known


# The only one


@pytest.mark.parametrize("status", STATUSES)
def test_the_one_row_that_is_listed_says_how_the_run_fares(status: int) -> None:
    assert told(ALONE, row(status=status)) == Fate(status=status, mine=row(status=status))


@pytest.mark.parametrize(
    "odd",
    [
        {"at": None},
        {"at": -4 * MINUTE},
        {"at": 6 * SECOND},
        {"flow_id": None},
        {"trigger_time": None},
        {"parameters": None},
        {"parameters": (*RUN.parameters, ("DEFAULT", "1"))},
        {"parameters": (("replace", "DDEE"),)},
    ],
    ids=repr,
)
def test_the_one_row_counts_however_the_service_shows_it(odd: dict[str, Any]) -> None:
    assert told(ALONE, row(**odd)).status == RUNNING


@pytest.mark.parametrize("shown", [(), (("SITE", "another"),)], ids=repr)
def test_an_end_that_shows_none_of_what_was_sent_may_be_anothers(
    shown: tuple[tuple[str, str], ...],
) -> None:
    """As where a person starts the flow in the same second, and only the newest is listed."""
    assert told(ALONE, row(parameters=shown)).status == RUNNING
    assert told(ALONE, row(status=FAIL, parameters=shown)) == Fate(
        reason="nothing that was sent is among the parameters of what has its id: 3377-1",
        for_good=True,
    )
    resolved = a_ledger(a_claim(RUN, service=SERVICE), an_unknown(RUN), a_resolved(RUN, "3377-1"))
    assert told(resolved, row(status=FAIL, parameters=shown)).status == FAIL


@pytest.mark.parametrize(
    ("shown", "end"),
    [
        ((("SITE", "another"),), None),
        (((NAME.lower(), "c1 w"), ("SITE", "another")), FAIL),
        ((), FAIL),
        (None, FAIL),
    ],
    ids=repr,
)
def test_of_a_run_without_parameters_the_correlation_parameter_is_what_was_sent(
    shown: Parameters | None, end: int | None
) -> None:
    bare = a_run(parameters=())
    ledger = a_ledger(*start(bare, correlation=NAME))
    record = ledger.records[bare.id]
    look = a_look(FakeService(), ledger, bare)
    only = row(status=FAIL, parameters=shown)
    assert judge_listed(record, record.starts[0], [only], look.known, look.suspect).status == end


def test_an_end_of_what_is_declared_no_more_is_told_by_its_digest() -> None:
    """A person's start may hide the run's, and be the only one that is listed under their id.

    No stamp tells the two apart, if the person's was made in the same second.
    """
    gone = a_run("gone", parameters=(("REPLACE", "gone"),))
    ledger = a_ledger(*start(gone))
    minute: dict[str, Any] = {"created_latest": after(NOW, MINUTE)}

    def row_of_gone(at: int, *, parameters: Parameters | None = gone.parameters) -> Instance:
        return row(at, SUCCESS, parameters=parameters)

    another = (("REPLACE", "by-somebody"),)
    assert told(ledger, row_of_gone(0), run=gone).status == SUCCESS
    assert told(ledger, replace(row_of_gone(0), **minute), run=gone).status == SUCCESS
    for shown in (another, ()):
        same_second = told(ledger, row_of_gone(0, parameters=shown), run=gone)
        assert (same_second.status, same_second.for_good) == (None, True)
        assert same_second.reason == (
            "it shows other parameters than the run was declared with, "
            "and no manifest says any more what that was: 3377-1"
        )
    # Where the service shows no parameters, only the stamp is left.
    hidden = (row_of_gone(at, parameters=None) for at in (0, 3 * SECOND))
    assert [told(ledger, one, run=gone).status for one in hidden] == [SUCCESS, None]
    cut = replace(row_of_gone(0, parameters=None), **minute)
    assert told(ledger, cut, run=gone).reason.startswith(
        "it shows other parameters than the run was declared with, nor when exactly"
    )
    spoken: list[Event] = [
        a_claim(gone, service=SERVICE),
        an_unknown(gone),
        a_resolved(gone, "3377-1"),
    ]
    named = replace(row_of_gone(0, parameters=another), **minute)
    assert told(a_ledger(*spoken), named, run=gone).status == SUCCESS  # a person knows what it is


@pytest.mark.parametrize(
    "later", [RUN.but(revision=2), RUN.but(name="renamed")], ids=["revision", "name"]
)
def test_any_run_of_the_same_digest_says_what_was_sent(later: Run) -> None:
    """Mostly a later revision, which is declared in its place."""
    ledger = a_ledger(*start(RUN))
    record = ledger.records[RUN.id]
    look = a_look(FakeService(), ledger, later)
    merged = row(status=SUCCESS, parameters=(*RUN.parameters, ("DEFAULT", "1")))
    assert judge_listed(record, record.starts[0], [merged], look.known, look.suspect).status == 1
    strangers = row(status=FAIL, parameters=(("SITE", "another"),))
    told_of_it = judge_listed(record, record.starts[0], [strangers], look.known, look.suspect)
    assert told_of_it.reason.startswith("nothing that was sent is among the parameters")


HOUR = 60 * MINUTE


def stamped_in_utc(at: int, unit: int = SECOND) -> dict[str, Any]:
    """Created so many milliseconds after NOW, by a service that says so in UTC, as it is read."""
    read_in_zone, meant = after(NOW, at - 8 * HOUR), after(NOW, at)
    return {
        "created": read_in_zone,
        "created_latest": after(meant, unit - 1),
        "created_times": (read_in_zone, meant),
        "created_unit": unit,
    }


def test_a_stamp_in_utc_tells_the_run_from_what_somebody_started_later() -> None:
    own = replace(row(status=FAIL), **stamped_in_utc(0))
    later = replace(row(status=FAIL), **stamped_in_utc(12 * SECOND))
    assert told(ALONE, own).status == FAIL
    assert told(ALONE, later).reason.startswith("what is listed under its id was not created when")


def test_a_stamp_in_utc_that_is_cut_may_be_the_runs() -> None:
    cut = replace(row(status=FAIL), **stamped_in_utc(-MINUTE // 2, MINUTE))
    assert told(ALONE, cut).status == FAIL


@pytest.mark.parametrize(
    "shown",
    [
        {"trigger_time": after(RUN.trigger_time, HOUR)},
        {"trigger_time": after(RUN.trigger_time, HOUR), "trigger_unit": HOUR},
        {"trigger_time": after(RUN.trigger_time, -61 * MINUTE)},
        {"trigger_time": after(RUN.trigger_time, 12_345)},
    ],
    ids=["of another hour", "cut to another hour", "of another minute", "of no such second"],
)
@pytest.mark.parametrize("status", [RUNNING, FAIL])
def test_a_row_of_another_trigger_time_tells_nothing(shown: dict[str, Any], status: int) -> None:
    """As where an id is a whole day's, and only the newest of an id is listed."""
    found = told(ALONE, row(0, status, **shown))
    assert found == Fate(
        reason="what is listed under its id has another trigger time: 3377-1",
        for_good=status == FAIL,
    )


@pytest.mark.parametrize(
    "shown",
    [
        {"trigger_time": after(RUN.trigger_time, -HOUR // 2), "trigger_unit": HOUR},
        {"trigger_time": after(RUN.trigger_time, -8 * HOUR), "trigger_unit": 24 * HOUR},
        {
            "trigger_time": after(RUN.trigger_time, -8 * HOUR),
            "trigger_times": (after(RUN.trigger_time, -8 * HOUR), RUN.trigger_time),
        },
    ],
    ids=["cut to the hour", "cut to the day", "in UTC"],
)
def test_a_row_whose_trigger_time_may_be_the_runs_counts(shown: dict[str, Any]) -> None:
    assert told(ALONE, row(**shown)).status == RUNNING


@pytest.mark.parametrize("shown", [0, 41_000, 41_234, 42_000, 30_000, 60_000])
def test_a_row_counts_with_its_trigger_time_cut_or_rounded_within_the_minute(shown: int) -> None:
    minute = EpochMs(RUN.trigger_time - RUN.trigger_time % MINUTE)
    sent = a_run(trigger_time=after(minute, 41_834 if shown == 42_000 else 41_234))
    found = row(trigger_time=after(minute, shown))
    assert told(a_ledger(*start(sent)), found, run=sent).status == RUNNING


@pytest.mark.parametrize("at", [-5 * MINUTE - 1, 6 * SECOND + 501], ids=["older", "newer"])
@pytest.mark.parametrize("status", [RUNNING, FAIL])
def test_a_row_that_was_not_created_when_the_run_was_started_tells_nothing(
    at: int, status: int
) -> None:
    """As where somebody else's instance has the id, and only the newest of an id is listed."""
    found = told(ALONE, row(at, status))
    assert found == Fate(
        reason="what is listed under its id was not created when the run was started: 3377-1",
        for_good=status == FAIL,
    )


def test_a_row_of_another_flow_or_another_id_tells_nothing() -> None:
    assert told(ALONE, row(flow_id=12)).status is None
    assert told(ALONE, replace(row(), id=InstanceId("3377-2"))).status is None
    assert told(ALONE).status is None


def test_a_row_with_other_values_than_were_sent_tells_nothing() -> None:
    found = told(ALONE, row(status=FAIL, parameters=(("REPLACE", "hers"),)))
    assert (found.status, found.mine, found.for_good) == (None, None, True)
    assert "another one than the run's" in found.reason


@pytest.mark.parametrize(
    ("stamps", "why"),
    [
        ({"created": None, "created_latest": None}, "nor when exactly it was created"),
        ({"created_latest": after(NOW, MINUTE - 1)}, "nor when exactly it was created"),
        (stamped(-7 * SECOND), "not created just when the run was started"),
        (stamped(3 * SECOND), "not created just when the run was started"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("parameters", [RUN.parameters, None])
def test_a_row_that_lacks_the_nonce_that_was_sent_is_the_runs_only_if_its_time_says_so(
    stamps: dict[str, Any], why: str, parameters: Parameters | None
) -> None:
    """The newest of an id alone may be listed, and another's hides the run's own."""
    ledger = a_ledger(*start(RUN, correlation=NAME))
    found = told(ledger, replace(row(parameters=parameters), **stamps))
    assert (found.status, found.mine) == (None, None)
    assert f"it shows no {NAME}" in found.reason
    assert why in found.reason
    assert told(ledger, row(parameters=parameters)).status == RUNNING


def test_a_persons_word_counts_more_than_the_age_of_an_instance() -> None:
    ledger = a_ledger(a_claim(RUN), an_unknown(RUN), a_resolved(RUN, "3377-1"))
    for at in (-60 * MINUTE, 60 * MINUTE):
        assert told(ledger, row(at, SUCCESS)).status == SUCCESS


@pytest.mark.parametrize("stamp", [NOW - NOW % MINUTE, None], ids=["minute", "unreadable"])
def test_a_row_with_the_stamp_of_one_that_stood_there_before_may_be_that_one(
    stamp: EpochMs | None,
) -> None:
    """A stamp to the minute, as here, is that of whatever was created in it."""
    seen = events.Seen(id=row().id, created=stamp)
    looked = a_claim(at=after(NOW, -2 * SECOND)).at
    found = replace(row(), created=stamp, created_latest=stamp and after(stamp, MINUTE - 1))
    assert told(a_ledger(*start(RUN)), found).status == RUNNING
    ledger = a_ledger(*start(RUN, before=(seen,), looked_at=looked))
    assert told(ledger, found) == Fate(
        reason="what has its id may be what stood there before its claim: 3377-1"
    )


# Somebody else's beside it


@pytest.mark.parametrize("hers", [FAIL, RUNNING])
def test_another_row_that_is_older_or_newer_than_the_run_is_left_out(hers: int) -> None:
    for at in (-6 * MINUTE, MINUTE):
        for listed in ((row(status=SUCCESS), row(at, hers)), (row(at, hers), row(status=SUCCESS))):
            assert told(ALONE, *listed) == Fate(status=SUCCESS, mine=row(status=SUCCESS))


def test_rows_of_one_time_are_told_apart_only_by_what_was_sent() -> None:
    mine, hers = row(status=SUCCESS), row(status=FAIL)
    found = told(ALONE, mine, hers)
    assert (found.status, found.for_good) == (None, True)
    assert told(ALONE, mine, row(status=RUNNING)).for_good is False
    hers = replace(hers, parameters=(("REPLACE", "hers"),))
    assert told(ALONE, mine, hers) == Fate(status=SUCCESS, mine=mine)


def test_rows_that_agree_in_their_status_tell_nothing_either() -> None:
    """The run's own may be the one that is not listed yet."""
    assert told(ALONE, row(), row(SECOND)).status is None
    found = told(ALONE, row(status=FAIL), row(SECOND, FAIL))
    assert (found.status, found.for_good) == (None, True)


def test_what_was_seen_before_the_claim_is_left_out() -> None:
    stamp = after(NOW, -29 * SECOND)
    before = (events.Seen(id=row().id, created=stamp),)
    looked = a_claim(at=after(NOW, -2 * SECOND)).at
    seen = a_ledger(*start(RUN, before=before, looked_at=looked))
    old = row(-29 * SECOND, FAIL)
    assert told(ALONE, old, row()).status is None
    assert told(seen, old, row()) == Fate(status=RUNNING, mine=row())
    assert told(seen, old).status is None
    too_close = a_claim(at=after(NOW, -500)).at  # in one second with the claim
    found = told(a_ledger(*start(RUN, before=before, looked_at=too_close)), old)
    assert found.reason.startswith("what has its id may be what stood there before its claim")


# The nonce


def signed(run: RunId, claim: str, at: int | None, status: int) -> Instance:
    pair = (NAME, correlation_value(run, Nonce(claim)))
    return row(at, status, parameters=(*RUN.parameters, pair))


def test_the_nonce_tells_the_runs_row_from_all_others() -> None:
    ledger = a_ledger(
        *start(RUN, "c1", correlation=NAME), *start(AGAIN, "c2", 1_000, correlation=NAME)
    )
    first, second = signed(RUN.id, "c1", None, FAIL), signed(AGAIN.id, "c2", None, SUCCESS)
    for listed in ((first, second), (second, first)):
        assert told(ledger, *listed) == Fate(status=FAIL, mine=first)
        assert told(ledger, *listed, run=AGAIN) == Fate(status=SUCCESS, mine=second)
    assert told(ledger, second).status is None
    assert told(ledger, first, run=AGAIN).status is None


def test_a_row_with_the_nonce_of_a_claim_that_is_not_known_to_have_started_is_not_the_runs() -> (
    None
):
    other = a_claim(TWIN, claim="c9", service=SERVICE, correlation=NAME)
    ledger = a_ledger(*start(RUN, correlation=NAME), other)
    assert told(ledger, signed(TWIN.id, "c9", 0, FAIL)).status is None
    mine, theirs = row(parameters=None), signed(TWIN.id, "c9", 0, FAIL)
    assert told(ledger, mine, theirs) == Fate(status=RUNNING, mine=mine)


def test_several_rows_with_the_nonce_tell_only_what_they_agree_in() -> None:
    ledger = a_ledger(*start(RUN, correlation=NAME))
    one, other = signed(RUN.id, "c1", 0, FAIL), signed(RUN.id, "c1", SECOND, SUCCESS)
    assert told(ledger, one, replace(other, status=FAIL)) == Fate(status=FAIL)
    found = told(ledger, one, other)
    assert (found.status, found.for_good) == (None, True)
    assert found.reason.startswith("several instances carry its nonce")


# Trigger times that may be those of a whole hour or day

HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("minutes", "others", "status"),
    [
        (24 * 60, [], RUNNING),  # no id is known to be given for longer than a day
        (60, [], None),  # one of a whole day would be that run's too
        (60, [(120, "3377-9")], RUNNING),  # another id on that day: ids are not given by the day
        (30, [(120, "3377-9")], None),  # an hour's would be that run's too
        (30, [(45, "3377-9")], RUNNING),
        (60, [(120, "3377-1")], None),
    ],
)
def test_at_a_whole_hour_a_run_in_doubt_counts_where_an_id_may_be_that_of_both(
    minutes: int, others: list[tuple[int, str]], status: int | None
) -> None:
    """`others` are starts that are known: so many minutes later, with that id."""
    doubtful = a_run("doubtful", trigger_time=after(RUN.trigger_time, minutes * MINUTE))
    recorded = [
        *start(RUN),
        a_claim(doubtful, claim="c2", service=SERVICE),
        an_unknown(doubtful, "c2"),
    ]
    for number, (later, id_) in enumerate(others):
        other = a_run(f"other-{number}", trigger_time=after(RUN.trigger_time, later * MINUTE))
        made = a_claim(other, claim=f"d{number}", service=SERVICE)
        recorded += [made, a_triggered(other, id_, f"d{number}", at=made.at)]
    shown = row(trigger_unit=HOUR if minutes < 60 else DAY)  # EIGHT is midnight in UTC
    assert told(a_ledger(*recorded), shown).status == status


def test_a_run_in_doubt_may_have_made_the_one_row_that_fits_though_others_fit_it_too() -> None:
    """The run's own may be hidden, and which of the rows the other has made, nobody knows."""
    doubtful = a_run("doubtful", parameters=RUN.parameters)
    ledger = a_ledger(
        *start(RUN), a_claim(doubtful, claim="c2", service=SERVICE), an_unknown(doubtful, "c2")
    )
    rows = row(parameters=None), row(MINUTE, parameters=None)
    assert told(a_ledger(*start(RUN)), *rows).status == RUNNING
    assert told(ledger, *rows).status is None


def test_a_row_that_shows_the_next_minute_may_be_that_of_a_run_in_doubt_there() -> None:
    """As where times are rounded, and ids are those of an hour."""
    late = a_run(trigger_time=after(RUN.trigger_time, 45 * SECOND))
    next_one = a_run("next", trigger_time=after(RUN.trigger_time, MINUTE))
    doubt: list[Event] = [
        a_claim(next_one, claim="c2", service=SERVICE),
        an_unknown(next_one, "c2"),
    ]
    shown = row(parameters=None, trigger_time=next_one.trigger_time)
    assert told(a_ledger(*start(late)), shown).status == RUNNING
    assert told(a_ledger(*start(late), *doubt), shown).status is None


def test_a_nonce_whose_rest_is_cut_may_be_any_runs_of_the_claim_whatever_their_minutes() -> None:
    other = a_run("wind-other", trigger_time=after(RUN.trigger_time, 10 * MINUTE))
    made = a_claim(RUN, other, service=SERVICE, correlation=NAME)
    ledger = a_ledger(made, a_triggered(RUN, "3377-1", "c1", at=start(RUN)[1].at))
    cut = (*RUN.parameters, (NAME, "c1 w"))
    theirs = row(parameters=cut, trigger_time=other.trigger_time)
    assert told(ledger, theirs).status is None
    assert told(ledger, row(parameters=cut)).status == RUNNING


# Attempts and twins that share an id

ATTEMPTS = a_ledger(*start(RUN), *start(AGAIN, "c2", 10 * MINUTE))


def test_of_two_attempts_each_has_its_own_row() -> None:
    first, second = row(status=FAIL), row(10 * MINUTE, RUNNING)
    for listed in ((first, second), (second, first)):
        assert told(ATTEMPTS, *listed) == Fate(status=FAIL, mine=first)
        assert told(ATTEMPTS, *listed, run=AGAIN) == Fate(status=RUNNING, mine=second)


def test_where_only_the_newest_row_is_listed_it_is_the_second_attempts() -> None:
    newest = row(10 * MINUTE, SUCCESS)
    assert told(ATTEMPTS, newest, run=AGAIN) == Fate(status=SUCCESS, mine=newest)
    assert told(ATTEMPTS, newest).status is None


def test_where_only_the_first_row_is_listed_it_is_not_the_second_attempts() -> None:
    """The second may not be listed yet."""
    first = row(status=FAIL)
    assert told(ATTEMPTS, first) == Fate(status=FAIL, mine=first)
    assert told(ATTEMPTS, first, run=AGAIN).status is None


def test_attempts_right_after_one_another_are_told_apart_by_what_stood_there() -> None:
    """Their rows would fit both, by their age."""
    stamp = after(NOW, SECOND)
    second = start(
        AGAIN,
        "c2",
        12 * SECOND,
        before=(events.Seen(id=row().id, created=stamp),),
        looked_at=a_claim(at=after(NOW, 10 * SECOND)).at,
    )
    ledger = a_ledger(*start(RUN, at=SECOND), *second)
    rows = row(SECOND, FAIL), row(12 * SECOND, RUNNING)
    assert told(ledger, *rows) == Fate(status=FAIL, mine=rows[0])
    assert told(ledger, *rows, run=AGAIN) == Fate(status=RUNNING, mine=rows[1])
    assert told(ledger, rows[1]).status is None
    assert told(ledger, rows[0], run=AGAIN).status is None
    strange = row(13 * SECOND, SUCCESS)  # what came after the second claim is not the first's
    assert told(ledger, *rows, strange) == Fate(status=FAIL, mine=rows[0])


def test_attempts_a_minute_apart_are_told_apart_by_what_only_the_first_can_have_made() -> None:
    """Where nobody looked before the second claim, and the first row would fit both."""
    ledger = a_ledger(*start(RUN), *start(AGAIN, "c2", MINUTE))
    rows = row(status=FAIL), row(MINUTE, RUNNING)
    assert told(ledger, *rows) == Fate(status=FAIL, mine=rows[0])
    assert told(ledger, *rows, run=AGAIN) == Fate(status=RUNNING, mine=rows[1])
    assert told(ledger, rows[0], run=AGAIN).status is None


def test_twins_of_one_moment_are_told_apart_by_what_was_sent() -> None:
    ledger = a_ledger(*start(RUN), *start(TWIN, "c2", 200))
    rows = row(status=FAIL), row(parameters=TWIN.parameters, status=SUCCESS)
    assert told(ledger, *rows).status == FAIL
    assert told(ledger, *rows, run=TWIN).status == SUCCESS


@pytest.mark.parametrize("shown", [(("REPLACE", "0"),), (("REPLACE", "000"),)], ids=repr)
def test_a_run_of_which_only_the_digest_is_known_may_have_made_what_shows_values_otherwise(
    shown: Parameters,
) -> None:
    """Of a revision that nobody declares any more: a service may list 000 as 0."""
    old = a_run("old", parameters=(("REPLACE", "000"),))
    new = a_run(parameters=(("REPLACE", "000"),))
    ledger = a_ledger(*start(old), *start(new, "c2", 200))
    look = a_look(FakeService(), ledger, new)
    record = ledger.records[new.id]
    only = row(parameters=shown, status=SUCCESS)
    assert judge_listed(record, record.starts[0], [only], look.known, look.suspect).status is None


def test_rows_that_fit_two_runs_alike_tell_nothing() -> None:
    ledger = a_ledger(*start(RUN), *start(TWIN, "c2", 200))
    rows = row(parameters=None, status=FAIL), row(parameters=None, status=SUCCESS)
    for run in (RUN, TWIN):
        found = told(ledger, *rows, run=run)
        assert (found.status, found.for_good) == (None, True)
        assert "two cannot be told apart" in found.reason
    assert told(ledger, rows[0]).status is None
    assert told(ledger, rows[0], run=TWIN).status is None


# Whatever is listed

listings = st.lists(
    st.builds(
        row,
        st.sampled_from([None, -6 * MINUTE, 0, 12 * SECOND, MINUTE, 10 * MINUTE]),
        st.sampled_from([FAIL, SUCCESS, RUNNING]),
        parameters=st.sampled_from([None, RUN.parameters, TWIN.parameters]),
    ),
    max_size=4,
)
LEDGERS = st.sampled_from([ALONE, ATTEMPTS, a_ledger(*start(RUN), *start(TWIN, "c2", 200))])


@given(LEDGERS, listings, st.data())
def test_the_order_of_the_rows_decides_nothing(
    ledger: Ledger, listed: list[Instance], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(listed))
    one, other = told(ledger, *listed), told(ledger, *shuffled)
    assert (one.status, one.for_good) == (other.status, other.for_good)


@given(LEDGERS, listings)
def test_a_status_is_one_that_is_listed_for_a_row_that_the_run_can_have_made(
    ledger: Ledger, listed: list[Instance]
) -> None:
    found = told(ledger, *listed)
    possible = [
        one
        for one in listed
        if one.created is None or after(NOW, -5 * MINUTE) <= one.created <= after(NOW, 15_500)
    ]
    assert found.status is None or found.status in {one.status for one in possible}
    if found.mine is not None:
        assert found.mine in possible
        assert found.status == found.mine.status
    if found.for_good:
        assert found.reason


@given(listings, st.sampled_from([ATTEMPTS, a_ledger(*start(RUN), *start(TWIN, "c2", 200))]))
def test_no_row_is_certainly_that_of_two_runs(listed: list[Instance], ledger: Ledger) -> None:
    first, second = (told(ledger, *listed, run=ledger_run) for ledger_run in runs_of(ledger))
    if first.mine is not None and second.mine is not None:
        assert first.mine != second.mine


def runs_of(ledger: Ledger) -> list[Run]:
    return [run for run in (RUN, AGAIN, TWIN) if run.id in ledger.records]


# Whom a cancellation hits


@pytest.mark.parametrize("status", [*STATUSES, None])
def test_a_cancellation_can_hit_whatever_else_has_the_id_and_has_not_ended(
    status: int | None,
) -> None:
    mine, other = row(), row(MINUTE, status)
    ended = status is not None and status_name(status) in FINAL
    assert runs_alone(mine, [mine, other]) is ended
    assert runs_alone(mine, [mine])
