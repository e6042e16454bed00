"""Messages: what they say, and that no name in them is more than a name."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from reconciler.apply.news import NewsOfRun, Share, make_test_share
from reconciler.ledger.records import FullRecord, Phase, Start
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, RunId
from reconciler.notify.message import MOST_RUNS, Postmark, body, sign_body
from reconciler.schema import validate
from reconciler.times import format_instant
from reconciler.webhooks import Occasion, WebhookFormat
from tests.render.values import OBEYED, texts
from tests.repositories import PROJECT

JOB = "https://github.com/acme/runs/actions/runs/7"
POSTMARK = Postmark(id="f" * 32, time="2024-03-02T00:00:00Z", apply="a1", job=JOB)
HOSTILE = "<!channel> <https://evil.test|x> *b* `<@U1>` [a](https://evil.test) ![i](x) @all {{x}}"


def news(run: str, reason: str = "failed", status: str = "FAIL", id_: str = "1-2") -> NewsOfRun:
    record = FullRecord(
        run=RunId(run),
        phase=Phase.FAILED,
        digest=Digest("0" * 64),
        trigger_time=EpochMs(1),
        starts=(Start(claim=Nonce("c"), instance=InstanceId(id_), at="2024-03-02T00:00:00Z"),),
        status=status,
    )
    return NewsOfRun(
        run=RunId(run),
        record=record,
        flow_id=7,
        trigger_time=EpochMs(1),
        reason=reason,
        waits_for=("b",),
    )


def told(events: Mapping[Occasion, Sequence[NewsOfRun]]) -> Share:
    standing = {"succeeded": 60, "failed": 2}
    return Share(environment="prod", commit="1a2b", events=events, standing=standing)


def made(form: WebhookFormat, what: Share, postmark: Postmark = POSTMARK) -> Any:
    return json.loads(body(form, what, postmark))


def slack(what: Share) -> str:
    text = made(WebhookFormat.SLACK, what)["text"]
    assert isinstance(text, str)
    return text


EVERY = {
    Occasion.IN_DOUBT: [news("a", "in-doubt"), news("b", "started-twice")],
    Occasion.FAILED: [news("w/2024-03-01/SITE=x"), news("c", "rejected")],
    Occasion.BLOCKED: [news("d", "blocked"), news("e", "stopped")],
    Occasion.STARTED: [news(f"w/2024-03-0{day}", "started") for day in range(1, 4)],
    Occasion.ALL_DONE: [],
}


def test_a_chat_reads_what_has_happened_and_what_to_do() -> None:
    assert slack(told(EVERY)).split("\n") == [
        "*prod: 2 in doubt, 2 failed, 2 blocked, 3 started, all done*",
        "*In doubt: may have been started, and is not started again*",
        "• `a`",
        "• `b` was started twice, instance `1-2`",
        "*Failed*",
        "• `w/2024-03-01/SITE=x` ended with `FAIL`, instance `1-2`",
        "• `c` was refused by the service; the next apply tries again",
        "*Blocked*",
        "• `d` by `b`",
        "• `e` is stopped: too many runs of its manifest have failed",
        "*Started*",
        "• 3 runs of `w`",
        "*All done: nothing is under way or still to come*",
        "• 60 succeeded, 2 failed",
        "`reconciler status --env prod`",
        f"<{JOB}|The job>",
    ]


def test_a_card_says_the_same() -> None:
    message = made(WebhookFormat.TEAMS, told(EVERY))
    card = message["attachments"][0]["content"]
    lines = [
        part.get("text") or "".join(one["text"] for one in part["inlines"]) for part in card["body"]
    ]
    expected = slack(told(EVERY)).split("\n")[:-1]
    assert lines == [re.sub("[*`]|^• ", "", line) for line in expected]
    assert [one["url"] for one in card["actions"]] == [JOB]


def test_json_conforms_to_its_schema() -> None:
    for what in (told(EVERY), make_test_share("prod")):
        assert validate("notification", made(WebhookFormat.JSON, what)) == ()


def test_a_long_list_is_cut_and_counted() -> None:
    many = told({Occasion.FAILED: [news(f"r{number}") for number in range(1_234)]})
    assert "*prod: 1,234 failed*" in slack(many)
    assert slack(many).count("ended with") == 10
    assert "• and 1,224 runs more" in slack(many)
    (event,) = made(WebhookFormat.JSON, many)["events"]
    assert (event["total"], len(event["runs"])) == (1_234, MOST_RUNS)


def plain(text: str) -> str:
    """Slack's text without what stands as code: in it nothing is read but `<`, `>` and `&`."""
    return re.sub("`[^`\n]*`", "", text)


@given(texts, texts, texts)
def test_no_name_leaves_its_place_in_slack(run: str, status: str, instance: str) -> None:
    events = {
        occasion: [news(f"{HOSTILE}{run}", reason, status + HOSTILE, instance + HOSTILE)]
        for occasion, reason in (
            (Occasion.IN_DOUBT, "started-twice"),
            (Occasion.FAILED, "failed"),
            (Occasion.BLOCKED, "blocked"),
            (Occasion.STARTED, "started"),
        )
    }
    text = slack(told(events))
    expected = slack(told({one: [news("x", those[0].reason)] for one, those in events.items()}))
    assert plain(text) == plain(expected)
    assert re.findall("<[^>]*>", text) == [f"<{JOB}|The job>"]
    assert not re.search("&(?!amp;|lt;|gt;)", text)
    assert not OBEYED.search(text)


@given(texts)
def test_no_name_leaves_its_place_in_teams(name: str) -> None:
    card = made(
        WebhookFormat.TEAMS, told({Occasion.FAILED: [news(name + HOSTILE, "failed", name, name)]})
    )
    body_ = card["attachments"][0]["content"]["body"]
    read_as_markdown = [one["text"] for one in body_ if one["type"] == "TextBlock"]
    assert read_as_markdown == ["prod: 1 failed", "Failed"]
    assert not OBEYED.search(json.dumps(card, ensure_ascii=False))


@pytest.mark.parametrize(
    "job", ["https://ci.test/a|b", "https://ci.test/<!channel>", "https://ci.test/) [x](y"]
)
def test_a_job_whose_url_could_end_its_link_gets_none(job: str) -> None:
    postmark = Postmark(id="1", time="t", apply=None, job=job)
    text = made(WebhookFormat.SLACK, told(EVERY), postmark)["text"]
    assert "<" not in text
    card = made(WebhookFormat.TEAMS, told(EVERY), postmark)["attachments"][0]["content"]
    assert "actions" not in card


def test_slack_shows_no_page_that_a_message_links_to() -> None:
    message = made(WebhookFormat.SLACK, make_test_share("prod"))
    assert message["unfurl_links"] is message["unfurl_media"] is False


def test_what_the_documents_verify_with_takes_a_message_once_and_as_it_was_sent() -> None:
    page = (PROJECT / "docs/operating.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?def verified.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102 - our own page
    now, old = (
        replace(POSTMARK, time=format_instant(EpochMs(int((time.time() - age) * 1000))))
        for age in (0, 600)
    )
    seen: set[str] = set()

    def verify(postmark: Postmark, key: str = "key", after: bytes = b"") -> Any:
        content = body(WebhookFormat.JSON, told(EVERY), postmark)
        headers = {"X-Reconciler-Signature": sign_body(key, content)}
        return names["verified"]("key", content + after, headers, seen)

    for wrong in ({"key": "other"}, {"after": b" "}):
        with pytest.raises(ValueError, match="not from"):
            verify(now, **wrong)
    with pytest.raises(ValueError, match="once more"):
        verify(old)
    assert verify(now)["environment"] == "prod"
    with pytest.raises(ValueError, match="once more"):
        verify(now)


def test_the_signature_is_over_every_byte() -> None:
    content = body(WebhookFormat.JSON, make_test_share("prod"), POSTMARK)
    # printf %s CONTENT | openssl dgst -sha256 -hmac key
    assert sign_body("key", b"The quick brown fox jumps over the lazy dog") == (
        "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )
    assert sign_body("key", content) != sign_body("key", content + b"\n")
    assert sign_body("key", content) != sign_body("kez", content)
