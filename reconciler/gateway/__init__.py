"""The EnOS gateway over HTTP: the one package that speaks it."""

from typing import TYPE_CHECKING, Any

from reconciler.gateway.settings import Credentials, GatewaySettings

if TYPE_CHECKING:
    from reconciler.gateway.client import EnosConnection, EnosGateway, open_gateway

__all__ = ["Credentials", "EnosConnection", "EnosGateway", "GatewaySettings", "open_gateway"]


def __getattr__(name: str) -> Any:
    """Import the client, and httpx with it, when it is asked for: hooks need only the settings."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconciler.gateway import client

    return getattr(client, name)
