"""What of an apply's news one webhook is told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.apply.news import News, NewsOfRun
from reconciler.webhooks import Occasion, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one webhook is told: of the news, those events that it wants."""

    environment: str
    commit: str | None
    events: Mapping[Occasion, Sequence[NewsOfRun]]
    standing: Mapping[str, int]
    is_test: bool = False


def told_to(webhook: Webhook, news: News) -> Share | None:
    """What of the news the webhook wants to hear; None where that is nothing."""
    events = {one: news.told[one] for one in Occasion if one in news.told and one in webhook.events}
    if not events:
        return None
    return Share(
        environment=news.environment, commit=news.commit, events=events, standing=news.standing
    )


def a_test(environment: str) -> Share:
    """A message that tells nothing but that it arrives."""
    return Share(environment=environment, commit=None, events={}, standing={}, is_test=True)
