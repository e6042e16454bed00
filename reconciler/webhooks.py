"""Who is told of what an apply has done: the `notify` list of an environment."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct

from reconciler.schema.paths import Finding


class Occasion(StrEnum):
    """What somebody can be told of, in the order in which a message says it."""

    IN_DOUBT = "in-doubt"  # nobody can tell whether a run was started; or it was started twice
    FAILED = "failed"  # a run ended badly, with no attempt left, or the service refused it
    BLOCKED = "blocked"  # a run will not start as things stand, because another has failed
    STARTED = "started"
    ALL_DONE = "all-done"  # nothing is under way or still to come


NEEDS_A_PERSON = (Occasion.FAILED, Occasion.IN_DOUBT, Occasion.BLOCKED)


class WebhookFormat(StrEnum):
    """The kind of message that a webhook understands."""

    JSON = "json"
    SLACK = "slack"  # and what takes Slack's messages: Mattermost, Rocket.Chat
    TEAMS = "teams"


class Webhook(Struct, frozen=True, kw_only=True):
    """One address that is told. It holds no secret: secrets are in environment variables."""

    format: WebhookFormat = WebhookFormat.JSON
    url: str | None = None  # https, or http on loopback
    url_env: str | None = None  # or the name of the variable that holds it; one of the two is set
    secret_env: str | None = None  # the name of the variable with the secret that signs messages
    events: tuple[Occasion, ...] = NEEDS_A_PERSON

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Read a value that conforms to the schema."""
        return cls(
            format=WebhookFormat(value.get("format", WebhookFormat.JSON)),
            url=value.get("url"),
            url_env=value.get("urlEnv"),
            secret_env=value.get("secretEnv"),
            events=tuple(map(Occasion, value.get("events", NEEDS_A_PERSON))),
        )

    def json_object(self) -> dict[str, Any]:
        """The webhook as JSON, with the field names of the file."""
        return {
            "format": self.format.value,
            "url": self.url,
            "urlEnv": self.url_env,
            "secretEnv": self.secret_env,
            "events": [one.value for one in self.events],
        }


def webhook_findings(path: tuple[str | int, ...], values: Sequence[Any]) -> list[Finding]:
    """Findings that the schema cannot give, about a `notify` list that conforms to it."""
    found = []
    for number, value in enumerate(values):
        if value.get("format", WebhookFormat.JSON) == WebhookFormat.JSON:
            continue
        for name, words in (("url", _URL_ELSEWHERE), ("secretEnv", _SIGNS_NOTHING)):
            if name in value:
                at = (*path, number, name)
                found.append(Finding(path=at, code="exclusive", words=words, where="key"))
    return found


_URL_ELSEWHERE = (
    "cannot stand here: whoever knows the URL of a chat's webhook may post there, so name an "
    "environment variable that holds it (urlEnv)"
)
_SIGNS_NOTHING = "goes only together with format: json, because a chat verifies no signature"
