"""What people write: a configuration with several environments, and manifests in their folders."""

import json
from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.configuration import CONFIGURATION
from reconciler.manifest import read_file
from reconciler.model import Digest, EpochMs, Run, Source, run_digest
from reconciler.times import parse_zone

KEYS = 8  # of the runs that there may be; each is another run, whatever it is called
ORGANISATIONS = ("o1", "o2")
LONG_AGO = 1_699_990_020_000  # Unix epoch, milliseconds: every run is due


APART = "http://127.0.0.1:10"  # the address of services that have to do with no other


def true_service(organisation: str, address: str) -> str:
    """The service that answers there."""
    return f"apart from {organisation}" if address == APART else organisation


Files = Mapping[str, bytes]  # by their paths


class Home(Struct, frozen=True, kw_only=True):
    """One environment, as the configuration has it."""

    manifests: str
    state: str
    organisation: str
    service: str | None = None  # as the configuration calls it
    apart: bool = False  # really another service of the organisation, at an address of its own

    @property
    def address(self) -> str:
        return APART if self.apart else "http://127.0.0.1:9"

    @property
    def service_name(self) -> str:
        """Where runs are started in truth, whatever it is called."""
        return true_service(self.organisation, self.address)


class Layout(Struct, frozen=True, kw_only=True):
    """Everything that people decide about a repository."""

    homes: Mapping[str, Home]  # by the environments' names
    retired: frozenset[str] = frozenset()
    ledger_branch: str | None = None
    branch: str | None = None  # as the configuration names it; None: the remote's default
    claim_seconds: int = 60
    correlation: str | None = None
    max_runs: int = 200_000
    declared: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # path: name and key
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # path: `formerly`

    def with_home(self, name: str, home: Home) -> "Layout":
        return replace(self, homes={**self.homes, name: home})

    def without_home(self, name: str) -> "Layout":
        return replace(self, homes={n: home for n, home in self.homes.items() if n != name})

    def declaring(self, path: str, name: str, key: int, former: tuple[str, ...] = ()) -> "Layout":
        return replace(
            self,
            declared={**self.declared, path: (name, key)},
            former={**self.former, path: former},
        )

    def withdrawing(self, paths: Iterable[str]) -> "Layout":
        gone = set(paths)
        return replace(self, declared={p: d for p, d in self.declared.items() if p not in gone})

    def of_home(self, home: Home) -> dict[str, tuple[str, int]]:
        """What is meant to be declared there: not what lies in another's folder within its own."""
        folders = {other.manifests for other in self.homes.values()}
        owners = {
            path: max((f for f in folders if path.startswith(f"{f}/")), key=len, default=None)
            for path in self.declared
        }
        return {path: self.declared[path] for path, of in owners.items() if of == home.manifests}

    def files(self) -> dict[str, bytes]:
        """All of it as files. JSON is YAML."""
        manifests = {
            path: manifest(*one, self.former.get(path, ())) for path, one in self.declared.items()
        }
        return {CONFIGURATION: json.dumps(self._configuration()).encode(), **manifests}

    def _configuration(self) -> dict[str, object]:
        named = {"branch": self.branch, "ledgerBranch": self.ledger_branch}
        git = {name: value for name, value in named.items() if value is not None}
        environments = {name: self._environment(home) for name, home in self.homes.items()}
        whole: dict[str, object] = {"version": 1, "environments": environments}
        if git:
            whole["git"] = git
        if self.retired:
            whole["retired"] = sorted(self.retired)
        return whole

    def _environment(self, home: Home) -> dict[str, object]:
        optional = {"service": home.service, "correlationParameter": self.correlation}
        return {
            "manifests": home.manifests,
            "state": home.state,
            "gateway": {
                "url": home.address,
                "orgId": home.organisation,
                "userId": "u1",
                "timezone": "GMT+8",
                "timeoutSeconds": 5,
                "settleSeconds": 2,
                **{name: value for name, value in optional.items() if value is not None},
            },
            "limits": {"claimSeconds": self.claim_seconds, "maxRuns": self.max_runs},
        }


def manifest(name: str, key: int, former: tuple[str, ...] = ()) -> bytes:
    """A manifest whose run is known by its key, whatever it is called."""
    flow_id, time, parameters = _sent(key)
    spec = {"flowId": flow_id, "triggerTime": time, "parameters": parameters}
    content = {
        "apiVersion": "reconciler/v1",
        "kind": "Trigger",
        "metadata": {"name": name},
        "spec": spec | ({"formerly": list(former)} if former else {}),
    }
    return json.dumps(content).encode()


def _sent(key: int) -> tuple[int, EpochMs, dict[str, str]]:
    return key % 3 + 1, EpochMs(LONG_AGO + key * 60_000), {"KEY": f"k{key}"}


def declared_run(key: int) -> Run:
    """The run as a manifest declares it, by whatever name."""
    source = Source(path="any.yaml", content=manifest(f"run-{key}", key))
    (run,) = read_file(source, zone=parse_zone("GMT+8")).runs
    return run


def _digest(key: int) -> Digest:
    flow_id, time, parameters = _sent(key)
    return run_digest(flow_id, time, tuple(parameters.items()))


_KEYS = {_digest(key): key for key in range(KEYS)}


def key_of_digest(digest: Digest) -> int:
    """Which run a ledger speaks of."""
    return _KEYS[digest]


def moved(files: Files, old: str, new: str) -> dict[str, bytes]:
    """The same files, those of one folder in another."""
    return {
        path.replace(f"{old}/", f"{new}/", 1) if path.startswith(f"{old}/") else path: text
        for path, text in files.items()
    }


def without(files: Files, folder: str) -> dict[str, bytes]:
    return {path: text for path, text in files.items() if not path.startswith(f"{folder}/")}
