"""What a change does, for the terminal and as Markdown: sentences, rows, and nothing obeyed."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from reconciler.ledger import Ledger
from reconciler.model import Match, Parameters, Problem, Retry, Run
from reconciler.plan import Plan, make_plan
from reconciler.plan.by_manifest import group_by_manifest
from reconciler.plan.changes import changes
from reconciler.plan.pairs import undeclared_names, unjudged_names
from reconciler.plan.review import Compared, Review, Setting, refusals
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.schedule import schedule_runs
from tests.building import (
    NOW,
    a_claim,
    a_ledger,
    a_problem,
    a_run,
    a_triggered,
    after,
    an_observed,
    declared,
)
from tests.render.values import COMMIT, SHANGHAI, assert_fits, assert_safe, texts
from tests.sampling import examples

NOTHING = a_ledger()


def review(
    before: Sequence[Run],
    now: Sequence[Run],
    ledger: Ledger = NOTHING,
    settings: Sequence[Setting] = (),
    limit: int = 1_000,
    problems: tuple[Problem, ...] = (),
) -> tuple[Plan, Review]:
    was, is_ = (
        schedule_runs(side, ledger)
        for side in (declared(*before), declared(*now, problems=problems))
    )
    found = changes(was, is_, ledger)
    plan = make_plan(
        is_,
        ledger,
        after(NOW, 3_600_000),
        environment="prod",
        commit=COMMIT,
        same_minute_allowed=True,
    )
    compared = Compared(
        base=COMMIT,
        changes=found,
        manifests=group_by_manifest(found, was, is_),
        configuration=settings,
        undeclared=undeclared_names(was, is_),
        unjudged=unjudged_names(was, is_),
    )
    return plan, Review(refused=refusals(plan, limit), compared=compared)


def text(*args: Any, verbose: bool = False, **more: Any) -> str:
    plan, said = review(*args, **more)
    return plan_text(plan, SHANGHAI, 80, review=said, verbose=verbose)


def markdown(*args: Any, **more: Any) -> str:
    plan, said = review(*args, **more)
    return plan_markdown([(plan, SHANGHAI)], reviews=[said]).text


def flat(shown: str) -> str:
    return " ".join(shown.split())


def month(name: str, days: int, sites: Sequence[str] = (), **more: Any) -> list[Run]:
    """Runs of a backfill: one a day, and a site if there are any."""
    matrix = [(f"/SITE={one}", {"parameters": (("SITE", one),)}) for one in sites] or [("", {})]
    return [
        a_run(
            f"{name}/2024-03-{day:02d}{tail}",
            trigger_time=after(NOW, day * 86_400_000),
            **(carried | more),
        )
        for day in range(1, days + 1)
        for tail, carried in matrix
    ]


def test_a_renamed_backfill_says_so_in_its_row_and_in_the_first_sentence() -> None:
    before, now = month("old", 31), month("new", 31, formerly=("old",))
    ledger = a_ledger(a_claim(before[0]), a_triggered(before[0]))
    for shown in (flat(text(before, now, ledger)), markdown(before, now, ledger)):
        assert "This change renames 31 runs." in shown
        assert "31 runs, nothing starts again" in shown
    assert "new: renamed from old: 31 runs" in flat(text(before, now, ledger))
    narrowed = flat(text(before, now[:3], ledger))
    assert "new: 31 runs → 3: renamed from old: 3 runs, nothing starts again, 28 will" in narrowed


def test_what_a_file_declares_that_cannot_be_read_is_not_said_to_be_gone() -> None:
    march, file = month("march", 31), "triggers/march"
    problems = (a_problem(file),)
    shown = flat(text(march, [], problems=problems))
    assert "What becomes of 31 runs nobody can tell." in shown
    assert f"{file} cannot be read: 31 runs that it may declare are not judged." in shown
    assert "never start" not in shown
    assert "starts nothing" not in shown
    comment = markdown(march, [], problems=problems)
    assert "**What becomes of 31 runs nobody can tell.**" in comment
    assert f"- `{file}` cannot be read: 31 runs that it may declare are not judged" in comment
    more = flat(text(march, [a_run("b")], problems=problems))
    assert "adds 1 run that cannot start yet. What becomes of 31 runs nobody can tell." in more


def test_names_that_got_a_time_of_day_say_the_first_of_them() -> None:
    before = month("old", 2)
    now = [run.but(name=f"{run.name}T08:00") for run in before]
    words = "old: 2 runs, nothing starts again: renamed, the first from old/2024-03-01 to old/2024"
    assert words in flat(text(before, now))


def test_each_kind_has_its_words() -> None:
    ran = month("again", 2, flow_id=2)
    ledger = a_ledger(
        a_claim(*ran), a_triggered(ran[0]), a_triggered(ran[1], "i-2"), an_observed(ran[0])
    )
    shown = flat(
        text(
            [*month("less", 31), *ran, a_run("other"), a_run("gone", flow_id=3)],
            [
                *month("less", 3),
                *month("again", 2, revision=2, flow_id=2),
                a_run("other", parameters=(("REPLACE", "x"),), suspend=True),
                a_run("more", flow_id=4),
            ],
            ledger,
        )
    )
    assert (
        "This change starts 1 run at once and starts 2 runs again; changes 1 run that does not "
        "start now; removes 29 runs that will never start." in shown
    )
    assert "less: 31 runs → 3: 28 will never start" in shown
    assert "again: revision 2 of 2 runs that have run already (1 SUCCESS, 1 not ended)" in shown
    assert "other: 1 run changed (REPLACE ddee → x, suspended)" in shown
    assert "gone: 1 run → 0: 1 will never start" in shown
    assert "more: new: 1 run" in shown
    assert "Also, of what this change does not touch: 3 to trigger" in shown


def test_what_is_edited_though_it_ran_says_what_was_edited() -> None:
    ledger = a_ledger(a_claim(a_run()), a_triggered(a_run()))
    assert "wind: 1 run edited that ran already (flow 3377 → 1)" in flat(
        text([a_run()], [a_run(flow_id=1)], ledger)
    )


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        (["a", "b"], "wind: one SITE more (b): 3 runs"),
        (["a", "b", "c"], "wind: 2 SITE more (b, c): 6 runs"),
        (["a", "b", "c", "d", "e"], "wind: 4 SITE more (b, c, d, …): 12 runs"),
        (["b"], "wind: one SITE more (b): 3 runs, 3 will never start"),
    ],
)
def test_values_that_a_matrix_gets_are_told(sites: Sequence[str], words: str) -> None:
    assert words in flat(text(month("wind", 3, ["a"]), month("wind", 3, sites)))


def test_what_the_change_itself_leaves_undeclared_is_part_of_the_change() -> None:
    here, gone = a_run("here"), a_run("gone", flow_id=1)
    long_gone = a_run("long-gone", flow_id=2)
    ran = (here, gone, long_gone)
    started = [a_triggered(run, f"i-{run.name}") for run in ran]
    ledger = a_ledger(a_claim(*ran), *started)
    own = "Recorded, and no longer declared by this change: 1 run."
    also = "Also, of what this change does not touch: 1 done, 1 no longer declared."
    assert f"{own} {also}" in flat(text([here, gone], [here], ledger))
    shown = flat(markdown([here, gone], [here], ledger))
    assert own in shown
    assert also in shown
    assert "no longer declared by this change" not in text([here], [here], ledger)


def test_days_that_are_added_are_counted() -> None:
    assert "wind: 3 runs → 5: 2 runs more" in text(month("wind", 3, ["a"]), month("wind", 5, ["a"]))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"flow_id": 1}, "flow 3377 → 1"),
        ({"trigger_time": NOW}, "trigger time 2024-03-02 08:00:00 → 2024-03-02 12:00:00"),
        ({"parameters": ()}, "REPLACE ddee → nothing"),
        ({"not_after": NOW}, "notAfter none → 2024-03-02 12:00:00"),
        ({"depends_on": ("a", "b")}, "dependsOn nothing → a, b"),
        (
            {"matching": (Match(names=("a",), keys=("businessDate", "S")),)},
            "match nothing → a by businessDate, S",
        ),
        ({"after": "wind/2024-03-01"}, "after nothing → wind/2024-03-01"),
        ({"max_active": 4}, "maxActive none → 4"),
        ({"stop_after": 3}, "stopAfter none → 3"),
        ({"cancel": True}, "called off"),
        ({"retry": Retry(max=2, on=frozenset())}, "retry none → 2"),
        ({"duplicate_of": "a"}, "duplicateOf nothing → a"),
    ],
)
def test_each_field_is_told_before_and_after(edit: dict[str, Any], words: str) -> None:
    assert f"wind: 1 run changed ({words})" in flat(text([a_run()], [a_run(**edit)]))


def test_parameters_in_another_order_are_told() -> None:
    one: Parameters = (("A", "1"), ("B", "2"))
    before, now = a_run(parameters=one), a_run(parameters=one[::-1])
    assert "(parameters in another order)" in text([before], [now])


def test_runs_that_change_each_otherwise_show_the_first() -> None:
    before, same = month("wind", 3), month("wind", 3, flow_id=1)
    assert "wind: 3 runs changed (flow 3377 → 1)" in text(before, same)
    other = [*same[:2], a_run(same[2].name, trigger_time=same[2].trigger_time, flow_id=2)]
    assert "wind: 3 runs changed (the first: flow 3377 → 1)" in text(before, other)


def test_refusals_come_first_then_the_configuration_then_the_change() -> None:
    setting = Setting(pointer="/git/branch", before=None, after="main")
    shown = flat(text([], month("wind", 3), settings=[setting], limit=2))
    places = [
        shown.index(words)
        for words in (
            "this apply would start 3 runs",
            "/git/branch: nothing → main",
            "This change starts 3 runs at their time.",
            "wind",
            "3 to trigger",
        )
    ]
    assert places == sorted(places)
    assert "of what this change does not touch" not in shown  # there is nothing else


def test_a_change_of_nothing_says_so() -> None:
    assert "This change starts nothing." in text([a_run()], [a_run()])
    assert "**This change starts nothing.**" in markdown([a_run()], [a_run()])


def test_what_waits_because_of_a_problem_is_not_said_to_wait_whatever_becomes_of_the_change() -> (
    None
):
    plan, said = review([a_run()], [a_run()])
    plan = replace(plan, problems=(a_problem(),))
    shown = flat(plan_text(plan, SHANGHAI, 80, review=said))
    assert "Besides, as long as there are problems: 1 to trigger." in shown


def test_problems_are_counted_first_and_listed_last() -> None:
    plan, said = review([], [a_run()])
    found = plan_text(
        plan, SHANGHAI, review=Review(refused=refusals(plan, 0), compared=said.compared)
    )
    assert found.startswith("Refused: this apply would start 1 runs")
    assert a_problem().code not in found


def test_many_manifests_are_cut_and_say_by_how_many() -> None:
    many = [a_run(f"run-{number}", trigger_time=after(NOW, number)) for number in range(130)]
    assert "… and 30 more manifests; --verbose shows all" in text([], many)
    assert "run-129: new" in text([], many, verbose=True)
    plan, said = review([], many)
    shown = plan_markdown([(plan, SHANGHAI)], 4_000, reviews=[said]).text
    assert len(shown) <= 4_000
    assert "more manifests left out" in shown


@examples(120)
@given(texts, texts, texts)
def test_nothing_in_a_manifest_is_obeyed_or_leaves_its_place(
    key: str, value: str, setting: str
) -> None:
    name = f"a/{key}"
    before = [a_run(f"w/1/{key}=a", parameters=((key, "a"),), depends_on=(name,))]
    now = [a_run(f"w/1/{key}=a", parameters=((key, value),)), a_run(f"w/1/{key}=b")]
    settings_ = [Setting(pointer=f"/{setting}", before=value, after={"x": setting})]
    assert_fits(text(before, now, settings=settings_))
    shown = markdown(before, now, settings=settings_)
    assert_safe(shown)
    plain = markdown([a_run("w/1/K=a")], [a_run("w/1/K=a", flow_id=1), a_run("w/1/K=b")])
    heads = [line for line in shown.split("\n") if line.startswith(("#", "**", "| ---", "<"))]
    assert [line[:3] for line in heads if line.startswith("#")] == ["###"]
    assert shown.count("<details>") == plain.count("<details>")


def test_a_change_that_lets_something_start_says_so_in_its_first_sentence() -> None:
    waits = a_run("b", trigger_time=NOW, suspend=True)
    said = flat(text([waits], [waits.but(suspend=False)]))
    assert "This change changes 1 run that starts at once." in said
    later = waits.but(trigger_time=after(NOW, 86_400_000))
    said = flat(text([later], [later.but(suspend=False)]))
    assert "This change changes 1 run that starts at its time." in said
    said = flat(text([waits.but(suspend=False)], [waits]))
    assert "This change changes 1 run that does not start now." in said


def test_what_waits_for_a_run_that_the_change_touches_is_counted() -> None:
    first = a_run("a/1", trigger_time=NOW)
    behind = [
        a_run("b", flow_id=1, depends_on=("a",)),
        a_run("c", flow_id=2, depends_on=("a/1",)),
        a_run("d", flow_id=3, suspend=True),
    ]
    said = flat(text([first, *behind], [first.but(suspend=True), *behind]))
    assert "Also, of what this change does not touch: 3 waiting." in said
    assert "3 waiting. 2 runs of these wait for what it touches." in said


def test_a_part_that_gets_a_manifest_of_its_own_is_told_as_renamed() -> None:
    march = month("march", 3)
    late = [run.but(name=run.name.replace("march", "late")) for run in march[2:]]
    assert "late: renamed from march/2024-03-03: 1 run, nothing starts again" in flat(
        text(march, [*march[:2], *late])
    )
