"""The message that tells what an apply has done, as bytes. Pure.

No text of a manifest's or the service's own stands in it but names: of environments, runs and
instances. No parameter, no error message, no description.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.apply.news import NewsOfRun
from reconciler.notify.chat import slack_message, teams_message
from reconciler.notify.shares import Share
from reconciler.webhooks import WebhookFormat

MOST_RUNS = 100  # of one event, in JSON; how many there are stands beside them


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmark:
    """What a message says of itself, so that nobody can send it once more unseen."""

    id: str  # of this delivery to this webhook; the same each time that it is tried
    time: str  # RFC 3339, UTC, by this machine's clock
    apply: str | None  # the apply's id; None: it is a test
    job: str | None  # URL of the pipeline's job, where there is one


def body(format_: WebhookFormat, share: Share, postmark: Postmark) -> bytes:
    """The message in the format, as it is sent."""
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


def signature(secret: str, content: bytes) -> str:
    """The value of `X-Reconciler-Signature`: HMAC-SHA256 over the body, byte for byte."""
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
