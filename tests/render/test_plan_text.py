"""A plan on the terminal."""

from hypothesis import given, settings

from reconciler.model import Place
from reconciler.plan import Action
from reconciler.render.plan_text import plan_text
from reconciler.times import parse_zone
from tests.render.values import (
    LONG_NAME,
    NASTY,
    PAST,
    SHANGHAI,
    a_plan,
    a_problem,
    a_record,
    assert_fits,
    planned,
    texts,
)


def test_runs_are_shown_by_what_happens_to_them_and_why() -> None:
    plan = a_plan(
        planned("wind-daily-2024-03-01"),
        planned(f"{LONG_NAME}@2", Action.RESOLVE, "in doubt: it may have been started"),
        planned("wind-daily-2024-03-02"),
        planned("later", Action.WAIT, f"waits for {LONG_NAME}, whose outcome is not known yet"),
        planned("well", Action.DONE, "succeeded"),
    )
    assert plan_text(plan, SHANGHAI) == (
        """\
Plan for prod at 1a2b3c4d5e6f: 2 to trigger, 1 in doubt, 1 waiting, 1 done

  Action   Run                             Flow  Trigger time         Business
                                                 (GMT+8)              date
  ------------------------------------------------------------------------------
starts immediately: its time is past
  trigger  wind-daily-2024-03-01           3377  2024-03-02 08:00:00  2024-03-01
  trigger  wind-daily-2024-03-02           3377  2024-03-02 08:00:00  2024-03-01
in doubt: it may have been started
  resolve  solar-reprocess-after-the-      3377  2024-03-02 08:00:00  2024-03-01
           outage-of-the-scada-system-
           2024-03-01@2
waits for solar-reprocess-after-the-outage-of-the-scada-system-2024-03-01, whose
outcome is not known yet
  wait     later                           3377  2024-03-02 08:00:00  2024-03-01

reconciler apply --env prod would start 2 runs and look for the 1 run in doubt.
"""
    )


def test_a_plan_without_work_says_that_there_is_nothing_to_do() -> None:
    plan = a_plan(planned("well", Action.DONE, "succeeded"))
    assert plan_text(plan, SHANGHAI) == (
        "Plan for prod at 1a2b3c4d5e6f: 1 done\n\nNothing to do.\n"
    )
    assert plan_text(a_plan(commit=None), SHANGHAI) == (
        "Plan for prod without a commit yet: no runs\n\nNothing to do.\n"
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


def test_more_runs_than_the_limit_are_warned_of() -> None:
    plan = a_plan(*(planned(f"run-{number}") for number in range(3)))
    assert "Warning: 3 runs to trigger are more than the limit of 2" in plan_text(
        plan, SHANGHAI, max_runs=2
    )
    assert "Warning" not in plan_text(plan, SHANGHAI, max_runs=3)


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


def test_times_are_the_gateways_and_the_zone_is_named() -> None:
    text = plan_text(a_plan(planned("a")), parse_zone("America/New_York"))
    assert "2024-03-01 19:00:00  2024-02-29" in text
    assert "(America/New_York)" in text


def test_colours_are_used_only_when_asked_for() -> None:
    plan = a_plan(planned("a"))
    assert "\x1b[32mtrigger\x1b[0m  a" in plan_text(plan, SHANGHAI, color=True)
    assert "\x1b" not in plan_text(plan, SHANGHAI)


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
        for environment in NASTY:
            plan = a_plan(*runs, problems=problems, environment=environment)
            assert_fits(plan_text(plan, SHANGHAI, color=color, verbose=True))


@settings(max_examples=50)
@given(texts, texts, texts)
def test_no_text_is_obeyed_or_leaves_its_columns(run: str, reason: str, message: str) -> None:
    plan = a_plan(planned(run, reason=reason), planned("b", Action.RESOLVE, PAST))
    assert_fits(plan_text(plan, SHANGHAI))
    assert_fits(plan_text(a_plan(problems=(a_problem(message),)), SHANGHAI))
