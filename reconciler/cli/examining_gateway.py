"""The checks that `doctor` makes of a gateway: the way there, access, its clock, and its flows."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.apply.checks import (
    TOLERATED_MS,
    UnreadableZoneError,
    check_flows,
    check_zone,
    clock_words,
)
from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Gateway
from reconciler.cli.clock import LocalClock
from reconciler.cli.examining import OFFLINE, ClonePatient, Examination
from reconciler.cli.opening import check_gateway, gateway_settings, read_certificates
from reconciler.configuration import Environment
from reconciler.counting import format_count
from reconciler.enos.access import Credentials, GatewaySettings
from reconciler.enos.answers import hint
from reconciler.enos.client import open_gateway
from reconciler.enos.probe import Reached, Unreached, probe
from reconciler.enos.transport import proxy_of, tls_context
from reconciler.errors import ConfigurationError, ReconcilerError, RefusedError
from reconciler.model import Declared, EpochMs
from reconciler.plan import FlowCheck
from reconciler.plan.decide import warn_undeclared
from reconciler.render.diagnosis import (
    Diagnosis,
    failed_diagnosis,
    ok_diagnosis,
    skipped_diagnosis,
    warning_diagnosis,
)
from reconciler.repository.credentials import read_credentials
from reconciler.times import MINUTE_MS

_MOST_NAMED = 3  # flows, in a message
_ANSWERS = frozenset({200, 400, 401, 429})  # HTTP statuses that answer an unsigned request
_SOON = timedelta(days=14)
_BY_NETWORK = ("gateway", "tls", "rate-limit")
_BY_KEYS = ("access", "clock", "zone", "user", "flows")
_CLOCK_HINT = "Set it, as by NTP (timedatectl set-ntp true); claims go by the gateway's clock."
_TRUST = (
    "Let gateway.caFile name the certificates of the authority that signed it; where a proxy looks "
    "into TLS, its own."
)
_REMOTE_FIRST = "Mend what is said of the remote first, then run reconciler doctor again."
_KEYS = "Name both keys' variables in reconciler.yaml, and set them."
_PUSH_FIRST = "Push the configuration to the shared branch, then run reconciler doctor again."


def examine_gateway(
    examination: Examination,
    clone: ClonePatient,
    environment: Environment,
    declared: Declared | None,
    *,
    offline: bool,
) -> None:
    """Check the environment's gateway, beginning with what is nearest to this machine."""
    if clone.workspace is None:
        return
    patient = _GatewayPatient(
        examination, clone, environment, gateway_settings(clone.workspace.root, environment)
    )
    name = environment.name
    examination.check("proxy", patient.proxy, name)
    if environment.gateway.ca_file is not None:
        root, file = clone.workspace.root, environment.gateway.ca_file
        examination.check("certificates", lambda: patient.certificates(root, file), name)
    examination.check("keys", patient.keys, name)
    if offline:
        examination.skip((*_BY_NETWORK, *_BY_KEYS), OFFLINE, name)
        return
    asyncio.run(patient.examine(declared))


class _GatewayPatient:
    """One gateway, and what is known of it so far."""

    def __init__(
        self,
        examination: Examination,
        clone: ClonePatient,
        environment: Environment,
        settings: GatewaySettings,
    ) -> None:
        self._examination = examination
        self._clone = clone
        self._environment = environment
        self._settings = settings
        self._credentials: Credentials | None = None
        self._answer: Reached | Unreached | None = None
        self._clock: ServiceClock | None = None

    def proxy(self) -> Diagnosis:
        """The proxy that requests to the gateway pass, if any."""
        proxy = proxy_of(self._settings)
        return ok_diagnosis("none: the gateway is asked directly" if proxy is None else proxy.shown)

    def certificates(self, root: Path, file: str) -> Diagnosis:
        """Whether the file of certificates is there and can be used."""
        try:
            read_certificates(root, file)
            tls_context(self._settings)
        except ConfigurationError as error:
            return failed_diagnosis(str(error), error.hint or _TRUST)
        return ok_diagnosis(f"{file} is trusted besides the usual authorities")

    def keys(self) -> Diagnosis:
        """Whether the keys are set; only the names of their variables are shown."""
        gateway = self._environment.gateway
        try:
            self._credentials = read_credentials(gateway)
        except ConfigurationError as error:
            return failed_diagnosis(str(error), error.hint or _KEYS)
        return ok_diagnosis(f"{gateway.access_key_env} and {gateway.secret_key_env} are set")

    async def examine(self, declared: Declared | None) -> None:
        """Make the checks that need the network."""
        ask, name = self._examination.ask, self._environment.name
        await ask("gateway", self._reach, name)
        answer = self._answer
        if answer is None or isinstance(answer, Unreached):
            if isinstance(answer, Unreached) and answer.by_tls:
                self._examination.check("tls", lambda: failed_diagnosis(answer.words, _TRUST), name)
                self._skip(("rate-limit", *_BY_KEYS), "TLS does not come about")
            else:
                self._skip(("tls", "rate-limit", *_BY_KEYS), "the gateway cannot be reached")
            return
        self._examination.check("tls", lambda: _tls(answer), name)
        self._examination.check("rate-limit", lambda: self._check_rate(answer), name)
        await self._examine_with_keys(answer, declared)

    def _skip(self, names: tuple[str, ...], why: str) -> None:
        self._examination.skip(names, why, self._environment.name)

    async def _examine_with_keys(self, answer: Reached, declared: Declared | None) -> None:
        name, check = self._environment.name, self._examination.check
        refused = self._check_trust()
        if self._credentials is None or refused is not None:
            check(
                "access", lambda: refused or skipped_diagnosis("without keys nobody is asked"), name
            )
            check("clock", lambda: _dated_clock(answer), name)
            self._skip(("zone", "user", "flows"), "without access nobody can be asked")
            return
        async with open_gateway(self._settings, self._credentials) as gateway:
            await self._examination.ask("access", lambda: self._check_access(gateway), name)
            clock = self._clock
            if clock is None:
                check("clock", lambda: _dated_clock(answer), name)
                self._skip(("zone", "user", "flows"), "the gateway does not let these keys in")
                return
            check("clock", lambda: _clock(LocalClock().wall() - clock.earliest_time()), name)
            await self._examination.ask(
                "zone", lambda: self._check_zone(gateway, clock, declared), name
            )
            await self._examination.ask("user", lambda: self._check_user(gateway, clock), name)
            await self._examination.ask("flows", lambda: self._check_flows(gateway, declared), name)

    def _check_trust(self) -> Diagnosis | None:
        """Why credentials must not be sent there, by an apply's rule; None if they may."""
        clone = self._clone
        if clone.git is None or clone.branch is None:
            why = "no shared branch could be read, which says where credentials may be sent"
            return skipped_diagnosis(why, _REMOTE_FIRST)
        branch = f"{clone.named.remote}/{clone.branch}"
        try:
            check_gateway(clone.git, clone.tip, self._environment, branch)
        except RefusedError as error:
            return skipped_diagnosis(str(error), _PUSH_FIRST)
        except ReconcilerError as error:  # what the branch says cannot be read
            return failed_diagnosis(f"{branch}: {error}", error.hint or _PUSH_FIRST)
        return None

    async def _reach(self) -> Diagnosis:
        self._answer = await probe(self._settings)
        proxy, host = proxy_of(self._settings), self._settings.host
        by = f" by the proxy {proxy.shown}" if proxy is not None else ""
        match self._answer:
            case Unreached(by_tls=True):
                return ok_diagnosis(f"{host} can be reached{by}")
            case Unreached(words=words):
                return failed_diagnosis(f"{host} cannot be reached{by}: {words}", hint(None))
            case Reached(status=status) if status in _ANSWERS:
                return ok_diagnosis(f"{host} answers{by}")
            case Reached(status=status):
                return warning_diagnosis(
                    f"{host} answers an unsigned request{by} with HTTP {status}",
                    hint(status),
                )

    def _check_rate(self, answer: Reached) -> Diagnosis:
        told = ", ".join(f"{name}: {value}" for name, value in answer.rates)
        own = self._settings.requests_per_second
        limit = f"limits.requestsPerSecond is {own:g}" if own else "no limits.requestsPerSecond"
        if answer.status == 429:  # noqa: PLR2004 - RFC 6585
            return warning_diagnosis(f"HTTP 429 {told}; {limit}", hint(429))
        return ok_diagnosis(f"the answer tells {told or 'of none'}; {limit}")

    async def _check_access(self, gateway: Gateway) -> Diagnosis:
        self._clock = await ServiceClock.ask(gateway, LocalClock())
        return ok_diagnosis("the keys are accepted")

    async def _check_zone(
        self, gateway: Gateway, clock: ServiceClock, declared: Declared | None
    ) -> Diagnosis:
        server = await gateway.timezone()
        times = [run.trigger_time for run in declared.runs] if declared else []
        try:
            check_zone(server, self._environment, clock.earliest_time(), times)
        except UnreadableZoneError as error:
            return failed_diagnosis(str(error), error.ADVICE)
        except RefusedError as error:
            return failed_diagnosis(
                str(error), "Correct gateway.timezone: business dates depend on it."
            )
        return ok_diagnosis(f"the service says {server}, as configured")

    async def _check_user(self, gateway: Gateway, clock: ServiceClock) -> Diagnosis:
        now = clock.earliest_time()
        await gateway.search(None, now, EpochMs(now + MINUTE_MS))
        named = self._environment.gateway
        return ok_diagnosis(f"user {named.user_id} of organisation {named.org_id} is answered")

    async def _check_flows(self, gateway: Gateway, declared: Declared | None) -> Diagnosis:
        if declared is None or not declared.runs:
            return skipped_diagnosis("no run is declared")
        ids = dict.fromkeys(run.flow_id for run in declared.runs)
        found = await check_flows(ids, gateway, self._environment.gateway.user_id)
        see = f"See the runs: reconciler plan --online --env {self._environment.name}"
        refused = [f"flow {id_} {one.refusal}" for id_, one in found.items() if one.refusal]
        if refused:
            return failed_diagnosis(_shorten_list(refused), see)
        strange = list(dict.fromkeys(_undeclared_warnings(declared, found)))
        if strange:
            return warning_diagnosis(_shorten_list(strange), see)
        return ok_diagnosis(f"{format_count(len(ids), 'flow')}: each would take a start")


def _undeclared_warnings(declared: Declared, found: dict[int, FlowCheck]) -> Iterator[str]:
    for run in declared.runs:
        words = warn_undeclared(run, found[run.flow_id])
        if words is not None:
            yield words


def _shorten_list(words: list[str]) -> str:
    more = f" (and {len(words) - _MOST_NAMED} more)" if len(words) > _MOST_NAMED else ""
    return "; ".join(words[:_MOST_NAMED]) + more


def _tls(answer: Reached) -> Diagnosis:
    if answer.tls is None:
        return skipped_diagnosis("the gateway is on this machine, without TLS")
    until = answer.certificate_until
    if until is None:
        return ok_diagnosis(answer.tls)
    words = f"{answer.tls}, the certificate is valid until {until:%Y-%m-%d}"
    if until - datetime.now(UTC) < _SOON:
        return warning_diagnosis(words, "Ask those who run the gateway to renew its certificate.")
    return ok_diagnosis(words)


def _dated_clock(answer: Reached) -> Diagnosis:
    if answer.date is None:
        return skipped_diagnosis("the gateway's answer has no Date header")
    return _clock(LocalClock().wall() - int(answer.date.timestamp() * 1000), " (its Date header)")


def _clock(off: int, by: str = "") -> Diagnosis:
    """The finding about this machine's clock; `off`: milliseconds that it is ahead."""
    if abs(off) <= TOLERATED_MS:
        return ok_diagnosis(f"within {TOLERATED_MS // 1000} s of the gateway's{by}")
    return warning_diagnosis(f"{clock_words(off)}{by}", _CLOCK_HINT)
