"""The page itself: whole, the same each time, small, and deaf to what names say."""

import base64
import hashlib
import json
import re
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.ledger import RunState
from reconciler.model import Place, RunId
from reconciler.plan import Reason
from reconciler.plan.outlook import Outlook
from reconciler.render.grid import Mark
from reconciler.render.page import Reported, report_page
from reconciler.render.page.attention import attention_kind, list_concerns
from reconciler.render.page.html import embedded_json
from reconciler.render.safe import is_harmful
from reconciler.render.status_row import outlook
from tests.page.reading import PageParts, scripts_of
from tests.page.scenery import HOSTILE, MADE, a_month, hostile
from tests.render.values import SHANGHAI, a_row

PLACE = Place(file="triggers/wind.yaml", line=3)
SMALL = a_month(sites=4, days=5)


def page_of(*told: Reported) -> PageParts:
    return PageParts(report_page(told, MADE))


def told(*rows: object, **more: object) -> Reported:
    values = {"environment": "prod", "zone": SHANGHAI, "rows": rows} | more
    return Reported(**values)  # type: ignore[arg-type] # a test gives what it is about


def test_the_page_asks_nobody_for_anything() -> None:
    page = page_of(SMALL)
    assert page.policy.startswith("default-src 'none'; ")
    loaded = [one for one in page.attributes if one[1] in {"src", "srcset", "action", "background"}]
    assert loaded == []
    targets = {value for _, name, value in page.attributes if name == "href"}
    assert {one for one in targets if not one.startswith("#")} == {"data:,"}
    assert "url(" not in page.inside["style"][0]
    assert "@import" not in page.inside["style"][0]


def test_its_policy_allows_its_own_style_and_script_by_their_digests_alone() -> None:
    page = page_of(SMALL)
    for kind, text in (("style", page.inside["style"][0]), ("script", page.inside["script"][1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page.policy
    assert "unsafe" not in page.policy
    assert not any(name.startswith("on") or name == "style" for _, name, _ in page.attributes)


def test_a_run_that_a_retry_has_mended_is_in_no_pill_of_failures() -> None:
    rows = (
        a_row("march/a", RunState.FAILED, followed_by=RunId("march/a#2"), place=PLACE),
        a_row("march/a#2", RunState.SUCCEEDED, place=PLACE),
    )
    page = report_page([told(*rows)], MADE)
    assert "<b>1</b> succeeded" in page
    assert "</b> failed" not in page


def test_every_state_and_every_mark_has_a_colour_of_its_style_sheet() -> None:
    style = page_of(SMALL).inside["style"][0]
    for name in {*map(str, RunState), *(mark.key for mark in Mark)}:
        assert re.search(rf"^[^{{\n]*\.{name}\b[^{{]*\{{ --color", style, re.MULTILINE), name


def test_the_script_shows_texts_only() -> None:
    script = page_of(SMALL).inside["script"][1]
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script
    assert "require-trusted-types-for 'script'" in page_of(SMALL).policy


def test_the_same_runs_make_the_same_page() -> None:
    assert report_page([a_month(4, 5)], MADE) == report_page([SMALL], MADE)


@pytest.mark.long  # what ten thousand weigh
def test_ten_thousand_runs_fit_into_three_megabytes() -> None:
    page = report_page([a_month(sites=40, days=250)], MADE)
    assert len(PageParts(page).data["columns"]["run"]) > 10_000
    assert len(page.encode()) < 3_000_000


def test_hostile_names_add_no_element_and_no_attribute() -> None:
    page, text = page_of(hostile()), report_page([hostile()], MADE)
    harmless = page_of(SMALL)
    assert set(page.names) <= set(harmless.names)
    known = {(element, name) for element, name, _ in harmless.attributes}
    assert {(element, name) for element, name, _ in page.attributes} <= known
    assert scripts_of(text) == 2
    assert "<" not in page.inside["script"][0]
    assert [one for one in sorted(set(text)) if one != "\n" and is_harmful(one)] == []
    targets = {value for _, name, value in page.attributes if name == "href"}
    assert {one for one in targets if not one.startswith("#")} == {"data:,"}


def test_hostile_names_are_shown_nonetheless() -> None:
    page = page_of(hostile())
    runs = " ".join(row["run"] for row in page.rows())
    assert all(text in runs for text in HOSTILE if text.isprintable())
    assert "\\u202egnp.exe\\u2066" in runs
    assert HOSTILE[0] in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_json_ends_no_element_and_means_what_it_meant(text: str) -> None:
    if "\ud800" in text:
        return  # is made visible before it gets there
    embedded = embedded_json({"text": text})
    assert not set("<>&") & set(embedded)
    assert json.loads(embedded) == {"text": text}


def test_each_run_has_what_is_known_of_it() -> None:
    page = page_of(SMALL)
    rows = {row["run"]: row for row in page.rows()}
    assert len(rows) == len(SMALL.rows)
    row = rows["wind-march/2024-03-01/SITE=cn-01"]
    assert row["look"] == "succeeded"
    assert (row["file"], row["line"], row["date"]) == ("triggers/wind/march.yaml", 4, "2024-03-01")
    assert row["parameters"][:2] == ["SITE", "cn-01"]
    assert row["labels"] == ["team", "wind", "quarter", "q1"]
    assert row["instance"].startswith("3377_")
    assert row["ended"] > row["triggered"] > row["time"]
    (environment,) = page.data["environments"]
    assert environment["origins"]["triggers/wind/march.yaml"][0] == "8c6cf7a4c1d1"
    assert environment["origins"]["triggers/wind/march.yaml"][2] == "#214"
    assert rows["yield-march/2024-03-01"]["look"] == "blocked"


def test_a_link_is_made_from_the_template_unless_the_id_had_to_be_quoted() -> None:
    plain, odd = SMALL.rows[0], hostile().rows[4]
    page = page_of(replace(SMALL, rows=[plain, odd]))
    first, second = page.rows()
    assert first["url"] == 1
    assert second["url"] == odd.instance_url


def test_what_needs_a_person_stands_in_the_page_without_its_script() -> None:
    page = page_of(SMALL)
    assert [kind.name for kind in list_concerns([SMALL])] == [
        *("twice", "problem", "rejected", "blocked")
    ]
    assert (
        "reconciler resolve solar-audit --triggered 5120-20240320-a --reason WHY --env prod"
        in page.text
    )
    assert "62104: the flow is offline and cannot be triggered" in page.text
    assert "triggers/reports/audit.yaml:9:15" in page.text


def test_a_page_on_which_all_is_well_says_so() -> None:
    page = page_of(told(a_row("wind", RunState.SUCCEEDED)))
    assert "Nothing needs a person." in page.text
    assert page_of(told()).data["columns"]["run"] == []
    assert page_of().data["environments"] == []


def test_runs_of_a_backfill_that_need_the_same_are_one_item() -> None:
    rows = [
        a_row(f"wind/{day}", RunState.FAILED, reason=Reason.FAILED, why=why, place=PLACE)
        for day, why in ((1, "it ended with FAIL"), (2, "it ended with FAIL"), (3, "other"))
    ]
    (kind,) = list_concerns([told(*rows)])
    assert [item.title for item in kind.items] == ["wind: 2 runs", "wind/3"]
    assert kind.number == 3


def test_what_is_advised_can_help() -> None:
    def advice(run: str, **more: object) -> str:
        row = a_row(run, RunState.FAILED, reason=Reason.FAILED, place=PLACE, **more)
        return list_concerns([told(row)])[0].items[0].edit

    assert advice("wind") == "Raise spec.revision in triggers/wind.yaml:3."
    assert advice("wind", is_suspended=True).endswith(":3. Take spec.suspend away as well.")
    assert advice("march/a").startswith("Let spec.retry in triggers/wind.yaml:3 start")
    assert advice("march/a", status="NOT_FOUND").startswith(
        "If it did not succeed: no spec.retry starts it again, "
    )
    assert advice("wind", status="NOT_FOUND").startswith("If it did not succeed, raise spec.")
    assert "start again what ended with SKIP (its `on`)" in advice("march/a", status="SKIP")


def test_the_page_says_before_the_command_is_copied_that_it_starts_the_run_again() -> None:
    def words(*listed: str) -> str:
        found = {"found": [{"id": one} for one in listed]}
        (kind,) = list_concerns([told(a_row("wind", RunState.IN_DOUBT, evidence=found))])
        return kind.items[0].edit

    assert words() == ""
    assert words("1-1") == (
        "Only if that instance is certainly another's: --not-triggered starts the run again."
    )


def test_the_page_sends_people_to_the_service_before_they_start_again_what_may_have_succeeded() -> (
    None
):
    def words(*statuses: str) -> str:
        rows = [
            a_row(one, RunState.FAILED, reason=Reason.FAILED, place=PLACE, status=one)
            for one in statuses
        ]
        return list_concerns([told(*rows)])[0].words

    assert words("NOT_FOUND").startswith("Of an instance that the service no longer knows nobody")
    assert "start it again" not in words("NOT_FOUND")
    assert "look there before anything is started again" in words("FAIL", "NOT_FOUND")
    assert words("FAIL") == (
        "The instance failed, and no retry follows. Mend the cause, then start it again."
    )


def test_what_is_blocked_is_sent_to_its_manifest_whatever_field_makes_it_wait() -> None:
    row = a_row("march/b", RunState.PENDING, reason=Reason.BLOCKED, why="waits", place=PLACE)
    assert list_concerns([told(row)])[0].items[0].edit == (
        "triggers/wind.yaml:3 says what it waits for."
    )


def test_a_failed_run_that_a_later_attempt_followed_needs_nobody() -> None:
    failed = a_row("wind@2", RunState.FAILED, reason=Reason.FAILED, place=PLACE)
    again = a_row("wind@2#2", RunState.SUCCEEDED)
    assert list_concerns([told(failed.but(followed_by=again.run), again)]) == []
    assert [kind.name for kind in list_concerns([told(failed)])] == ["failed"]
    assert list_concerns([told(failed.but(place=None))]) == []


def test_the_page_lists_for_a_person_what_the_exit_code_of_status_tells_of() -> None:
    more: list[dict[str, Any]] = [{}, {"is_unwanted": True}, {"followed_by": RunId("wind#2")}]
    for state, reason, how, place in product(RunState, [None, *Reason], more, [None, PLACE]):
        row = a_row("wind", state, reason=reason, place=place, **how)
        assert bool(attention_kind(row)) is (outlook(row) in {Outlook.AMISS, Outlook.IN_DOUBT}), row
        listed = [item.runs for kind in list_concerns([told(row)]) for item in kind.items]
        assert listed == ([("wind",)] if attention_kind(row) not in {"", "problem"} else []), row


def test_a_refused_run_that_nothing_declares_any_more_needs_nobody() -> None:
    refused = a_row("wind", RunState.REJECTED, error="62103: no privilege")
    assert list_concerns([told(refused)]) == []
    declared = refused.but(reason=Reason.REJECTED, place=PLACE)
    (kind,) = list_concerns([told(declared)])
    assert kind.items[0].commands == ("reconciler apply --env prod",)


def test_what_was_called_off_on_purpose_needs_nobody() -> None:
    stopped = a_row("wind", RunState.FAILED, reason=Reason.FAILED, status="CANCEL", place=PLACE)
    assert list_concerns([told(stopped.but(is_unwanted=True))]) == []
    assert [kind.name for kind in list_concerns([told(stopped)])] == ["failed"]


def test_a_refused_run_that_no_apply_tries_again_is_not_said_to_be() -> None:
    refused = a_row("wind", RunState.REJECTED, error="62103: no privilege", place=PLACE)
    (missed,) = list_concerns(
        [told(refused.but(reason=Reason.MISSED, why="refused before; missed"))]
    )
    assert (missed.name, missed.items[0].words) == ("missed", "refused before; missed")
    (held,) = list_concerns([told(refused.but(reason=Reason.SUSPENDED, is_suspended=True))])
    assert (held.name, held.items[0].commands) == ("rejected", ())
    assert "Take spec.suspend in triggers/wind.yaml:3 away" in held.items[0].edit


def test_the_page_says_once_what_the_service_refused() -> None:
    error = "62103: no privilege"
    why = f"refused before ({error}); suspended"
    held = a_row("wind", RunState.REJECTED, error=error, why=why, reason=Reason.SUSPENDED)
    columns = page_of(told(held, held.but(run=RunId("sun"), why="suspended"))).data["columns"]
    assert [more and more.get("error") for more in columns["more"]] == [None, error]


def test_the_counts_above_tell_apart_what_needs_nobody_any_more() -> None:
    page = report_page(
        [
            told(
                a_row("old", RunState.FAILED, reason=Reason.FAILED),
                a_row("off", RunState.FAILED, reason=Reason.FAILED, place=PLACE, is_unwanted=True),
                a_row("refused", RunState.REJECTED),
                a_row("bad", RunState.FAILED, reason=Reason.FAILED, place=PLACE),
            )
        ],
        MADE,
    )
    assert "<b>1</b> failed" in page
    assert "<b>3</b> cancelled or undeclared" in page
    assert "</b> refused" not in page
    (kind,) = list_concerns(
        [told(a_row("bad", RunState.FAILED, reason=Reason.FAILED, place=PLACE))]
    )
    assert kind.number == 1


def test_a_backfill_that_is_stopped_needs_a_person_and_the_page_says_which_edit_helps() -> None:
    stopped = a_row("wind/1", RunState.PENDING, reason=Reason.STOPPED, why="stopped", place=PLACE)
    (kind,) = list_concerns([told(stopped)])
    assert (kind.name, kind.number) == ("stopped", 1)
    assert kind.items[0].edit.startswith("Raise spec.stopAfter in ")


def test_more_than_a_person_reads_is_counted() -> None:
    rows = [a_row(f"run-{number}", RunState.IN_DOUBT) for number in range(33)]
    (kind,) = list_concerns([told(*rows)])
    assert (kind.number, len(kind.items), kind.more) == (33, 20, 13)
    assert "… and 13 more." in page_of(told(*rows)).text
