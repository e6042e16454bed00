"""Tell the webhooks of an environment what an apply has done, or send them a test."""

import os
import re
import secrets
from collections.abc import Sequence

from msgspec import Struct

from reconciler.apply.news import Effect, News, Share, make_test_share, news_of, select_news
from reconciler.cli.bounded import run_bounded
from reconciler.cli.clock import LocalClock
from reconciler.cli.journal import Level
from reconciler.cli.machine import applier
from reconciler.cli.saying import journal, say
from reconciler.configuration import Environment
from reconciler.notify.addresses import Address, NoAddress, address_of
from reconciler.times import format_instant

_URL = re.compile(r"https?://\S+")


class Letter(Struct, frozen=True, kw_only=True):
    """What one webhook will be told."""

    address: Address
    share: Share


def tell_effect(
    effect: Effect | None, apply_id: str, *, quiet: bool, checks_all: bool = True
) -> None:
    """Tell the webhooks that want to know what was recorded; warn of those that cannot be told.

    Never fails, and takes no longer than a few seconds: an exit code must not depend on it. Raises
    KeyboardInterrupt once it has said that this broke the telling off.
    `checks_all`: warn of a webhook that cannot be told even if there is nothing to tell.
    """
    if effect is None or not effect.now.environment.notify:
        return
    broken_off: KeyboardInterrupt | None = None
    try:
        news = news_of(effect)
        if news is None and not checks_all:
            return
        addresses = _addresses(effect.now.environment)
        outcomes: list[tuple[str, str | None]] = [
            (one.label, one.reason) for one in addresses if isinstance(one, NoAddress)
        ]
        outcomes += _tell([one for one in addresses if isinstance(one, Address)], news, apply_id)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what was done is still reported
        outcomes = [("notify", type(error).__name__)]
        broken_off = error if isinstance(error, KeyboardInterrupt) else None
    if not quiet:
        _say(outcomes)
    if broken_off is not None:
        raise broken_off


def _say(outcomes: Sequence[tuple[str, str | None]]) -> None:
    """Warn of webhooks that were not told; a log of JSON also has those that were."""
    log = journal()
    for label, failure in outcomes:
        if log is not None:
            level: Level = "info" if failure is None else "warning"
            words = f"{label} was told" if failure is None else f"{label} was not told: {failure}"
            log.record(level, words, event="notified")
        elif failure is not None:
            say(f"warning: {label} was not told: {failure}")


def tell_test(environment: Environment) -> list[tuple[str, str | None]]:
    """Send a test to each webhook; gives each label, and why it was not told (None if it was)."""
    addresses = _addresses(environment)
    found = {one.label: one.reason if isinstance(one, NoAddress) else None for one in addresses}
    letters = [
        Letter(address=one, share=make_test_share(environment.name))
        for one in addresses
        if isinstance(one, Address)
    ]
    return list((found | dict(_send(letters, None))).items())


def _addresses(environment: Environment) -> list[Address | NoAddress]:
    return [
        address_of(webhook, number, os.environ) for number, webhook in enumerate(environment.notify)
    ]


def _tell(
    usable: Sequence[Address], news: News | None, apply_id: str
) -> list[tuple[str, str | None]]:
    """Send each webhook its share of the news; gives labels, and why one was not told (or None)."""
    if news is None:
        return []
    wanted = [
        Letter(address=address, share=share)
        for address in usable
        if (share := select_news(address.webhook, news)) is not None
    ]
    return _send(wanted, apply_id)


def _send(wanted: Sequence[Letter], apply_id: str | None) -> list[tuple[str, str | None]]:
    if not wanted:
        return []
    from reconciler.notify.message import Postmark, body
    from reconciler.notify.posting import Delivery, deliver

    by = applier()
    deliveries = []
    for one in wanted:
        postmark = Postmark(
            id=secrets.token_hex(16),
            time=format_instant(LocalClock().wall()),
            apply=apply_id,
            job=by if _URL.fullmatch(by) else None,
        )
        content = body(one.address.webhook.format, one.share, postmark)
        deliveries.append(Delivery(address=one.address, postmark=postmark, content=content))
    return [(one.label, one.failure) for one in run_bounded(deliver(deliveries))]
