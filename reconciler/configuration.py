"""`reconciler.yaml`: strict reading into typed values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from reconciler.errors import ConfigurationError
from reconciler.expansion import FIRST_YEAR, MOST_DECLARED, MOST_RUNS, SENSITIVE, YEARS_AHEAD
from reconciler.manifest.document import Document, read_documents
from reconciler.model import Place, Problem, Source
from reconciler.schema import Finding
from reconciler.schema.formats import parse_file, parse_folder
from reconciler.schema.paths import Path, pointer, quotable_text
from reconciler.times import parse_zone

if TYPE_CHECKING:
    from reconciler.webhooks import Webhook

CONFIGURATION = "reconciler.yaml"  # the file's name


class GitConfiguration(Struct, frozen=True, kw_only=True):
    """Where the shared branch is."""

    remote: str = "origin"
    branch: str | None = None  # None: the remote's default branch
    ledger_branch: str | None = None  # None: the ledger lies on `branch`, beside the manifests


class GatewayConfiguration(Struct, frozen=True, kw_only=True):
    """The EnOS gateway of an environment, and on whose behalf it is asked. Holds no secret."""

    url: str  # https, or http on loopback
    org_id: str
    user_id: str
    timezone: str  # as written: GMT+8 or an IANA name
    zone: tzinfo  # what `timezone` means
    access_key_env: str = "ENOS_ACCESS_KEY"  # names of environment variables
    secret_key_env: str = "ENOS_SECRET_KEY"  # noqa: S105 - the name of a variable
    ca_file: str | None = None  # relative to the repository's root
    timeout: float = 30  # seconds, one request
    settle: float = 5  # seconds that a started instance may take to show up in a search
    stamp_slack: float = 300  # seconds that the stamps of instances may differ from the clock
    same_minute_allowed: bool = False  # two runs of one flow in one minute
    correlation_parameter: str | None = None  # the one that names an instance's run and claim
    instance_url: str | None = None  # with {flowInstanceId}: where a person sees an instance
    service: str | None = None  # a name, where one organisation has more than one service


class Limits(Struct, frozen=True, kw_only=True):
    """How much an apply does at once, and how much manifests may declare."""

    max_runs_per_apply: int = 200
    max_runs_per_backfill: int = MOST_RUNS  # that one manifest may declare
    max_runs: int = MOST_DECLARED  # that all manifests together may declare
    max_active_per_flow: int | None = None  # runs started and not ended; None: no limit
    concurrency: int = 8
    requests_per_second: float | None = None  # None: no limit
    claim_seconds: float = 120
    first_year: int = FIRST_YEAR  # times in manifests must not lie before it
    years_ahead: int = YEARS_AHEAD  # nor more years than this after now
    sensitive_parameters: tuple[str, ...] = SENSITIVE  # patterns of names; case is ignored

    @property
    def margin(self) -> float:
        """Seconds before a claim's end, added to a timeout, during which no run is started."""
        return min(_MOST_MARGIN, self.claim_seconds / 10)


_MOST_MARGIN = 5.0
_BRANCHES = ("branch", "ledgerBranch")
_KEYS = ("accessKeyEnv", "secretKeyEnv")
# What git-check-ref-format(1) forbids, and the schema's pattern cannot say in a way to be read.
_NO_BRANCH = r"\.\.|//|@\{|/\.|\.lock(/|$)|[./]$"


class PlacedFields(Struct, frozen=True, kw_only=True):
    """Fields of the configuration, and the places of those that problems speak of later."""

    places: Mapping[str, Place] = field(default_factory=dict)  # by JSON Pointer

    def place_of(self, pointer: str) -> Place:
        """Where the value stands, or the file where no place of it is kept."""
        return self.places.get(pointer, Place(file=CONFIGURATION))


class Environment(PlacedFields, frozen=True, kw_only=True):
    """One environment: manifests, ledger and gateway."""

    name: str
    manifests: str  # folder, relative to the repository's root, without a slash at its end
    state: str  # likewise, of the ledger; no other environment's folder lies in or around it
    gateway: GatewayConfiguration
    limits: Limits
    notify: "tuple[Webhook, ...]" = ()  # who is told of what an apply has done

    @property
    def manifests_pointer(self) -> str:
        """The JSON Pointer of `manifests`."""
        return pointer(("environments", self.name, "manifests"))

    @property
    def organisation_pointer(self) -> str:
        """The JSON Pointer of `orgId`."""
        return pointer(("environments", self.name, "gateway", "orgId"))


class Configuration(PlacedFields, frozen=True, kw_only=True):
    """What `reconciler.yaml` says."""

    git: GitConfiguration
    environments: Mapping[str, Environment]  # at least one, by name, in the file's order
    retired: tuple[str, ...] = ()  # folders of ledgers that are read and not written any more


class InvalidConfigurationError(ConfigurationError):
    """The configuration has problems; all of them, sorted, are in `problems`."""

    has_lines = True

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def parse_configuration(source: Source) -> Configuration:
    """Read the configuration. Raises InvalidConfigurationError with every problem, placed."""
    documents, problems = read_documents(source)
    problems += [document.problem(_SECOND_DOCUMENT) for document in documents[1:]]
    if documents:
        problems += _problems(documents[0])
    if problems:
        raise InvalidConfigurationError(tuple(sorted(problems)))
    return _configuration(documents[0])


_SECOND_DOCUMENT = Finding(
    path=(), code="several-documents", words="is a second one: a configuration is a single document"
)


def _problems(document: Document) -> list[Problem]:
    """Violations of the schema, and of the rules that a schema cannot express."""
    problems = document.problems("config")
    pointers = [*(one.pointer for one in problems), *map(pointer, document.unknown_paths)]
    flawed = {"/".join(one.split("/")[:end]) for one in pointers for end in (2, 3)}

    def is_sound(*path: str) -> bool:
        return pointer(path) not in flawed and not document.is_unknown(path)

    value = document.value
    environments = value.get("environments") if isinstance(value, dict) else None
    if not isinstance(environments, dict):
        return problems
    sound = {
        name: environment
        for name, environment in environments.items()
        if is_sound("environments", name)
    }
    retired = value.get("retired", []) if is_sound("retired") else []
    findings = [
        *_short_claim_findings(sound),
        *_shared_variable_findings(sound),
        *_overlap_findings(sound, retired),
    ]
    git = value.get("git", {}) if isinstance(value.get("git", {}), dict) else {}
    findings += _branch_findings(
        {name: git[name] for name in _BRANCHES if name in git and is_sound("git", name)}
    )
    for name, one in sound.items():
        if "notify" in one:
            from reconciler.webhooks import webhook_findings  # few environments tell anybody

            findings += webhook_findings(("environments", name, "notify"), one["notify"])
    return problems + [document.problem(finding) for finding in findings]


def _branch_findings(branches: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about names of branches that git does not allow, or not beside each other."""
    for name, branch in branches.items():
        if re.search(_NO_BRANCH, branch):
            words = f'must be a name that git allows for a branch; it is "{quotable_text(branch)}"'
            yield Finding(path=("git", name), code="pattern", words=words)
    branch, ledger = (branches.get(name, "") for name in _BRANCHES)
    short, long = sorted((branch, ledger), key=len)
    if short and long.startswith(f"{short}/"):
        words = f"git keeps no branch {long} below a branch {short}: name another one"
        yield Finding(path=("git", "ledgerBranch"), code="exclusive", words=words)


def _short_claim_findings(environments: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in environments.items():
        limits, timeout = _limits(value), _gateway(value).timeout
        if limits.claim_seconds > timeout + limits.margin:
            continue
        path: Path = ("environments", name, "limits", "claimSeconds")
        if "claimSeconds" not in value.get("limits", {}):
            path = ("environments", name, "gateway", "timeoutSeconds")
        words = (
            f"a claim of {limits.claim_seconds:g} seconds leaves no time to start a run: it must "
            f"be longer than timeoutSeconds ({timeout:g}) plus a margin of {limits.margin:g}"
        )
        yield Finding(path=path, code="range", words=words)


def _shared_variable_findings(environments: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in environments.items():
        gateway = _gateway(value)
        if gateway.access_key_env != gateway.secret_key_env:
            continue
        given = [one for one in _KEYS if one in value["gateway"]]
        path: Path = ("environments", name, "gateway", given[-1])
        other = "accessKeyEnv" if given[-1] == "secretKeyEnv" else "secretKeyEnv"
        words = (
            f"names the same variable as {other}{'' if len(given) > 1 else ', which has a default'}"
            ": each key needs one of its own, for the access key is sent in clear"
        )
        yield Finding(path=path, code="exclusive", words=words)


def _overlap_findings(environments: Mapping[str, Any], retired: Sequence[Any]) -> Iterator[Finding]:
    """Findings about folders of manifests or ledgers that lie in, around or at another one.

    Two ledgers in one folder would be read as one. A manifest in two folders would start twice.
    """
    fields: list[tuple[Path, str, str]] = [
        (("environments", name, kind), parse_folder(value[kind]), f"{kind} of environment {name}")
        for name, value in environments.items()
        for kind in ("manifests", "state")
    ]
    fields += [
        (("retired", number), parse_folder(folder), f"retired folder {folder}")
        for number, folder in enumerate(retired)
        if isinstance(folder, str)
    ]
    earlier: dict[str, str] = {}  # what lies at or below each folder
    owners: dict[str, str] = {}
    for path, text, what in fields:
        folder = folder_key(text)
        other = earlier.get(folder) or next(
            (owners[around] for around in _enclosing_folders(folder) if around in owners), None
        )
        if other is not None:
            words = f"lies in, around or at the {other}: each needs a folder of its own"
            yield Finding(path=path, code="exclusive", words=words)
            continue
        owners[folder] = what
        for around in _enclosing_folders(folder):
            earlier.setdefault(around, what)


def folder_key(folder: str) -> str:
    """A key that is equal for folders that some file system takes for the same one.

    To some file systems, names are equal that differ in case, or in how accents are encoded.
    """
    if folder.isascii():
        return folder.casefold()
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", folder).casefold())


def folders_overlap(one: str, other: str) -> bool:
    """Whether one folder lies in, around or at the other."""
    first, second = folder_key(one), folder_key(other)
    return first in _enclosing_folders(second) or second in _enclosing_folders(first)


def _enclosing_folders(folder: str) -> list[str]:
    """The folder and every folder that it lies in."""
    parts = folder.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _configuration(document: Document) -> Configuration:
    value = document.value
    retired = value.get("retired", ())
    return Configuration(
        git=GitConfiguration(**_given_fields(value.get("git", {}), GIT_FIELDS)),
        environments={
            name: Environment(
                name=name,
                manifests=parse_folder(environment["manifests"]),
                state=parse_folder(environment["state"]),
                gateway=_gateway(environment),
                limits=_limits(environment),
                notify=_webhooks(environment.get("notify", ())),
                places=_places(
                    document,
                    ("environments", name, "manifests"),
                    ("environments", name, "gateway", "orgId"),
                ),
            )
            for name, environment in value["environments"].items()
        },
        retired=tuple(map(parse_folder, retired)),
        places=_places(document, *(("retired", number) for number in range(len(retired)))),
    )


def _places(document: Document, *paths: Path) -> Mapping[str, Place]:
    return {pointer(path): document.place(path) for path in paths}


def _webhooks(given: Sequence[Mapping[str, Any]]) -> "tuple[Webhook, ...]":
    if not given:
        return ()
    from reconciler.webhooks import Webhook

    return tuple(map(Webhook.of, given))


def _gateway(environment: Mapping[str, Any]) -> GatewayConfiguration:
    gateway = environment["gateway"]
    return GatewayConfiguration(
        url=gateway["url"],
        org_id=gateway["orgId"],
        user_id=gateway["userId"],
        timezone=gateway["timezone"],
        zone=parse_zone(gateway["timezone"]),
        same_minute_allowed=gateway.get("sameMinute") == "allow",
        ca_file=parse_file(gateway["caFile"]) if "caFile" in gateway else None,
        **_given_fields(gateway, GATEWAY_FIELDS),
    )


def _limits(environment: Mapping[str, Any]) -> Limits:
    limits = environment.get("limits", {})
    given = _given_fields(limits, LIMIT_FIELDS)
    for name in _WHOLE_LIMITS:
        if name in given:
            given[name] = int(given[name])  # 8.0 is an integer to JSON Schema
    if "sensitive_parameters" in given:
        given["sensitive_parameters"] = tuple(given["sensitive_parameters"])
    return Limits(**given)


GIT_FIELDS = {"remote": "remote", "branch": "branch", "ledgerBranch": "ledger_branch"}
GATEWAY_FIELDS = {
    "accessKeyEnv": "access_key_env",
    "secretKeyEnv": "secret_key_env",
    "timeoutSeconds": "timeout",
    "settleSeconds": "settle",
    "stampSlackSeconds": "stamp_slack",
    "correlationParameter": "correlation_parameter",
    "service": "service",
    "instanceUrl": "instance_url",
}
_WHOLE_LIMITS = (
    *("max_runs_per_apply", "max_runs_per_backfill", "max_runs", "max_active_per_flow"),
    *("concurrency", "first_year", "years_ahead"),
)
LIMIT_FIELDS = {
    "maxRunsPerApply": "max_runs_per_apply",
    "maxRunsPerBackfill": "max_runs_per_backfill",
    "maxRuns": "max_runs",
    "maxActivePerFlow": "max_active_per_flow",
    "concurrency": "concurrency",
    "requestsPerSecond": "requests_per_second",
    "claimSeconds": "claim_seconds",
    "firstYear": "first_year",
    "yearsAhead": "years_ahead",
    "sensitiveParameters": "sensitive_parameters",
}


def _given_fields(section: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The optional fields that are there, under our names; the others keep their defaults."""
    return {ours: section[name] for name, ours in fields.items() if name in section}
