"""Which service starts runs, and whether two may be the same one."""

from urllib.parse import urlsplit

from reconciler.configuration import GatewayConfiguration
from reconciler.ledger.events import Service


def service_of(gateway: GatewayConfiguration) -> Service:
    """The service of an environment, in the form that claims record."""
    parts = urlsplit(gateway.url)
    port = {"https": 443, "http": 80}.get(parts.scheme.lower())
    host = (parts.hostname or "").lower()
    address = host if parts.port in {None, port} else f"{host}:{parts.port}"
    url = f"{parts.scheme.lower()}://{address}{parts.path.rstrip('/')}"
    return Service(
        org_id=gateway.org_id, gateway=url, user_id=gateway.user_id, name=gateway.service
    )


def may_be_one(one: Service, other: Service) -> bool:
    """Whether what was started at one may have been started at the other.

    Two services under one organisation are told apart by names that both have, at addresses that
    differ. For example, what was started before the gateway got a name was started at some service
    of the organisation, perhaps at the one that has the name now; and a name that is given to an
    address, or changed, makes no other service of it.
    """
    if service_name(one) == service_name(other):
        return True
    named = one.name is not None and other.name is not None
    return one.org_id == other.org_id and (not named or one.gateway == other.gateway)


def goes_on(before: Service, now: Service) -> bool:
    """Whether a ledger that records starts at one service may go on at the other."""
    if before.org_id != now.org_id:
        return False
    return before.gateway == now.gateway or before.name == now.name


def service_name(service: Service) -> str:
    """What people call it."""
    return service.name or service.org_id
