"""A plan on the terminal."""

from hypothesis import given

from reconciler.model import Place
from reconciler.plan import Action, PlannedRun
from reconciler.plan.review import Review, refusals
from reconciler.render.plan_text import plan_text
from reconciler.times import parse_zone
from tests.building import a_run
from tests.render.values import (
    LONG_NAME,
    NASTY,
    PAST,
    SHANGHAI,
    a_failed_record,
    a_plan,
    a_problem,
    a_record,
    assert_fits,
    of_backfill,
    planned,
    texts,
)
from tests.sampling import examples


def test_runs_are_shown_by_what_happens_to_them_and_why() -> None:
    plan = a_plan(
        planned("wind-daily-2024-03-01"),
        planned(f"{LONG_NAME}@2", Action.RESOLVE, "in doubt: it may have been started"),
        planned("wind-daily-2024-03-02"),
        planned("later", Action.WAIT, f"waits for {LONG_NAME}, whose outcome is not known yet"),
        planned("well", Action.DONE, "succeeded"),
    )
    assert plan_text(plan, SHANGHAI, width=80) == (
        """\
Plan for prod, ledger at 1a2b3c4d5e6f: 2 to trigger, 1 in doubt, 1 waiting, 1
done

  Action   Run                             Flow  Trigger time         Business
                                                 (GMT+8)              date
  ------------------------------------------------------------------------------
starts immediately: its time is past
  trigger  wind-daily-2024-03-01           3377  2024-03-02 08:00:00  2024-03-01
           REPLACE=ddee
  trigger  wind-daily-2024-03-02           3377  2024-03-02 08:00:00  2024-03-01
           REPLACE=ddee
in doubt: it may have been started
  resolve  solar-reprocess-after-the-      3377  2024-03-02 08:00:00  2024-03-01
           outage-of-the-scada-system-
           2024-03-01@2
           REPLACE=ddee
waits for solar-reprocess-after-the-outage-of-the-scada-system-2024-03-01, whose
outcome is not known yet
  wait     later                           3377  2024-03-02 08:00:00  2024-03-01
           REPLACE=ddee

reconciler apply --env prod would start 2 runs and look for the 1 run in doubt.
"""
    )


def test_the_runs_of_a_backfill_are_one_line_that_says_how_to_unfold_it() -> None:
    plan = a_plan(
        *of_backfill("wind-march-2024-reprocessing", 1_240),
        planned("solar"),
        *of_backfill("tidal", 2, Action.WAIT, "suspended", flow_id=12),
    )
    assert plan_text(plan, SHANGHAI) == (
        """\
Plan for prod, ledger at 1a2b3c4d5e6f: 1,241 to trigger, 2 waiting

  Action   Run    Flow  Trigger time         Business
                        (GMT+8)              date
  -----------------------------------------------------
starts immediately: its time is past
  trigger  wind-march-2024-reprocessing: 1,240 runs of flow 3377, business dates
           2024-03-01 to 2027-07-23
           REPLACE=ddee
  trigger  solar  3377  2024-03-02 08:00:00  2024-03-01
           REPLACE=ddee
suspended
  wait     tidal: 2 runs of flow 12, business dates 2024-03-01 to 2024-03-02
           REPLACE=ddee

--verbose shows every run.

reconciler apply --env prod would start 1,241 runs.
"""
    )


def beneath(*runs: PlannedRun, verbose: bool = False) -> list[str]:
    """The lines beneath those of the runs: what they carry."""
    lines = plan_text(a_plan(*runs), SHANGHAI, 80, verbose=verbose).split("\n")
    return [line.strip() for line in lines if line.startswith(" " * 11) and "date" not in line]


def test_parameters_stand_in_one_line_as_far_as_it_fits_and_all_of_them_if_verbose() -> None:
    many = tuple((f"KEY_{number}", "x" * 10) for number in range(10))
    run = planned("a", parameters=many)
    shown = ", ".join(f"{key}={value}" for key, value in many[:2])
    assert beneath(run) == [f"{shown}, … and 8 more parameters"]
    whole = ", ".join(f"{key}={value}" for key, value in many)
    assert " ".join(beneath(run, verbose=True)) == whole
    long = (("LONG", "y" * 300), ("B", "2"))
    (line,) = beneath(planned("a", parameters=long))
    assert line.startswith("LONG=yyy")
    assert line.endswith("y… and 1 more parameter")
    assert len(line) <= 80 - 11
    assert beneath(planned("a", parameters=())) == []


def test_the_runs_of_a_backfill_show_what_they_share_and_in_what_they_differ() -> None:
    runs = [
        planned(f"wind/2024-03-01/SITE={site}", parameters=(("MODE", "full"), ("SITE", site)))
        for site in [f"cn-{number}" for number in (4, 11, 6, 8, 1, 2, 3, 5, 7)]
    ]
    assert beneath(*runs[:2]) == ["MODE=full, SITE: cn-4, cn-11"]
    assert beneath(*runs[:4]) == ["MODE=full, SITE: cn-4, cn-6, cn-8, cn-11"]
    assert beneath(*runs) == ["MODE=full, SITE: 9 values: cn-1 … cn-11"]


def test_a_description_stands_once_beneath_the_first_line_of_its_manifest() -> None:
    runs = [
        planned(name, run=a_run(name, description="After the outage"), parameters=())
        for name in ("wind/1", "wind/2", "solar")
    ]
    assert beneath(*runs) == ["After the outage"] * 2
    assert beneath(*runs, verbose=True) == ["After the outage"] * 2


def test_verbose_gives_each_run_of_a_backfill_its_row() -> None:
    plan = a_plan(*of_backfill("wind", 3))
    text = plan_text(plan, SHANGHAI, verbose=True)
    assert text.count("\n  trigger  wind/run-") == 3
    assert "--verbose" not in text


def test_one_run_of_a_backfill_in_a_group_is_a_row() -> None:
    first, other = of_backfill("wind", 2)
    waiting = planned(other.id, Action.WAIT, "suspended")
    text = plan_text(a_plan(first, waiting), SHANGHAI)
    assert "\n  trigger  wind/run-0  3377" in text
    assert "\n  wait     wind/run-1  3377" in text
    assert "--verbose" not in text


def test_a_plan_of_backfills_alone_has_no_table_above_them() -> None:
    text = plan_text(a_plan(*of_backfill("wind", 2)), SHANGHAI)
    assert text.split("\n")[1:4] == [
        "",
        "starts immediately: its time is past",
        "  trigger  wind: 2 runs of flow 3377, business dates 2024-03-01 to 2024-03-02",
    ]


def test_runs_of_a_backfill_with_different_reasons_are_different_lines() -> None:
    plan = a_plan(
        *of_backfill("wind", 2, Action.WAIT, "suspended"),
        *of_backfill("wind", 3, Action.WAIT, "waits for import"),
    )
    text = plan_text(plan, SHANGHAI)
    assert "suspended\n  wait    wind: 2 runs" in text
    assert "waits for import\n  wait    wind: 3 runs" in text
    assert "more to wait" not in text


def test_a_plan_without_work_says_that_there_is_nothing_to_do() -> None:
    plan = a_plan(planned("well", Action.DONE, "succeeded"))
    assert plan_text(plan, SHANGHAI) == (
        "Plan for prod, ledger at 1a2b3c4d5e6f: 1 done\n\nNothing to do.\n"
    )
    assert plan_text(a_plan(commit=None), SHANGHAI) == (
        "Plan for prod: no runs\n\nNothing to do.\n"
    )


def test_problems_are_listed_and_stop_everything() -> None:
    plan = a_plan(planned("a", Action.CHANGED, "recorded otherwise"), problems=(a_problem(),))
    text = plan_text(plan, SHANGHAI)
    assert (
        "\n1 problem:\n  triggers/wind.yaml:7:11: schema: must be a whole number\n"
        "\nNothing is started in prod until every problem is fixed.\n"
    ) in text
    assert "Nothing to do." not in text


def test_done_runs_are_shown_only_when_asked_for() -> None:
    plan = a_plan(planned("well", Action.DONE, "succeeded"))
    assert "well" not in plan_text(plan, SHANGHAI)
    assert "  done    well" in plan_text(plan, SHANGHAI, verbose=True)


def test_a_run_that_was_started_twice_is_shown_though_it_is_done() -> None:
    record = a_record("twice", error="started twice: also as 3377-1")
    plan = a_plan(planned("twice", Action.DONE, "started twice: also as 3377-1", record=record))
    assert "started twice: also as 3377-1\n  done    twice" in plan_text(plan, SHANGHAI)


def test_a_run_that_has_failed_is_shown_though_it_is_done() -> None:
    runs = [
        planned(f"wind/{site}", Action.DONE, "failed: TIMEOUT", record=a_failed_record(site))
        for site in ("a", "b")
    ]
    text = plan_text(a_plan(*runs, planned("well", Action.DONE, "succeeded")), SHANGHAI)
    assert "failed: TIMEOUT\n  done    wind: 2 runs of flow 3377" in text
    assert "well" not in text


def test_a_run_that_is_cancelled_as_its_manifest_says_needs_nobody() -> None:
    run, record = a_run("wind", cancel=True), a_failed_record("wind", "CANCEL")
    plan = a_plan(planned("wind", Action.DONE, "failed: CANCEL", run=run, record=record))
    assert "wind" not in plan_text(plan, SHANGHAI)


def test_the_conclusion_names_everything_that_an_apply_would_do() -> None:
    starts, cancel = of_backfill("wind", 3), planned("old", Action.CANCEL, "to be cancelled")
    doubt = planned("doubt", Action.RESOLVE, "in doubt")
    text = plan_text(a_plan(*starts, cancel), SHANGHAI)
    assert ": 3 to trigger, 1 to cancel\n" in text
    assert text.endswith("would start 3 runs and cancel 1 run.\n")
    text = plan_text(a_plan(*starts, cancel, doubt), SHANGHAI)
    assert text.endswith("would start 3 runs, cancel 1 run and look for the 1\nrun in doubt.\n")


def test_a_warning_is_told_once_with_the_number_of_its_runs() -> None:
    unknown = "flow 3377 does not declare MODE"
    plan = a_plan(
        planned("a", warning="flow 12 does not declare X"), *of_backfill("w", 3, warning=unknown)
    )
    text = plan_text(plan, SHANGHAI)
    assert f"\nWarning: {unknown} (3 runs)\nWarning: flow 12 does not declare X (1 run)\n" in text


def test_many_warnings_are_cut_with_a_count() -> None:
    plan = a_plan(*(planned(f"run-{number}", warning=f"w{number}") for number in range(130)))
    text = plan_text(plan, SHANGHAI)
    assert text.count("\nWarning: w") == 100
    assert "\n… and 30 more warnings; --verbose shows all\n" in text
    assert plan_text(plan, SHANGHAI, verbose=True).count("\nWarning: w") == 130


def test_more_runs_than_the_limit_are_refused_before_anything_else() -> None:
    plan = a_plan(*(planned(f"run-{number}") for number in range(3)))
    text = plan_text(plan, SHANGHAI, review=Review(refused=refusals(plan, 2)))
    assert text.startswith("Refused: this apply would start 3 runs, and the limit is 2.")
    assert "Nothing is started in prod: see above." in text
    assert "Refused" not in plan_text(plan, SHANGHAI, review=Review(refused=refusals(plan, 3)))


def test_a_long_list_is_cut_for_each_action_and_says_by_how_much() -> None:
    many = [planned(f"run-{number}") for number in range(620)]
    doubt = planned("doubt", Action.RESOLVE, "in doubt: it may have been started")
    text = plan_text(a_plan(*many, doubt), SHANGHAI)
    assert "  … and 120 more to trigger; --verbose shows all\n" in text
    assert text.count("\n  trigger  ") == 500
    assert "\n  resolve  doubt" in text
    assert plan_text(a_plan(*many), SHANGHAI, verbose=True).count("\n  trigger  ") == 620


def test_a_cut_list_counts_the_runs_of_reasons_that_are_not_shown() -> None:
    many = [planned(f"run-{number}", Action.WAIT, f"waits for {number}") for number in range(501)]
    text = plan_text(a_plan(*many), SHANGHAI)
    assert text.count("\n  wait  ") == 500
    assert "  … and 1 more to wait; --verbose shows all\n" in text


def test_a_cut_list_counts_lines_and_says_how_many_runs_are_behind_the_rest() -> None:
    many = [run for number in range(600) for run in of_backfill(f"backfill-{number}", 3)]
    text = plan_text(a_plan(*many), SHANGHAI)
    assert text.count("\n  trigger  ") == 500
    assert "  … and 300 more to trigger; --verbose shows all\n" in text
    assert plan_text(a_plan(*many), SHANGHAI, verbose=True).count("\n  trigger  ") == 1_800


def test_a_list_of_just_as_many_lines_as_are_shown_is_not_cut() -> None:
    many = [planned(f"run-{number}") for number in range(500)]
    assert "more to trigger" not in plan_text(a_plan(*many), SHANGHAI)


def test_times_are_the_gateways_and_the_zone_is_named() -> None:
    text = plan_text(a_plan(planned("a")), parse_zone("America/New_York"))
    assert "2024-03-01 19:00:00  2024-02-29" in text
    assert "(America/New_York)" in text


def test_colours_are_used_only_when_asked_for() -> None:
    plan = a_plan(planned("a"))
    assert "\x1b[32mtrigger\x1b[0m  a" in plan_text(plan, SHANGHAI, color=True)
    assert "\x1b" not in plan_text(plan, SHANGHAI)


def test_what_somebody_must_see_to_has_the_colour_of_attention() -> None:
    refused = planned("a", Action.WAIT, "would be refused: flow 12 is locked", refused=True)
    blocked = planned("b", Action.WAIT, "import failed", waits_for=("import",), blocked=True)
    failed = planned("c", Action.DONE, "failed: TIMEOUT", record=a_failed_record("c"))
    text = plan_text(
        a_plan(refused, blocked, failed, planned("d", Action.WAIT, "suspended")),
        SHANGHAI,
        color=True,
    )
    for painted in ("\x1b[1;31mwait\x1b[0m    a", "\x1b[1;31mwait\x1b[0m    b"):
        assert painted in text
    assert "\x1b[1;31mdone\x1b[0m    c" in text
    assert "\x1b[33mwait\x1b[0m    d" in text


def test_a_folded_line_is_painted_as_its_runs_are() -> None:
    text = plan_text(a_plan(*of_backfill("wind", 2)), SHANGHAI, color=True)
    assert "\x1b[32mtrigger\x1b[0m  wind: 2 runs" in text


def test_a_wider_terminal_leaves_long_names_whole() -> None:
    text = plan_text(a_plan(planned(LONG_NAME)), SHANGHAI, width=140)
    assert f"trigger  {LONG_NAME}  3377" in text
    assert_fits(text, 140)


def test_nothing_leaves_80_columns_whatever_the_names() -> None:
    runs = [
        planned(text, action, text, flow_id=10**17, trigger_time=10**17)
        for text in NASTY
        for action in Action
    ]
    problems = tuple(a_problem(text, place=Place(file=text)) for text in NASTY)
    for color in (False, True):
        for environment in NASTY:  # which stands nowhere in a run's lines: a few will do
            some = runs if environment == NASTY[0] else runs[: len(Action)]
            plan = a_plan(*some, problems=problems, environment=environment)
            assert_fits(plan_text(plan, SHANGHAI, width=80, color=color, verbose=True))


def test_no_backfill_leaves_80_columns_whatever_its_name() -> None:
    runs = [run for text in NASTY for run in of_backfill(text, 2, warning=text, reason=text)]
    for color in (False, True):
        assert_fits(plan_text(a_plan(*runs), SHANGHAI, width=80, color=color))


@examples(100)
@given(texts, texts, texts)
def test_no_text_is_obeyed_or_leaves_its_columns(run: str, reason: str, message: str) -> None:
    folded = of_backfill(run, 2, reason=reason, warning=message)
    plan = a_plan(planned(run, reason=reason), planned("b", Action.RESOLVE, PAST), *folded)
    assert_fits(plan_text(plan, SHANGHAI, width=80))
    assert_fits(plan_text(a_plan(problems=(a_problem(message),)), SHANGHAI, width=80))
