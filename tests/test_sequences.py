"""`sequential` and `match`: which run waits for which, whatever is left out, renamed or ended."""

from collections.abc import Mapping
from datetime import UTC
from random import Random

import pytest

from reconciler.ledger import Event, Ledger
from reconciler.manifest import combine, read_file
from reconciler.model import Declared, Run, Source
from reconciler.plan import Action, Plan, Reason, make_plan
from reconciler.rules import check
from reconciler.schedule import schedule_runs
from tests.building import NOW, a_claim, a_ledger, a_triggered, an_observed, calls

HEAD = (
    "apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  flowId: {flow}\n"
)
MARCH = "  businessDates: {from: 2024-03-01, to: 2024-03-0%d, every: 1d}\n"


def backfill(name: str, *lines: str, flow: int = 1, days: int = 3) -> str:
    """A backfill's document, its first dates in March."""
    head = HEAD.format(kind="Backfill", name=name, flow=flow) + MARCH % days
    return head + "".join(f"  {line}\n" for line in lines)


def read(*documents: str) -> Declared:
    source = Source(path="t/all.yaml", content="---\n".join(documents).encode())
    declared = combine([read_file(source, UTC)])
    assert declared.problems == ()
    return declared


def a_plan(declared: Declared, *recorded: Event) -> Plan:
    return make_plan(
        declared,
        Ledger.of(recorded),
        NOW,
        environment="prod",
        commit=None,
        same_minute_allowed=True,
    )


def reasons(plan: Plan) -> Mapping[str, str]:
    return {one.id: one.reason for one in plan.runs}


def starts(plan: Plan) -> list[str]:
    return [one.id for one in plan.runs_of_action(Action.START)]


def ended(declared: Declared, **statuses: str) -> list[Event]:
    """What is recorded of the runs that end with these texts: with a status, or none yet."""
    found: list[Event] = []
    for end, status in statuses.items():
        (run,) = (one for one in declared.runs if _short(one) == end)
        claim = f"claim of {run.id}"
        found += [a_claim(run, claim=claim), a_triggered(run, f"i-{run.id}", claim)]
        found += [an_observed(run, status)] if status else []
    return found


def _short(run: Run) -> str:
    """`b_2024_03_01_x` for `b/2024-03-01/SITE=x`."""
    return run.name.replace("SITE=", "").replace("/", "_").replace("-", "_")


SITES = "matrix: {SITE: [x, y]}", "stagger: 1m"


def test_each_date_comes_after_the_one_before_it_of_its_own_combination() -> None:
    found = {run.name: run.after for run in read(backfill("b", "sequential: true", *SITES)).runs}
    assert found == {
        "b/2024-03-01/SITE=x": None,
        "b/2024-03-01/SITE=y": None,
        "b/2024-03-02/SITE=x": "b/2024-03-01/SITE=x",
        "b/2024-03-02/SITE=y": "b/2024-03-01/SITE=y",
        "b/2024-03-03/SITE=x": "b/2024-03-02/SITE=x",
        "b/2024-03-03/SITE=y": "b/2024-03-02/SITE=y",
    }


def test_with_the_newest_first_it_is_the_other_way() -> None:
    found = read(backfill("b", "sequential: true", "order: descending")).runs
    assert [run.after for run in found] == ["b/2024-03-02", "b/2024-03-03", None]
    assert all(run.after is None for run in read(backfill("b", "sequential: false")).runs)


def test_times_of_one_day_follow_each_other_as_well() -> None:
    times = (
        "  triggerTimes: {from: '2024-03-01T00:00:00Z', to: '2024-03-02T00:00:00Z', every: 12h}\n"
    )
    head = HEAD.format(kind="Backfill", name="b", flow=1)
    found = [run.after for run in read(head + times + "  sequential: true\n").runs]
    assert found == [None, "b/2024-03-01T00:00", "b/2024-03-01T12:00"]


def test_a_date_that_is_excluded_is_passed_over() -> None:
    left = "exclude: [{businessDate: 2024-03-02, SITE: x}]"
    found = read(backfill("b", "sequential: true", left, *SITES)).runs
    after = {run.name: run.after for run in found}
    assert after["b/2024-03-03/SITE=x"] == "b/2024-03-01/SITE=x"
    assert after["b/2024-03-03/SITE=y"] == "b/2024-03-02/SITE=y"


def test_a_date_starts_once_the_one_before_it_has_succeeded() -> None:
    declared = read(backfill("b", "sequential: true"))
    assert starts(a_plan(declared)) == ["b/2024-03-01"]
    running = a_plan(declared, *ended(declared, b_2024_03_01=""))
    assert starts(running) == []
    assert reasons(running)["b/2024-03-02"] == "waits for b/2024-03-01, which has not ended"
    assert reasons(running)["b/2024-03-03"] == "waits for b/2024-03-02, which was not started yet"
    assert {one.code for one in running.runs[1:]} == {Reason.WAITS_FOR}
    done = a_plan(declared, *ended(declared, b_2024_03_01="SUCCESS"))
    assert starts(done) == ["b/2024-03-02"]
    assert done.runs[2].waits_for == ("b/2024-03-02",)


BLOCKED = "blocked: b/2024-03-01 failed (FAIL), and each date waits for the one before it"


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        (
            (),
            "FAIL",
            "blocked: b/2024-03-01 failed (FAIL), and each date waits for the one before it",
        ),
        (("retry: {max: 1}",), "FAIL", "waits for b/2024-03-01, which is tried again"),
        (("suspend: true",), "FAIL", "suspended"),
        (("cancel: true",), "CANCEL", "cancelled before it was started"),
    ],
)
def test_a_date_that_failed_keeps_all_that_follow(
    more: tuple[str, ...], status: str, reason: str
) -> None:
    declared = read(backfill("b", "sequential: true", *more))
    plan = a_plan(declared, *ended(declared, b_2024_03_01=status))
    assert reasons(plan)["b/2024-03-02"] == reason
    if reason.startswith("blocked"):
        assert reasons(plan)["b/2024-03-03"] == reason  # the cause, however far away
        assert [one.blocked for one in plan.runs] == [False, True, True]


def test_excluding_the_date_that_failed_lets_the_others_go_on() -> None:
    declared = read(backfill("b", "sequential: true"))
    without = read(backfill("b", "sequential: true", "exclude: [{businessDate: 2024-03-01}]"))
    assert starts(a_plan(without, *ended(declared, b_2024_03_01="FAIL"))) == ["b/2024-03-02"]


def test_a_raised_revision_goes_through_the_dates_again_in_their_order() -> None:
    declared = read(backfill("b", "sequential: true"))
    again = read(backfill("b", "sequential: true", "revision: 2"))
    everything = ended(
        declared, b_2024_03_01="SUCCESS", b_2024_03_02="SUCCESS", b_2024_03_03="SUCCESS"
    )
    assert starts(a_plan(again, *everything)) == ["b/2024-03-01@2"]


def test_a_renamed_sequence_goes_on_after_what_ran_under_its_former_name() -> None:
    declared = read(backfill("old", "sequential: true"))
    renamed = read(backfill("new", "sequential: true", "formerly: old"))
    for status, expected in {"": [], "SUCCESS": ["new/2024-03-02"]}.items():
        assert starts(a_plan(renamed, *ended(declared, old_2024_03_01=status))) == expected


# dependsOn with match

IMPORT = backfill("import", *SITES, flow=2)


def report(*keys: str, lines: tuple[str, ...] = SITES, days: int = 3) -> str:
    match = f"dependsOn: [{{name: import, match: [{', '.join(keys)}]}}]"
    return backfill("report", match, *lines, days=days)


def test_a_run_waits_for_those_that_agree_with_it_and_no_others() -> None:
    declared = read(IMPORT, report("businessDate", "SITE"))
    plan = a_plan(declared, *ended(declared, import_2024_03_02_y="SUCCESS", import_2024_03_01_x=""))
    assert [one for one in starts(plan) if one.startswith("report")] == ["report/2024-03-02/SITE=y"]
    reason = "waits for import/2024-03-01/SITE=x, which has not ended"
    assert reasons(plan)["report/2024-03-01/SITE=x"] == reason
    waits = {str(one.id): one.waits_for for one in plan.runs}
    assert waits["report/2024-03-01/SITE=x"] == ("import/2024-03-01/SITE=x",)


def test_where_several_agree_all_of_them_must_have_succeeded() -> None:
    declared = read(IMPORT, report("businessDate", lines=()))
    half = ended(declared, import_2024_03_01_x="SUCCESS")
    reason = "waits for import/2024-03-01/SITE=y: 1 of 2 runs have succeeded"
    assert reasons(a_plan(declared, *half))["report/2024-03-01"] == reason
    both = [*half, *ended(declared, import_2024_03_01_y="SUCCESS")]
    assert "report/2024-03-01" in starts(a_plan(declared, *both))


def test_the_failure_of_one_blocks_those_that_agree_with_it_only() -> None:
    declared = read(IMPORT, report("SITE"))
    plan = a_plan(declared, *ended(declared, import_2024_03_02_y="FAIL"))
    blocked = {one.id for one in plan.runs if one.blocked}
    assert blocked == {f"report/2024-03-0{day}/SITE=y" for day in (1, 2, 3)}


def test_a_parameter_of_a_single_run_is_matched_as_a_value_of_the_matrix() -> None:
    head = HEAD.format(kind="Trigger", name="one", flow=3)
    one = head + "  businessDate: 2024-03-02\n  parameters: {SITE: y}\n"
    declared = read(IMPORT, one + "  dependsOn: [{name: import, match: [SITE, businessDate]}]\n")
    assert "one" not in starts(a_plan(declared))
    assert "one" in starts(a_plan(declared, *ended(declared, import_2024_03_02_y="SUCCESS")))


def test_a_date_that_the_import_no_longer_declares_counts_by_its_record() -> None:
    declared = read(IMPORT, report("businessDate", "SITE"))
    narrowed = read(backfill("import", *SITES, flow=2, days=2), report("businessDate", "SITE"))
    recorded = ended(declared, import_2024_03_03_x="SUCCESS", import_2024_03_03_y="")
    plan = a_plan(narrowed, *recorded)
    assert "report/2024-03-03/SITE=x" in starts(plan)
    waits = "waits for import/2024-03-03/SITE=y, which has not ended"
    assert reasons(plan)["report/2024-03-03/SITE=y"] == waits


@pytest.mark.parametrize(
    ("status", "is_waited_for"),
    [("", True), ("SUCCESS", False), ("FAIL", False)],
)
def test_what_agrees_and_was_taken_out_of_the_matrix_is_waited_for_while_it_is_under_way(
    status: str, is_waited_for: bool
) -> None:
    """The report of the date would read half an import; a failed one nobody could mend."""
    declared = read(IMPORT, report("businessDate", lines=("at: '12:00'",)))
    one_site = backfill("import", "matrix: {SITE: [x]}", "stagger: 1m", flow=2)
    narrowed = read(one_site, report("businessDate", lines=("at: '12:00'",)))
    recorded = ended(declared, import_2024_03_01_x="SUCCESS", import_2024_03_01_y=status)
    plan = a_plan(narrowed, *recorded)
    found = {str(one.id): one for one in plan.runs}["report/2024-03-01"]
    assert found.action is (Action.WAIT if is_waited_for else Action.START)
    words = "waits for import/2024-03-01/SITE=y: 1 of 2 runs have succeeded"
    assert (found.reason == words) is is_waited_for


def test_an_import_that_is_renamed_half_way_is_matched_under_both_names() -> None:
    before = read(IMPORT, report("businessDate", "SITE"))
    match = "dependsOn: [{name: new, match: [businessDate, SITE]}]"
    now = read(
        backfill("new", "formerly: import", *SITES, flow=2), backfill("report", match, *SITES)
    )
    plan = a_plan(now, *ended(before, import_2024_03_01_x="SUCCESS"))
    assert plan.problems == ()
    assert "report/2024-03-01/SITE=x" in starts(plan)
    waits = "waits for new/2024-03-02/SITE=x, which was not started yet"
    assert reasons(plan)["report/2024-03-02/SITE=x"] == waits


@pytest.mark.parametrize("match", ["[import]", "[{name: import, match: [businessDate, SITE]}]"])
def test_a_former_name_that_means_a_part_only_is_refused(match: str) -> None:
    before = read(IMPORT, report("businessDate", "SITE"))
    now = read(
        backfill("new", "formerly: import", *SITES, flow=2),
        backfill("report", f"dependsOn: {match}", *SITES),
    )
    ledger = a_ledger(*ended(before, import_2024_03_01_x="SUCCESS"))
    found = check(schedule_runs(now, ledger), ledger, same_minute_allowed=True)
    words = (
        "spec.dependsOn[0]: import is called new now, and not all of its runs have run under that "
        "name: write new"
    )
    assert found.problems
    assert all(one.message.startswith(words) for one in found.problems)


def problems(*documents: str) -> list[str]:
    found = check(schedule_runs(read(*documents), a_ledger()), a_ledger(), same_minute_allowed=True)
    return [
        f"{one.place.line}:{one.place.column} {one.code} {one.message}" for one in found.problems
    ]


BOTH = "name businessDate, or a parameter that the runs of both sides have"
NOBODY = (
    "no run of import agrees with report/2024-03-04/SITE=x in businessDate, SITE, so it could "
    "never start: declare one, or `exclude` this run (and 1 more of the runs of report)"
)
UNKNOWN = (
    "imports is neither declared nor recorded; name a run or a backfill (a manifest that has a "
    "problem declares nothing)"
)
ITSELF = (
    "none of them could ever start; for each date to wait for the one before it, write "
    "`sequential: true` instead"
)


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        (
            (backfill("import", flow=2), report("businessDate", "SITE")),
            f"14:52 reference spec.dependsOn[0].match[1]: import has no SITE: {BOTH}",
        ),
        (
            (IMPORT, report("SITE", lines=())),
            f"16:38 reference spec.dependsOn[0].match[0]: report has no SITE: {BOTH}",
        ),
        (
            (IMPORT, report("businessDate", "SITE", days=4)),
            f"16:15 reference spec.dependsOn[0]: {NOBODY}",
        ),
        (
            (IMPORT, backfill("report", "dependsOn: [{name: imports, match: [businessDate]}]")),
            f"16:15 reference spec.dependsOn[0]: {UNKNOWN}",
        ),
        (
            (backfill("b", "dependsOn: [{name: b, match: [businessDate]}]"),),
            f"7:15 cycle spec.dependsOn[0]: b waits for b: {ITSELF}",
        ),
    ],
)
def test_a_match_that_can_never_be_met_is_a_problem_at_its_place(
    documents: tuple[str, ...], problem: str
) -> None:
    assert problems(*documents) == [problem]


def test_circles_are_found_through_matches_and_sequences() -> None:
    first = backfill("a", "sequential: true", "dependsOn: [{name: b, match: [businessDate]}]")
    second = backfill("b", "sequential: true", "dependsOn: [a/2024-03-02]", flow=2)
    assert [one.split(" ")[1] for one in problems(first, second)] == ["cycle", "cycle"]


def test_what_has_run_needs_nothing_any_more_that_agrees_with_it() -> None:
    declared = read(IMPORT, report("businessDate", "SITE", days=4))
    recorded = ended(declared, report_2024_03_04_x="SUCCESS", report_2024_03_04_y="")
    assert a_plan(declared, *recorded).problems == ()


def a_long_chain(days: int) -> Declared:
    head = HEAD.format(kind="Backfill", name="b", flow=1)
    dates = f"  triggerTimes: {{from: 0, to: {days * 86_400_000}, every: 1d}}\n"
    return read(head + dates + "  sequential: true\n")


def test_a_chain_of_thousands_costs_as_much_for_each_date_and_in_any_order() -> None:
    """Counted in calls: twice as long a chain may cost little more than twice as much."""
    short, long = a_long_chain(1_000), a_long_chain(2_000)
    cost = [calls(lambda one=one: a_plan(one)) for one in (short, long)]  # type: ignore[misc]
    assert cost[1] < 2.2 * cost[0]
    mixed = list(long.runs)
    Random(1).shuffle(mixed)
    other = Declared(runs=tuple(mixed), problems=(), files=long.files)
    assert reasons(a_plan(other)) == reasons(a_plan(long))
