"""A client of the sandbox written from the reference alone, and a clock that stands still."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from msgspec import Struct

from reconciler.model import EpochMs
from reconciler.sandbox import Fault, Sandbox, SandboxOptions, run_sandbox

KEY, SECRET = "sandbox-key", "sandbox-secret"
NOW = EpochMs(1_709_337_600_500)  # 2024-03-02 08:00:00.5 in GMT+8
USER = {"userId": "u1", "orgId": "o1"}
BATCH = "/batch-processing-service/v2.1"
TOKENS = "/apim-token-service/v2.0/token"


@dataclass(slots=True)
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


@dataclass(slots=True)
class Client:
    http: httpx.Client
    token: str = ""
    timestamp: int = field(default=NOW)
    user: Mapping[str, str] = field(default_factory=lambda: USER)

    def ask_token(self, action: str = "get", **changes: Any) -> httpx.Response:
        self.timestamp += 1
        body = {
            "appKey": KEY,
            "encryption": sha256(f"{KEY}{self.timestamp}{SECRET}"),
            "timestamp": self.timestamp,
            **changes,
        }
        return self.http.post(f"{TOKENS}/{action}", json=body)

    def log_in(self) -> None:
        answer = self.ask_token().json()
        self.token = (answer["data"] or {}).get("accessToken", "")

    def call(
        self,
        path: str,
        action: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A signed call; a body makes it a POST. `headers` go over those of the signature.

        A query of None names the client's user.
        """
        content = b""
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = {"action": action, **(self.user if query is None else query)}
        pairs = "".join(name + asked[name] for name in sorted(asked))
        signed = f"{self.token}{pairs}".encode() + content + f"{NOW}{SECRET}".encode()
        own = {
            "apim-accesstoken": self.token,
            "apim-timestamp": str(NOW),
            "apim-signature": sha256(signed),
        }
        method = "GET" if body is None else "POST"
        url = f"{BATCH}/{path}"
        merged = {**own, **(headers or {})}
        return self.http.request(method, url, params=asked, content=content, headers=merged)

    def trigger(self, **changes: Any) -> httpx.Response:
        body = {"flowId": 3377, "triggerTime": NOW, "parameters": [], **changes}
        return self.call("flows", "updateAndTrigger", body)

    def triggered(self, **changes: Any) -> str:
        answer = self.trigger(**changes).json()
        assert answer["code"] == 0, answer
        name = answer["data"]["flowInstanceId"]
        assert isinstance(name, str)
        return name

    def instance(self, name: str) -> Any:
        query = {**self.user, "flowInstId": name}
        return self.call("flowInstances", "get", query=query).json()["data"]

    def cancel(self, name: str) -> httpx.Response:
        return self.call("flowInstances", "cancel", {"flowInstId": name})

    def search(self, **changes: Any) -> httpx.Response:
        body = {
            "type": 0,
            "expression": "",
            "owner": "",
            "fromTriggerTime": 0,
            "toTriggerTime": 2**42,
            "status": "",
            "pagination": {"pageNo": 1, "pageSize": 10, "sorters": []},
            **changes,
        }
        return self.call("flowInstances", "search", body)

    def time(self) -> Any:
        return self.call("time", "getCurrentTime", query={}).json()["data"]

    def listed(self, **changes: Any) -> list[dict[str, Any]]:
        found = self.search(**changes).json()["data"]["flowInsts"]
        assert isinstance(found, list)
        return found

    def found(self, **changes: Any) -> list[str]:
        return [one["instanceId"] for one in self.listed(**changes)]


class Served(Struct, frozen=True, kw_only=True):
    sandbox: Sandbox
    client: Client
    clock: Clock
    url: str


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, trust_env=False, timeout=30, verify=_trusting_nobody())


@cache
def _trusting_nobody() -> ssl.SSLContext:
    """For http alone: to read the usual authorities takes longer than most tests of the sandbox."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def served(
    *faults: Fault,
    options: SandboxOptions | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Iterator[Served]:
    """A sandbox on loopback whose clock stands still, and a client that is logged in to it."""
    ticking = Clock()
    sandbox = Sandbox(options or SandboxOptions(), clock=ticking, sleep=sleep)
    with run_sandbox(sandbox) as url, _client(url) as http:
        client = Client(http)
        client.log_in()
        # Only now: rules count requests, and the log-in is not one that a test means.
        for fault in faults:
            sandbox.add_fault(fault)
        yield Served(sandbox=sandbox, client=client, clock=ticking, url=url)
