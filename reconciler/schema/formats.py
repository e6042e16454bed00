"""The formats that the schemas name: one function each, which both validators call."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from urllib.parse import urlsplit

from reconciler.schema.paths import quotable_text
from reconciler.times import parse_instant, parse_zone

_DATE = r"(?a)\d{4}-\d\d-\d\d"
_URL_CHARACTERS = re.compile(r"[!-~]+")  # urlsplit silently drops some others

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")  # of a host's name
_LONGEST_HOST = 254  # with a dot at its end
_IPV4_PARTS = 4
_LONGEST_PATH = 1_000  # what is made from a path grows with the square of its length
_DRIVE = re.compile(r"[A-Za-z]:")
_CRON_FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day-of-month": (1, 31),
    "month": (1, 12),
    "day-of-week": (0, 6),
}
_CRON_NAMES: Mapping[str, Sequence[str]] = {  # beginning with the field's first value
    "month": ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    "day-of-week": ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
}
_NUMBER = r"[0-9]{1,4}"
_STEP = r"[0-9]{1,200}"
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - on a clock, whatever its zone


def parse_date(text: str) -> date:
    """A calendar date, YYYY-MM-DD. Raises ValueError with words for a person."""
    if not re.fullmatch(_DATE, text):
        raise ValueError("is not a date, such as 2024-03-01")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is not a date that exists: {error}") from None


def check_cron(text: str) -> None:
    """Raise ValueError, with words for a person, unless it is a cron expression of five fields."""
    from cronsim import CronSim, CronSimError

    fields = dict(zip(_CRON_FIELDS, text.split(), strict=False))
    if not text.isascii() or len(text.split()) != len(_CRON_FIELDS):
        raise ValueError(f"must have five fields ({', '.join(_CRON_FIELDS)}), such as 0 8 * * 1-5")
    for name, text_of_field in fields.items():
        _check_cron_field(name, text_of_field)
    try:
        CronSim(text, _ANY_TIME)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        named = (
            f"the {name} {quotable_text(fields[name])}" if name in fields else "one of its fields"
        )
        raise ValueError(f"has a field that is wrong or never met: {named}") from None
    except Exception:  # noqa: BLE001 - what the library makes of nonsense is not documented
        raise ValueError("is not a cron expression, such as 0 8 * * 1-5") from None


def _check_cron_field(name: str, text: str) -> None:
    """Raise ValueError for a field that the library accepts, but nobody can mean."""
    for term in text.upper().split(","):
        span, slash, step = term.partition("/")
        if slash and span in {"L", "LW"}:
            raise ValueError(
                f"has a step from {span} in the {name} {quotable_text(text)}: take it away"
            )
        if span == "?":
            raise ValueError(f"has ? as the {name}, which only some schedulers know: write *")
        number = _count_values(span, name)
        if number and re.fullmatch(_STEP, step) and int(step) > number:
            of = "one value that is" if number == 1 else f"{number} values that are"
            raise ValueError(
                f"has the {name} {quotable_text(text)}, whose step is longer than the {of} gone "
                "through: write the only one that is met"
            )


def _count_values(span: str, name: str) -> int:
    """How many values a step goes through; 0 if the span is not for us to judge."""
    first, last = _CRON_FIELDS[name]
    if span == "*":
        return last - first + 1
    start, dash, end = span.partition("-")
    since = _value(start, name)
    # Without an end, to the field's last value; from 7 on, which is Sunday as well, to 7.
    until = _value(end, name) if dash else max(last, since or 0)
    return 0 if since is None or until is None else until - since + 1


def _value(text: str, name: str) -> int | None:
    if text in _CRON_NAMES.get(name, ()):
        return _CRON_FIELDS[name][0] + _CRON_NAMES[name].index(text)
    return int(text) if re.fullmatch(_NUMBER, text) else None


def check_gateway_url(text: str) -> None:
    """Raise ValueError unless the URL is https, or http to this very machine.

    Every request carries credentials, so plain http must not leave the machine. The error never
    quotes the URL, which may hold a password.
    """
    _check_url(text, "https://apim.example.com")
    if "?" in text or "#" in text:
        raise ValueError("must end before any ? or #")


def check_webhook_url(text: str) -> None:
    """Raise ValueError unless the URL is as safe as a gateway's; it may have a query.

    The error never quotes the URL: a chat's webhook has no other secret than its URL.
    """
    _check_url(text, "https://alerts.example.com/reconciler")


def check_instance_url(text: str) -> None:
    """Raise ValueError unless the text is a URL with a placeholder for an instance's id.

    People follow such a link, perhaps with a session at its host. So it must be as safe as the
    gateway's URL, and nothing that the service says about an instance may be part of the host.
    """
    example = "https://enos.example.com/flows/{flowId}/instances/{flowInstanceId}"
    plain = text
    for name in INSTANCE_FIELDS:
        plain = plain.replace(f"{{{name}}}", "")
    if "{" in plain or "}" in plain:
        raise ValueError(f"must have no braces but {_BRACED}, for example {example}")
    if plain.partition("://")[2].partition("/")[0] != text.partition("://")[2].partition("/")[0]:
        raise ValueError("must have no braces in its host")
    _check_url(plain, example)
    if "{flowInstanceId}" not in text:
        raise ValueError(f"must contain {{flowInstanceId}}, for example {example}")


INSTANCE_FIELDS = ("flowInstanceId", "flowId")
_BRACED = " and ".join(f"{{{name}}}" for name in INSTANCE_FIELDS)


def _check_url(text: str, example: str) -> None:
    if not _URL_CHARACTERS.fullmatch(text):
        raise ValueError(f"is not a URL, such as {example}")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"is not a URL, such as {example}") from None
    if url.scheme not in {"http", "https"} or not host:
        raise ValueError(f"needs a scheme and a host, such as {example}")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// is for this machine only: 127.0.0.1)")
    if not _is_possible_host(host):
        raise ValueError(f"has a host that cannot exist: correct it, as in {example}")
    if port == 0:
        raise ValueError("has the port 0, at which nothing can be reached")
    if "@" in url.netloc:
        raise ValueError("must not hold a user or password: secrets come from the environment")


def _is_possible_host(host: str) -> bool:
    """Whether a host of that name may exist: one of the DNS, of a local network, or an address.

    Names with underscores are no host names by the standards, and are used all the same.
    """
    if ":" in host:
        return True  # urlsplit takes no other colon than those of an IPv6 address
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        return False
    if len(labels) < _IPV4_PARTS or not all(map(str.isdecimal, labels)):
        return True
    try:
        ipaddress.IPv4Address(".".join(labels))
    except ValueError:
        return False
    return True


def parse_folder(text: str) -> str:
    """The path of a folder in the repository, relative to its root, in its shortest form.

    Raises ValueError with words for a person. The root itself is refused, because it holds more
    than manifests or a ledger.
    """
    return _path(text, "folder")


def parse_file(text: str) -> str:
    """The path of a file in the repository, with the rules of `parse_folder`."""
    return _path(text, "file")


def _path(text: str, kind: str) -> str:
    if len(text) > _LONGEST_PATH:
        raise ValueError(f"must have at most {_LONGEST_PATH} characters")
    if not text.isprintable() or "\\" in text:
        raise ValueError(f"must be a {kind} with / between its parts")
    if text.startswith("/"):
        raise ValueError("must be relative to the repository's root: take the leading / away")
    if _DRIVE.match(text):
        raise ValueError("must be relative to the repository's root: take the drive away")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValueError("must lie inside the repository, without ..")
    if not parts:
        raise ValueError(f"must be a {kind} of its own, not the repository's root")
    if any(part.casefold() == ".git" for part in parts):
        raise ValueError("must not lie in .git, which is git's own")
    return "/".join(parts)


def is_loopback(host: str) -> bool:
    """Whether the host of a URL is certainly this machine.

    Of names only `localhost` is. RFC 6761 says the same of all below it, such as
    `gateway.localhost`, but some resolvers ask the network for those.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


FORMATS: Mapping[str, Callable[[str], object]] = {
    "date-time": parse_instant,
    "date": parse_date,
    "time-zone": parse_zone,
    "gateway-url": check_gateway_url,
    "instance-url": check_instance_url,
    "webhook-url": check_webhook_url,
    "folder": parse_folder,
    "file": parse_file,
    "cron": check_cron,
}


def conforms(name: str) -> Callable[[object], bool]:
    """The format as a predicate for jsonschema-rs; it is true of values that are not text."""
    check = FORMATS[name]

    def is_valid(value: object) -> bool:
        if isinstance(value, str):
            try:
                check(value)
            except ValueError:
                return False
        return True

    return is_valid
