"""Which proxy leads to a gateway, by the environment variables that curl reads.

These are curl's rules, because httpx's end in a traceback at a network or an IPv6 address. A
variable's name in lower case wins over upper case, and an empty variable counts as not set.
`NO_PROXY` holds hosts, separated by commas or blanks. A name, with or without a leading dot or
`*.`, stands for itself and its subdomains; an address for itself, an IPv6 one with or without
brackets; a network (`10.0.0.0/8`, `fd00::/8`) for the addresses in it; `*` for all. A port after a
host restricts the entry to that port.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import ConfigurationError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORT = 443  # of a gateway: one without TLS is on this machine and has no proxy
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy, and the variable that names it."""

    url: str = field(repr=False)  # it may hold a password
    variable: str

    @property
    def scheme(self) -> str:
        """The protocol that the proxy speaks."""
        return urlsplit(self.url).scheme

    @property
    def shown(self) -> str:
        """The proxy's address without user and password, and the variable that names it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}, which {self.variable} names"


def proxy_for(url: str, variables: Mapping[str, str]) -> Proxy | None:
    """The proxy that leads to the https URL; None if none does.

    Raises ConfigurationError, without the password, for a proxy that cannot be used.
    """
    found = _find_variable(variables, "https_proxy", "all_proxy")
    if found is None or is_excepted(url, _value(variables, "no_proxy")):
        return None
    variable, value = found
    parts, why = _split(value if "://" in value else f"http://{value}")
    if parts is None:
        raise ConfigurationError(
            f"the proxy that {variable} names cannot be used: {why}",
            hint=f"Write {variable}=http://HOST:PORT, or name the gateway in NO_PROXY.",
        )
    return Proxy(url=parts.geturl(), variable=variable)


def is_excepted(url: str, no_proxy: str) -> bool:
    """Whether `NO_PROXY` with that value excepts the https URL from the proxy."""
    parts = urlsplit(url)
    host, port = _tidy(parts.hostname or ""), parts.port or _DEFAULT_PORT
    return any(_covers(entry, host, port) for entry in no_proxy.replace(",", " ").split())


def _find_variable(variables: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """The first of these variables that has a value: its name as it was found, and the value."""
    for name in names:
        for written in (name, name.upper()):
            value = variables.get(written, "").strip()
            if value:
                return written, value
    return None


def _value(variables: Mapping[str, str], name: str) -> str:
    found = _find_variable(variables, name)
    return "" if found is None else found[1]


def _split(url: str) -> tuple[SplitResult | None, str]:
    """The parts of a proxy's URL; or None and what is wrong with the URL, without its secrets."""
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        return None, f"its scheme is none of {', '.join(_SCHEMES)}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # do not quote it: it may hold a password that was taken for a port
        return None, f"its port is no number from 1 to {_HIGHEST_PORT}, or its host no host"
    host = parts.hostname or ""
    if port == 0:
        return None, f"its port is no number from 1 to {_HIGHEST_PORT}"
    if not host or not host.isprintable() or " " in host:
        return None, "it names no host"
    return parts, ""


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one entry of `NO_PROXY` stands for the host and port."""
    name, only = _split_port(entry.partition("://")[2] or entry)
    if only is not None and only != port:
        return False
    if name == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            network = ip_network(name.strip("[]").replace("]/", "/"), strict=False)
        except ValueError:  # the entry is a name, not an address
            return False
        return address in network
    name = _tidy(name.removeprefix("*"))
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """The entry's host or network, and its port if it has one."""
    host, colon, port = entry.rpartition(":")
    is_bare_v6 = ":" in host and not host.endswith("]")
    if not colon or is_bare_v6 or not port.isascii() or not port.isdecimal():
        return entry, None
    return host, int(port)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _tidy(name: str) -> str:
    return name.strip(".").lower()
