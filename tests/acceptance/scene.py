"""The real command on real parts: a bare origin, a clone of it, and the sandbox behind a socket."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct

from reconciler.cli.main import run
from reconciler.sandbox import FlowInstance, Sandbox
from reconciler.schema import SchemaName, validate
from tests.environments import Clock
from tests.repositories import PROJECT, commit, git

CONFIGURATION = "reconciler.yaml"
LEDGER = "state/test/ledger.jsonl"
EIGHT_MS = 1_709_337_600_000  # of the trigger time that every run has, unless told
_EIGHT = "2024-03-02T08:00:00+08:00"
AHEAD = f"{datetime.now(UTC).year + 2}-01-01T00:00:00Z"  # later than any test goes on
AHEAD_MS = round(datetime.fromisoformat(AHEAD).timestamp() * 1000)


def configuration(
    url: str,
    *,
    limits: Mapping[str, Any] | None = None,
    git_section: Mapping[str, Any] | None = None,
    environments: tuple[str, ...] = ("test",),
    **gateway: Any,
) -> str:
    """A `reconciler.yaml`; each environment has its own folders, and all have the same gateway."""
    common = {"url": url, "orgId": "o1", "userId": "u1", "timezone": "GMT+8", "settleSeconds": 0.3}
    content: dict[str, Any] = {"version": 1}
    if git_section is not None:
        content["git"] = dict(git_section)
    content["environments"] = {
        name: {
            "manifests": "triggers" if name == "test" else f"triggers-{name}",
            "state": f"state/{name}",
            "gateway": common | gateway,
            "limits": dict(limits or {}),
        }
        for name in environments
    }
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)


def manifest(name: str, flow: int, labels: Mapping[str, str] | None = None, **spec: Any) -> str:
    """A manifest of one run; `spec` adds to its spec, and None takes a field away."""
    fields = {"flowId": flow, "triggerTime": _EIGHT, "parameters": {"SITE": name}} | spec
    content = {
        "apiVersion": "reconciler/v1",
        "kind": "Trigger",
        "metadata": {"name": name} | ({"labels": dict(labels)} if labels else {}),
        "spec": {field: value for field, value in fields.items() if value is not None},
    }
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)


def runs(*names: str) -> dict[str, str]:
    """Files of plain runs: the first is of flow 1, the second of flow 2, and so on."""
    return {
        f"triggers/{name}.yaml": manifest(name, flow) for flow, name in enumerate(names, start=1)
    }


class Gate:
    """Holds a request at the gateway: a fault's `call_before`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self) -> None:
        """Wait, in the server's thread, until the test opens the gate."""
        self.reached.set()
        assert self._opened.wait(60), "no test opened this gate"

    def open(self) -> None:
        """Let the request pass, and all that come after it."""
        self._opened.set()


class Said(Struct, frozen=True, kw_only=True):
    """What a command printed."""

    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)

    @property
    def flat(self) -> str:
        """All of it with its line breaks as blanks, for sentences that were wrapped."""
        return " ".join(f"{self.out}\n{self.err}".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A team's repository with its remote and its gateway. Commands run inside the clone."""

    folder: Path  # around everything
    origin: Path
    clone: Path
    sandbox: Sandbox
    clock: Clock
    url: str
    capture: "pytest.CaptureFixture[str]" = field(repr=False)

    def run(self, *arguments: str, exits: int | Collection[int] = 0) -> Said:
        """Run the command in this process, in the current folder.

        Whatever the command, it must end with that exit code (or one of them), without a traceback,
        and without a word of any secret.
        """
        self.capture.readouterr()
        code = run(arguments)
        captured = self.capture.readouterr()
        said = Said(out=captured.out, err=captured.err)
        allowed = {exits} if isinstance(exits, int) else exits
        assert code in allowed, f"exit {code} of {arguments}:\n{said.out}\n{said.err}"
        check_harmless(said, self.sandbox)
        check_document(arguments, said.out)
        return said

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command in a process of its own, inside the clone."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=self.clone,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def push(self, files: Mapping[str, str], message: str = "Change files") -> str:
        """Commit everything in the clone, those files written, and push it; gives the commit."""
        made = commit(self.clone, files, message)
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        return made

    def remove(self, path: str) -> None:
        """Remove a file from the clone and from the origin."""
        git(self.clone, "rm", "--quiet", path)
        self.push({}, f"Remove {path}")

    def tip(self, branch: str = "main") -> str:
        """The origin's commit."""
        return git(self.origin, "rev-parse", branch)

    def ledger(self, branch: str = "main", path: str = LEDGER) -> list[dict[str, Any]]:
        """The events on the origin's branch."""
        if not git(self.origin, "ls-tree", "--name-only", branch, "--", path):
            return []
        text = git(self.origin, "show", f"{branch}:{path}")
        assert self.sandbox.options.secret_key not in text
        return [json.loads(line) for line in text.splitlines()]

    def outcomes(self, run: str) -> list[str]:
        """The kinds of the run's events on the origin, claims left out."""
        return [one["event"] for one in self.ledger() if one.get("run") == run]

    def states(self) -> dict[str, str]:
        """Every run's state, by the command's own account."""
        rows = self.run("status", "--format", "json").json["runs"]
        return {row["run"]: row["state"] for row in rows}

    @property
    def posts(self) -> list[int | None]:
        """The flow of every start that the gateway was asked for, in their order."""
        return [one.flow_id for one in self.sandbox.requests if one.operation == "trigger"]

    @property
    def instances(self) -> list[FlowInstance]:
        """Everything that was started, in the order of creation."""
        return self.sandbox.instances

    def instance_of(self, flow: int) -> FlowInstance:
        """The one instance of that flow."""
        (found,) = [one for one in self.instances if one.flow_id == flow]
        return found


def kill_at(scene: Scene, gate: Gate, *arguments: str) -> None:
    """Kill an apply when its request has come as far as the gate, which is opened afterwards."""
    process = scene.start("apply", *arguments)
    assert gate.reached.wait(60)
    process.kill()
    process.communicate()
    gate.open()


def check_harmless(said: Said, sandbox: Sandbox) -> None:
    """No traceback and no secret stands in what a command printed."""
    text = said.out + said.err
    assert "Traceback" not in text, text
    given = os.environ.get("ENOS_SECRET_KEY", "").strip()
    for secret in (sandbox.options.secret_key, given, "sandbox-token"):
        assert not secret or secret not in text, text


def check_document(arguments: Sequence[str], printed: str) -> None:
    """Whatever `status`, `apply` and `resolve` print as JSON conforms to its schema."""
    word: SchemaName
    for word in ("status", "apply", "resolve"):
        is_json = ("--format", "json") in pairwise(arguments)
        if printed and is_json and arguments[:1] == (word,):
            assert validate(word, json.loads(printed)) == ()
