"""What an apply did."""

import json

from hypothesis import given, settings

from reconciler.apply.settle import Doubt
from reconciler.model import EpochMs
from reconciler.plan import Action
from reconciler.render.apply import apply_json, apply_text
from tests.render.outcomes import a_result, absent, rejected, triggered
from tests.render.values import (
    COMMIT,
    EIGHT,
    NASTY,
    OBEYED,
    SHANGHAI,
    assert_fits,
    assert_safe,
    planned,
    texts,
)

SUSPENDED = planned("later", Action.WAIT, "suspended")


def a_doubt(
    run: str, reason: str = "nothing found yet", decided_at: EpochMs | None = None
) -> Doubt:
    return Doubt(planned=planned(run, Action.RESOLVE, reason), reason=reason, decided_at=decided_at)


MIXED = a_result(
    outcomes=(
        triggered("wind-1", "3377-1"),
        triggered("wind-2", "3377-2", evidence={"found": []}),
        rejected("solar-1"),
        rejected("solar-2"),
        rejected("solar-3", "the workflow has no task"),
        absent("left"),
    ),
    unstarted=[planned(name) for name in ("solar-1", "solar-2", "solar-3", "left", "unreached")],
    doubts=[a_doubt("lost"), a_doubt("lost-too", "HTTP 503", EpochMs(EIGHT + 125_000))],
    waiting=[SUSPENDED],
)


def test_everything_that_came_of_an_apply_is_told_with_what_to_do_next() -> None:
    assert apply_text(MIXED, SHANGHAI, "prod") == (
        """\
prod at 1a2b3c4d5e6f: 2 triggered, 3 refused, 2 not started, 2 in doubt, 1
waiting

Triggered:
  wind-1: 3377-1
Found at the service, started already:
  wind-2: 3377-2

Refused by the service, and tried again by the next apply:
  62103: user has no privilege (2 runs)
    solar-1
    solar-2
  62103: the workflow has no task (1 run)
    solar-3

Not started, and left to the next apply:
  interrupted (1 run)
    left
  not reached (1 run)
    unreached

In doubt: may have been started, and is not started again until it is settled:
  lost: nothing found yet
    reconciler status lost --env prod
  lost-too: HTTP 503
    an apply after 2024-03-02 08:02:05 (GMT+8) can settle it
    reconciler status lost-too --env prod

Waiting:
  suspended (1 run)
    later
"""
    )


def test_an_apply_that_found_no_work_says_so() -> None:
    assert apply_text(a_result(), SHANGHAI, "prod") == "Nothing to do.\n"


def test_an_apply_that_found_only_waiting_runs_says_what_they_wait_for() -> None:
    assert apply_text(a_result(waiting=[SUSPENDED]), SHANGHAI, "prod") == (
        "Nothing to do.\n"
        "prod at 1a2b3c4d5e6f: 1 waiting\n"
        "\n"
        "Waiting:\n"
        "  suspended (1 run)\n"
        "    later\n"
    )


def test_an_interrupted_apply_says_that_another_goes_on() -> None:
    text = apply_text(a_result(interrupted=True), SHANGHAI, "prod")
    assert text.startswith("Interrupted: what is known was recorded")
    assert "Nothing to do." not in text


def test_long_lists_are_cut_with_a_count() -> None:
    many = [f"run-{number:03}" for number in range(120)]
    result = a_result(
        outcomes=(*map(triggered, many), *(rejected(f"no-{run}") for run in many)),
        unstarted=[planned(f"no-{run}") for run in many],
        doubts=[a_doubt(f"lost-{run}") for run in many],
        waiting=[planned(f"w-{run}", Action.WAIT, f"waits for {run}") for run in many],
    )
    text = apply_text(result, SHANGHAI, "prod")
    assert text.count("\n  run-") == 20
    assert text.count("\n    no-") == 20
    assert text.count("\n  lost-") == 20
    assert text.count("… and 100 more\n") == 4


def test_json_has_every_outcome() -> None:
    result = json.loads(apply_json(MIXED, "prod"))
    assert (result["version"], result["environment"], result["commit"]) == (1, "prod", COMMIT)
    assert result["interrupted"] is False
    assert [one["flowInstanceId"] for one in result["triggered"]] == ["3377-1", "3377-2"]
    assert result["rejected"][0] == {
        "run": "solar-1",
        "code": 62103,
        "message": "user has no privilege",
    }
    assert result["notStarted"] == [
        {"run": "left", "reason": "interrupted"},
        {"run": "unreached", "reason": "not reached"},
    ]
    assert result["inDoubt"] == [
        {"run": "lost", "reason": "nothing found yet", "decidedAt": None},
        {"run": "lost-too", "reason": "HTTP 503", "decidedAt": "2024-03-02T00:02:05.000Z"},
    ]
    assert result["waiting"] == [{"run": "later", "reason": "suspended"}]


def test_nothing_leaves_80_columns_but_commands_whatever_the_names() -> None:
    result = a_result(
        outcomes=(*(triggered(text, text) for text in NASTY), *(rejected(t, t) for t in NASTY)),
        unstarted=[planned(text) for text in NASTY],
        doubts=[a_doubt(text, text) for text in NASTY],
        waiting=[planned(text, Action.WAIT, text) for text in NASTY],
    )
    text = apply_text(result, SHANGHAI, "prod")
    kept = [line for line in text.split("\n") if not line.startswith("    reconciler status ")]
    assert_fits("\n".join(kept))


@settings(max_examples=50)
@given(texts, texts)
def test_no_text_is_obeyed(run: str, message: str) -> None:
    result = a_result(
        outcomes=(triggered(run, message), rejected(run, message), absent(run, message)),
        unstarted=[planned(run, reason=message)],
        doubts=[a_doubt(run, message)],
        waiting=[planned(run, Action.WAIT, message)],
    )
    assert_safe(apply_text(result, SHANGHAI, message))
    assert OBEYED.search(apply_json(result, message)) is None
