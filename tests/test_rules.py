"""The rules that need more than one manifest: changed, duplicate and colliding runs."""

import pytest

from reconciler.identity import Surroundings
from reconciler.ledger import Event, Ledger
from reconciler.model import Run
from reconciler.rules import Findings, check
from reconciler.rules.duplicates import duplicates
from tests.building import (
    EIGHT,
    a_claim,
    a_digest,
    a_ledger,
    a_rejected,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_unknown,
    calls,
    declared,
    runs_apart,
)
from tests.sampling import sampled

EMPTY = a_ledger()
OTHER = (("REPLACE", "other"),)
MINUTE = 60_000


def findings(*runs: Run, ledger: Ledger = EMPTY, same_minute_allowed: bool = False) -> Findings:
    return check(declared(*runs), ledger, same_minute_allowed=same_minute_allowed)


def codes(found: Findings) -> list[tuple[str, str]]:
    """File and code of each problem."""
    return [(problem.place.file, problem.code) for problem in found.problems]


def started(*runs: Run) -> Ledger:
    return a_ledger(a_claim(*runs), *(a_triggered(run, f"i-{run.id}") for run in runs))


def test_runs_that_differ_break_no_rule() -> None:
    assert findings(*runs_apart(3)).problems == ()


# Changed


@pytest.mark.parametrize("outcome", [[], [an_unknown(a_run())], [a_triggered(a_run())]])
def test_a_run_that_may_have_started_must_not_change(outcome: list[Event]) -> None:
    ledger = a_ledger(a_claim(a_run()), *outcome)
    found = findings(a_run(parameters=OTHER), ledger=ledger)
    assert codes(found) == [("triggers/wind.yaml", "changed")]
    assert found.changed == {"wind"}
    assert "`revision: 2`" in found.problems[0].message


@pytest.mark.parametrize(("name", "words"), [("wind", "run it"), ("wind/1", "run all of wind")])
def test_what_a_raised_revision_runs_again_is_said_for_a_backfill_too(
    name: str, words: str
) -> None:
    edited = a_run(name, parameters=OTHER)
    (problem,) = findings(edited, ledger=started(a_run(name))).problems
    assert f"or write `revision: 2` to {words} again as it is now" in problem.message


@pytest.mark.parametrize(
    ("shifts", "is_named"),
    [
        ({"east": 60, "west": 60}, True),
        ({"east": -45, "west": -45}, True),
        ({"east": 60}, False),  # one manifest may well have been edited
        ({"east": 60, "west": 120}, False),
        ({"east": 7, "west": 7}, False),  # no two zones are so far apart
        ({"east": 27 * 60, "west": 27 * 60}, False),
    ],
)
def test_where_all_times_have_moved_alike_the_zone_is_named_as_what_may_be_put_back(
    shifts: dict[str, int], is_named: bool
) -> None:
    flows = {name: flow for flow, name in enumerate(shifts)}
    before = [a_run(name, flow_id=flow) for name, flow in flows.items()]
    now = [
        a_run(name, flow_id=flow, trigger_time=after(EIGHT, shifts[name] * MINUTE))
        for name, flow in flows.items()
    ]
    problems = findings(*now, ledger=started(*before)).problems
    assert len(problems) == len(shifts)
    for problem in problems:
        assert ("restore what it was (`gateway.timezone`, if" in problem.message) is is_named


def test_where_the_parameters_differ_as_well_no_zone_is_named() -> None:
    flows = {"east": 1, "west": 2}
    before = [a_run(name, flow_id=flow) for name, flow in flows.items()]
    later = after(EIGHT, 60 * MINUTE)
    now = [
        a_run(name, flow_id=flow, trigger_time=later, parameters=OTHER)
        for name, flow in flows.items()
    ]
    problems = findings(*now, ledger=started(*before)).problems
    assert not any("gateway.timezone" in problem.message for problem in problems)


@pytest.mark.parametrize("outcome", [an_absent, a_rejected, a_resolved])
def test_a_run_that_was_certainly_not_started_may_be_edited(outcome: type) -> None:
    ledger = a_ledger(a_claim(a_run()), outcome(a_run()))
    assert findings(a_run(parameters=OTHER), ledger=ledger).problems == ()


def test_labels_and_a_move_to_another_file_change_nothing() -> None:
    moved = a_run(labels={"team": "wind"}, file=a_run("elsewhere").file, description="new")
    assert findings(moved, ledger=started(a_run())).problems == ()


def test_a_raised_revision_may_carry_something_else_or_the_same() -> None:
    for parameters in (OTHER, a_run().parameters):
        again = a_run(revision=2, parameters=parameters)
        assert findings(again, ledger=started(a_run())).problems == ()


# Duplicates


def test_two_runs_of_one_digest_are_both_told_of_the_other() -> None:
    found = findings(a_run("one"), a_run("two"))
    assert codes(found) == [
        ("triggers/one.yaml", "duplicate"),
        ("triggers/two.yaml", "duplicate"),
    ]
    assert "triggers/two.yaml:2:3" in found.problems[0].message
    assert "`duplicateOf: one`" in found.problems[1].message
    assert found.duplicates == {"one", "two"}


def test_a_copy_of_a_started_run_is_a_duplicate_at_both_places() -> None:
    found = findings(a_run("one"), a_run("two"), ledger=started(a_run("one")))
    assert found.duplicates == {"one", "two"}


def test_a_renamed_run_must_not_start_again() -> None:
    found = findings(a_run("new"), ledger=started(a_run("old")))
    assert codes(found) == [("triggers/new.yaml", "duplicate")]
    assert "old, which is recorded" in found.problems[0].message


def test_a_renamed_run_is_a_duplicate_also_where_the_old_name_lives_on_with_something_else() -> (
    None
):
    reused = a_run("old", revision=2, parameters=OTHER, trigger_time=after(EIGHT, MINUTE))
    found = findings(reused, a_run("new"), ledger=started(a_run("old")))
    assert codes(found) == [("triggers/new.yaml", "duplicate")]


def test_a_renamed_duplicate_must_not_start_again_either() -> None:
    first, second = a_run("first"), a_run("second", duplicate_of="first")
    renamed = a_run("third", duplicate_of="first")
    found = findings(first, renamed, ledger=started(first, second))
    assert codes(found) == [("triggers/third.yaml", "duplicate")]
    assert "`duplicateOf: second`" in found.problems[0].message


def test_a_renamed_run_whose_old_name_is_recorded_in_a_later_revision_only_can_be_excused() -> None:
    ledger = started(a_run("old", revision=2))
    message = findings(a_run("new"), ledger=ledger).problems[0].message
    assert "`duplicateOf: old`" in message
    assert findings(a_run("new", duplicate_of="old"), ledger=ledger).problems == ()


@pytest.mark.parametrize("outcome", [an_absent, a_rejected])
def test_a_run_that_was_never_started_may_be_renamed(outcome: type) -> None:
    old = a_run("old")
    ledger = a_ledger(a_claim(old), outcome(old))
    assert findings(a_run("new"), ledger=ledger).problems == ()


def test_a_run_in_doubt_must_not_be_renamed() -> None:
    ledger = a_ledger(a_claim(a_run("old")))
    assert findings(a_run("new"), ledger=ledger).duplicates == {"new"}


def test_a_declared_duplicate_is_none_and_neither_is_its_original() -> None:
    pair = a_run("first"), a_run("second", duplicate_of="first")
    assert findings(*pair).problems == ()
    assert findings(*pair, ledger=started(pair[0])).problems == ()
    assert findings(*pair, ledger=started(*pair)).problems == ()


def test_a_declared_duplicate_and_its_original_may_both_be_raised() -> None:
    pair = a_run("first"), a_run("second", duplicate_of="first")
    raised = a_run("first", revision=2), a_run("second", revision=2, duplicate_of="first")
    assert findings(*raised, ledger=started(*pair)).problems == ()


def test_two_originals_beside_a_declared_duplicate_are_still_duplicates() -> None:
    found = findings(a_run("one"), a_run("two"), a_run("three", duplicate_of="one"))
    assert found.duplicates == {"one", "two"}


def test_two_started_runs_that_have_become_the_same_are_left_in_peace() -> None:
    assert findings(a_run("one"), a_run("two"), ledger=started(a_run("one"), a_run("two"))) == (
        Findings(problems=(), changed=frozenset(), duplicates=frozenset(), colliding=frozenset())
    )


def test_a_new_copy_of_two_started_runs_is_a_duplicate_of_both() -> None:
    ledger = started(a_run("one"), a_run("two"))
    found = findings(a_run("one"), a_run("two"), a_run("three"), ledger=ledger)
    assert found.duplicates == {"one", "two", "three"}
    assert [problem.place.file for problem in found.problems] == [
        "triggers/one.yaml",
        "triggers/three.yaml",
        "triggers/two.yaml",
    ]
    assert "three" in found.problems[0].message


def test_a_renamed_duplicate_whose_original_is_removed_must_not_start_again() -> None:
    ledger = started(a_run("x"), a_run("z", duplicate_of="x"))
    for of in (None, "x", "z"):
        found = findings(a_run("z2", duplicate_of=of), ledger=ledger)
        assert codes(found) == [("triggers/z2.yaml", "duplicate")]
        assert "z2 repeats runs of x, z" in found.problems[0].message
    declared_again = a_run("x"), a_run("z2", duplicate_of="z")
    assert findings(*declared_again, ledger=ledger).problems == ()


# The same in other environments and in ledgers of others


def around(
    *others: Run, ledger: Ledger = EMPTY, own: tuple[Run, ...], recorded: Ledger = EMPTY
) -> Findings:
    """What is found in an environment, beside another one and what some ledger records."""
    surroundings = Surroundings(declared={"b": others}, elsewhere={"state/b": recorded})
    return check(declared(*own), ledger, same_minute_allowed=False, surroundings=surroundings)


def test_a_duplicate_that_moves_to_another_environment_must_not_start_again_there() -> None:
    x, z = a_run("x"), a_run("z", duplicate_of="x")
    for others in ((), (x,)):  # x is declared where it was, or nowhere any more
        found = around(*others, own=(z,), recorded=started(x, z))
        assert codes(found) == [("triggers/z.yaml", "duplicate")]
        assert "z, which is recorded in state/b" in found.problems[0].message


def test_a_duplicate_that_moves_and_is_renamed_must_not_start_again() -> None:
    x, z = a_run("x"), a_run("z", duplicate_of="x")
    moved = a_run("z2", duplicate_of="x")
    for others in ((), (x,)):
        found = around(*others, own=(moved,), recorded=started(x, z))
        assert codes(found) == [("triggers/z2.yaml", "duplicate")]
    meant = a_run("z2", duplicate_of="z")
    assert around(x, own=(meant,), recorded=started(x, z)).problems == ()
    assert around(x, z, own=(moved,), recorded=started(x, z)).problems == ()


@pytest.mark.parametrize("recorded", [[], ["z"], ["x", "z"]])
def test_an_original_is_none_because_another_environment_has_a_duplicate_of_it(
    recorded: list[str],
) -> None:
    x, z = a_run("x"), a_run("z", duplicate_of="x")
    ledger = started(x) if "x" in recorded else EMPTY
    theirs = started(z) if "z" in recorded else EMPTY
    assert around(z, own=(x,), ledger=ledger, recorded=theirs).problems == ()
    assert around(x, own=(z,), ledger=theirs, recorded=ledger).problems == ()


def test_two_duplicates_of_one_that_another_environment_declares_stand_side_by_side() -> None:
    copies = a_run("one", duplicate_of="x"), a_run("two", duplicate_of="x")
    assert around(a_run("x"), own=copies).problems == ()


def test_an_original_beside_an_original_of_another_environment_is_a_duplicate() -> None:
    others = a_run("z", duplicate_of="y"), a_run("y")
    found = around(*others, own=(a_run("x"),))
    assert codes(found) == [("triggers/x.yaml", "duplicate")]
    assert "y, which is declared in environment b" in found.problems[0].message


def test_a_circle_of_duplicates_across_environments_is_refused_at_both() -> None:
    first, second = a_run("first", duplicate_of="second"), a_run("second", duplicate_of="first")
    for own, other in ((first, second), (second, first)):
        found = around(other, own=(own,))
        assert found.duplicates == {own.id}
        assert "each would wait for the other" in found.problems[0].message
    assert around(second, own=(first,), recorded=started(second)).problems == ()


def test_a_run_of_the_same_name_in_two_environments_is_told_to_take_another_name() -> None:
    x = a_run("x")
    for of in (None, "y"):
        own = a_run("x", duplicate_of=of)
        (problem,) = around(x, a_run("y", duplicate_of="x"), own=(own,)).problems
        assert "give it another name and write `duplicateOf: x`" in problem.message
    assert around(x, own=(a_run("x2", duplicate_of="x"),)).problems == ()


@pytest.mark.parametrize("of", ["nobody", "wind"])
def test_a_duplicate_of_nobody_or_of_itself_is_pointed_at(of: str) -> None:
    found = findings(a_run("wind", duplicate_of=of))
    assert codes(found) == [("triggers/wind.yaml", "reference")]
    assert found.problems[0].pointer == "/spec/duplicateOf"
    assert str(found.problems[0].place) == "triggers/wind.yaml:5:3"


# Collisions


@pytest.mark.parametrize(
    ("milliseconds", "collide"),
    [(0, True), (1, True), (MINUTE - 1, True), (MINUTE, False), (-1, False)],
)
def test_two_runs_of_a_flow_collide_within_one_minute(milliseconds: int, collide: bool) -> None:
    other = a_run("other", trigger_time=after(EIGHT, milliseconds), parameters=OTHER)
    found = findings(a_run(), other)
    assert found.colliding == ({"wind", "other"} if collide else set())
    assert [code for _, code in codes(found)] == ["collision"] * (2 if collide else 0)


def test_a_collision_names_the_other_run_and_its_place() -> None:
    found = findings(a_run(), a_run("other", parameters=OTHER))
    assert [str(problem.place) for problem in found.problems] == [
        "triggers/other.yaml:4:3",
        "triggers/wind.yaml:4:3",
    ]
    assert "wind (triggers/wind.yaml:4:3)" in found.problems[0].message
    assert "2024-03-02T00:00Z" in found.problems[0].message


def test_runs_of_two_flows_do_not_collide() -> None:
    assert findings(a_run(), a_run("other", flow_id=1)).problems == ()


def test_a_gateway_that_copes_with_one_minute_lets_runs_collide() -> None:
    other = a_run("other", parameters=OTHER)
    assert findings(a_run(), other, same_minute_allowed=True).problems == ()


def test_only_declared_runs_collide() -> None:
    again = a_run(revision=2, parameters=OTHER)
    assert findings(again, ledger=started(a_run())).problems == ()


def test_a_declared_duplicate_collides_with_a_third_run_of_its_minute() -> None:
    found = findings(
        a_run("first"), a_run("second", duplicate_of="first"), a_run("third", parameters=OTHER)
    )
    assert found.colliding == {"first", "second", "third"}
    assert len(found.problems) == 3


# All together


def test_problems_come_sorted_and_each_once() -> None:
    runs = [a_run(name, digest=a_digest("d")) for name in "zyxabc"]
    found = findings(*runs, a_run("m", digest=a_digest("e")))
    assert list(found.problems) == sorted(found.problems)
    assert len(set(found.problems)) == len(found.problems) == 6 + 7


@pytest.mark.long  # twenty thousand runs
@pytest.mark.parametrize(
    "original", sampled([None, "one"], every=2), ids=["copies", "declared duplicates"]
)
def test_very_many_runs_of_one_digest_are_judged_all_the_same(original: str | None) -> None:
    runs = [a_run(f"run-{number}", duplicate_of=original) for number in range(20_000)]
    if original:
        runs.insert(0, a_run(original, parameters=OTHER))
    # Comparing each with each would take minutes, and the test's own limit would end it.
    assert len(findings(*runs).problems) >= 20_000
    renamed = [a_run(f"new-{run.name}", digest=run.digest) for run in runs]
    assert len(findings(*renamed, ledger=started(*runs)).duplicates) == len(runs)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "declared"])
def test_what_other_environments_hold_costs_nothing_unless_it_is_the_same(
    *, recorded: bool
) -> None:
    """Or as many environments, each with as many runs, would cost their square."""

    def cost(number: int) -> int:
        others = [a_run(f"other-{one}", parameters=(("N", str(one)),)) for one in range(number)]
        events = (
            one
            for run in others
            for one in (a_claim(run, claim=run.name), a_triggered(run, claim=run.name))
        )
        around = Surroundings(declared={"other": others})
        if recorded:
            around = Surroundings(elsewhere={"state/other": a_ledger(*events)})
            assert around.elsewhere["state/other"].started  # made once, whoever asks
        empty = a_ledger()
        found: list[object] = []
        made = calls(lambda: found.extend(duplicates([a_run()], empty, around)))
        assert found == []
        return made

    assert cost(1_000) < 2 * cost(10)


# Hints: what a message says to write is not refused in its turn


def test_a_backfill_whose_runs_are_called_otherwise_may_be_a_duplicate_of_itself() -> None:
    ledger = started(a_run("b/2024-03-01/SITE=a"))
    otherwise = a_run("b/2024-03-01/PLACE=a")
    (problem,) = findings(otherwise, ledger=ledger).problems
    assert "write `duplicateOf: b`" in problem.message
    followed = otherwise.but(duplicate_of="b")
    assert findings(followed, ledger=ledger).problems == ()
    both = a_ledger(*(a_claim(run) for run in (a_run("b/2024-03-01/SITE=a"), followed)))
    assert findings(followed, ledger=both).problems == ()


def test_a_run_that_has_become_a_backfill_may_be_a_duplicate_of_itself() -> None:
    for before, now in (("b", "b/2024-03-01"), ("b/2024-03-01", "b")):
        ledger = started(a_run(before))
        (problem,) = findings(a_run(now), ledger=ledger).problems
        assert "write `duplicateOf: b`" in problem.message
        assert findings(a_run(now, duplicate_of="b"), ledger=ledger).problems == ()


def test_a_backfill_that_repeats_runs_of_two_is_not_told_to_name_one() -> None:
    other = {"trigger_time": EIGHT + 60 * MINUTE}
    ledger = started(a_run("one"), a_run("two", **other))
    for problem in findings(a_run("b/1"), a_run("b/2", **other), ledger=ledger).problems:
        assert "b repeats runs of one, two" in problem.message
        assert "duplicateOf" not in problem.message


def test_a_run_that_is_recorded_here_and_elsewhere_is_not_told_to_name_one_of_the_two() -> None:
    around = Surroundings(elsewhere={"state/other": started(a_run("theirs"))})
    found = check(
        declared(a_run("new")),
        started(a_run("ours")),
        same_minute_allowed=False,
        surroundings=around,
    )
    assert len(found.problems) == 2
    assert not any("write `duplicateOf" in problem.message for problem in found.problems)


@pytest.mark.parametrize("of", [None, "one"])
def test_a_hint_to_name_the_original_is_not_refused(of: str | None) -> None:
    copies = [a_run("two", duplicate_of=of), a_run("three")]
    ledger = started(a_run("one"))
    found = findings(*copies, ledger=ledger)
    assert all("write `duplicateOf: one`" in problem.message for problem in found.problems)
    followed = [run.but(duplicate_of="one") for run in copies]
    assert findings(*followed, ledger=ledger).problems == ()


def test_the_revision_that_a_changed_run_is_told_to_have_is_free() -> None:
    third = a_run(revision=3, parameters=(("REPLACE", "third"),))
    ledger = a_ledger(a_claim(a_run()), a_claim(third))
    (problem,) = findings(a_run(parameters=OTHER), ledger=ledger).problems
    assert "`revision: 4`" in problem.message
    assert findings(a_run(revision=4, parameters=OTHER), ledger=ledger).problems == ()


def test_a_stagger_is_advised_only_where_it_fits() -> None:
    def backfill(every: int, count: int) -> list[Run]:
        return [
            a_run(
                f"b/{slot}/A={value}",
                trigger_time=EIGHT + slot * every * MINUTE,
                parameters=(("A", str(value)),),
            )
            for slot in range(3)
            for value in range(count)
        ]

    roomy, tight = findings(*backfill(2, 2)).problems, findings(*backfill(1, 2)).problems
    assert all("only: write `stagger: 1m`" in problem.message for problem in roomy)
    assert all("only: write a longer `every`" in problem.message for problem in tight)
    assert len(roomy) == len(tight) == 6
