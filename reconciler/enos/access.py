"""What the client needs to know: where the gateway is, on whose behalf to call, with which keys."""

from dataclasses import dataclass, field
from datetime import tzinfo
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler.schema.formats import is_loopback


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """One environment's gateway."""

    url: str  # https, or http on loopback; it may have a path
    org_id: str
    user_id: str
    zone: tzinfo  # in which the service's stamps without a zone are read
    timeout: float  # seconds for one request, from connecting to the answer's last byte
    requests_per_second: float | None  # of all workers together; None: no limit
    stamp_slack: float  # seconds by which stamps may differ from the service's clock
    ca_file: str | None  # a PEM file of CAs to trust besides the usual ones

    @property
    def host(self) -> str:
        """The gateway's host and port, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def on_loopback(self) -> bool:
        """Whether the gateway is on this machine, so that it is reached without a proxy."""
        return is_loopback(urlsplit(self.url).hostname or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The keys of an application registered in the EnOS console. Never shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
