"""The message about what an apply has done, as bytes: for programs, or for people in a chat.

Of the text of manifests and of the service, it holds only names (of environments, runs and
instances) and statuses: no parameter, no error message, no description.

Names may come from a manifest's values or from the service. In Slack they are code, in which Slack
reads no markup, and the three characters that begin its mentions and links are escaped. In Teams
they are text runs, in which Teams reads no Markdown. Pure.
"""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from msgspec import Struct

from reconciler.apply.news import NewsOfRun, Share
from reconciler.counting import format_count
from reconciler.model import manifest_of, run_name
from reconciler.render.safe import shorten_text
from reconciler.render.words import command
from reconciler.webhooks import Occasion, WebhookFormat

MOST_RUNS = 100  # of one event, in JSON; `total` says how many there are


class Postmark(Struct, frozen=True, kw_only=True):
    """What a message says of itself, so that its receiver notices when somebody sends it again."""

    id: str  # of this delivery to this webhook; the same for every try
    time: str  # RFC 3339, UTC, by this machine's clock
    apply: str | None  # the apply's id; None: it is a test
    job: str | None  # URL of the pipeline's job, where there is one


def body(format_: WebhookFormat, share: Share, postmark: Postmark) -> bytes:
    """The message in that format, as the bytes that are sent."""
    match format_:
        case WebhookFormat.JSON:
            message = _json_message(share, postmark)
        case WebhookFormat.SLACK:
            message = slack_message(share, postmark.job)
        case WebhookFormat.TEAMS:
            message = teams_message(share, postmark.job)
        case _:
            assert_never(format_)
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode()


def sign_body(secret: str, content: bytes) -> str:
    """The value of `X-Reconciler-Signature`: HMAC-SHA256 over the bytes of the body."""
    return f"sha256={hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}"


def _json_message(share: Share, postmark: Postmark) -> dict[str, Any]:
    return {
        "version": 1,
        "id": postmark.id,
        "time": postmark.time,
        "apply": postmark.apply,
        "job": postmark.job,
        "test": share.is_test,
        "environment": share.environment,
        "commit": share.commit,
        "events": [
            {
                "event": occasion.value,
                "total": len(runs),
                "runs": [_run(one) for one in runs[:MOST_RUNS]],
            }
            for occasion, runs in share.events.items()
        ],
        "standing": dict(share.standing),
    }


def _run(news: NewsOfRun) -> dict[str, Any]:
    record = news.record
    return {
        "run": news.run,
        "reason": news.reason,
        "flowId": news.flow_id,
        "triggerTime": news.trigger_time,
        "flowInstanceId": record.instances[0] if record and record.instances else None,
        "status": record.status if record else None,
        "waitsFor": list(news.waits_for[:MOST_RUNS]),
    }


SHOWN = 10  # runs of one event
_LONGEST = 200  # characters of a name
_SAFE_URL = re.compile(r"https?://[\w.:/?&=%~+-]+", re.ASCII)
_HEADINGS = {
    Occasion.IN_DOUBT: "In doubt: may have been started, and is not started again",
    Occasion.FAILED: "Failed",
    Occasion.BLOCKED: "Blocked",
    Occasion.STARTED: "Started",
    Occasion.ALL_DONE: "All done: nothing is under way or still to come",
}
_WORDS = {
    "started-twice": "was started twice",
    "in-doubt": "",
    "rejected": "was refused by the service; the next apply tries again",
    "stopped": "is stopped: too many runs of its manifest have failed",
}


class Name(Struct, frozen=True):
    """Text of unknown origin within a line."""

    text: str


_Line = Sequence[str | Name]


def slack_message(share: Share, job: str | None) -> dict[str, Any]:
    """A message for an incoming webhook of Slack, or of a chat that takes the same format."""
    lines = [f"*{_title(share)}*"]
    for heading, those in _sections(share):
        lines.append(f"*{heading}*")
        lines += [f"• {''.join(map(_mrkdwn, line))}" for line in those]
    lines += [_mrkdwn(Name(_advice(share)))] if share.events else []
    if job is not None:
        lines.append(f"<{_escape_for_slack(job)}|The job>" if _is_safe(job) else _mrkdwn(Name(job)))
    return {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}


def teams_message(share: Share, job: str | None) -> dict[str, Any]:
    """A message for a webhook of Microsoft Teams (Workflows): an Adaptive Card."""
    content: list[dict[str, Any]] = [_text_block(_title(share), size="Medium")]
    for heading, those in _sections(share):
        content.append(_text_block(heading))
        content += [{"type": "RichTextBlock", "inlines": list(map(_text_run, ln))} for ln in those]
    if share.events:
        content.append({"type": "RichTextBlock", "inlines": [_text_run(Name(_advice(share)))]})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": content,
    }
    if job is not None and _is_safe(job):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "The job", "url": job}]
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _title(share: Share) -> str:
    """Our own words and the environment's name, which has only a-z, 0-9 and hyphens."""
    if share.is_test:
        return f"{share.environment}: a test of the reconciler's notifications"
    counts = [
        "all done" if occasion is Occasion.ALL_DONE else f"{len(runs):,} {_word(occasion)}"
        for occasion, runs in share.events.items()
    ]
    return f"{share.environment}: {', '.join(counts)}"


def _word(occasion: Occasion) -> str:
    return occasion.value.replace("-", " ")


def _sections(share: Share) -> Iterator[tuple[str, list[_Line]]]:
    for occasion, runs in share.events.items():
        if occasion is Occasion.ALL_DONE:
            counts = ", ".join(
                f"{number:,} {word.replace('-', ' ')}" for word, number in share.standing.items()
            )
            yield _HEADINGS[occasion], [[counts]]
        elif occasion is Occasion.STARTED:
            yield _HEADINGS[occasion], _lines_by_manifest(runs)
        else:
            yield _HEADINGS[occasion], _lines_by_run(runs)


def _lines_by_manifest(runs: Sequence[NewsOfRun]) -> list[_Line]:
    of_each = Counter(manifest_of(run_name(one.run)) for one in runs)
    lines: list[_Line] = [
        [f"{format_count(number, 'run')} of ", Name(manifest)]
        for manifest, number in of_each.most_common(SHOWN)
    ]
    return lines + _rest_lines(len(of_each) - SHOWN, "manifest")


def _lines_by_run(runs: Sequence[NewsOfRun]) -> list[_Line]:
    return [list(_describe_news(one)) for one in runs[:SHOWN]] + _rest_lines(
        len(runs) - SHOWN, "run"
    )


def _rest_lines(number: int, noun: str) -> list[_Line]:
    return [[f"and {format_count(number, noun)} more"]] if number > 0 else []


def _describe_news(news: NewsOfRun) -> Iterator[str | Name]:
    yield Name(news.run)
    record = news.record
    words = _WORDS.get(news.reason, "")
    if words:
        yield f" {words}"
    if news.reason == "failed" and record is not None and record.status:
        yield " ended with "
        yield Name(record.status)
    if news.reason == "blocked" and news.waits_for:
        yield " by "
        yield Name(news.waits_for[0])
    if record is not None and record.instances and news.reason in {"failed", "started-twice"}:
        yield ", instance "
        yield Name(record.instances[0])


def _advice(share: Share) -> str:
    return command("status", "--env", share.environment)


def _mrkdwn(piece: str | Name) -> str:
    """The piece in Slack's markup. A name is code; backticks, which would end it, are replaced."""
    if isinstance(piece, str):
        return piece
    return f"`{_escape_for_slack(shorten_text(piece.text, _LONGEST)).replace('`', chr(0x2CB))}`"


def _escape_for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text_run(piece: str | Name) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"type": "TextRun", "text": piece}
    return {"type": "TextRun", "text": shorten_text(piece.text, _LONGEST), "fontType": "Monospace"}


def _text_block(text: str, **more: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "weight": "Bolder", "wrap": True, **more}


def _is_safe(url: str) -> bool:
    """Whether nothing in the URL can end the link that it stands in."""
    return _SAFE_URL.fullmatch(url) is not None
