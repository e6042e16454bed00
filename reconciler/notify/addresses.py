"""Where messages go: the URL and the secret of a webhook, from environment variables.

Anybody who opens a pull request can write the configuration, and a job holds other secrets as
well. So the configuration can name only variables that are meant for webhooks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler.schema.formats import check_webhook_url
from reconciler.webhooks import Webhook

ALLOWED_VARIABLES = "RECONCILER_NOTIFY_VARIABLES"
_PREFIX = "NOTIFY_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One webhook, ready to be sent to."""

    label: str  # its name in messages; holds no secret
    webhook: Webhook
    url: str = field(repr=False)  # a chat's URL is itself the secret
    secret: str | None = field(repr=False)


class NoAddress(Struct, frozen=True, kw_only=True):
    """A webhook that cannot be sent to."""

    label: str
    reason: str


def address_of(webhook: Webhook, number: int, variables: Mapping[str, str]) -> Address | NoAddress:
    """Find the URL and secret of the webhook, the environment's `number`th, counted from 0."""
    label = f"notify[{number}] ({webhook.url_env or urlsplit(webhook.url or '').hostname})"
    for variable in filter(None, (webhook.url_env, webhook.secret_env)):
        reason = _unusable_reason(variable, variables)
        if reason is not None:
            return NoAddress(label=label, reason=reason)
    url = webhook.url or variables[webhook.url_env or ""].strip()
    try:
        check_webhook_url(url)
    except ValueError as error:
        return NoAddress(label=label, reason=f"its URL {error}")
    secret = variables[webhook.secret_env].strip() if webhook.secret_env else None
    return Address(label=label, webhook=webhook, url=url, secret=secret)


def _unusable_reason(variable: str, variables: Mapping[str, str]) -> str | None:
    allowed = variables.get(ALLOWED_VARIABLES, "").replace(",", " ").split()
    if not variable.startswith(_PREFIX) and variable not in allowed:
        return (
            f"the environment variable {variable} is not read: the names of a webhook's variables "
            f"begin with {_PREFIX}, unless {ALLOWED_VARIABLES} holds them where the command runs"
        )
    if not variables.get(variable, "").strip():
        return f"the environment variable {variable} is not set"
    return None
