"""Running the page's examples: the real command, a real remote, the sandbox on a socket."""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.sandbox import FlowInstance, Sandbox, SandboxOptions, read_sandbox_file, run_sandbox
from tests.backfills.guide import Example, Write
from tests.documented import Typed
from tests.environments import Clock, Setting, make_setting
from tests.repositories import commit, git

CONFIGURATION = """\
version: 1
environments:
  prod:
    manifests: triggers
    state: state/prod
    gateway: {{url: "{url}", orgId: o1, userId: u1, timezone: GMT+8, settleSeconds: 0.2}}
"""
_COMMIT = re.compile(r"\b[0-9a-f]{12}\b")
_APART_SECONDS = 2
_PORT = re.compile(r"127\.0\.0\.1:\d+")


class Shown(Struct, frozen=True, kw_only=True):
    """What an example's commands printed, and what the service has in the end."""

    printed: Sequence[str]
    instances: Sequence[FlowInstance]


def show(example: Example, folder: Path) -> Shown:
    """Carry out an example's steps one after another, some seconds apart.

    An end is recorded only once the service must have shown the run, which two commands that
    follow each other at once do not leave time for.
    """
    clock = Clock()
    sandbox = Sandbox(SandboxOptions(run_seconds=0.05), clock=clock)
    for step in example.steps:
        if isinstance(step, Write) and step.path == "sandbox.yaml":
            file = folder / step.path
            file.write_text(step.content, encoding="utf-8")
            options, faults = read_sandbox_file(file)
            flows = options.flows
            sandbox = Sandbox(SandboxOptions(run_seconds=0.05, flows=flows), faults, clock)
    with run_sandbox(sandbox) as url:
        configuration = {"reconciler.yaml": CONFIGURATION.format(url=url)}
        setting = make_setting(folder / "repository", url, sandbox, configuration)
        printed = []
        for step in example.steps:
            clock.forward(_APART_SECONDS)
            if (out := _carry_out(step, setting)) is not None:
                printed.append(out)
    return Shown(printed=printed, instances=sandbox.instances)


def _carry_out(step: Write | Typed, setting: Setting) -> str | None:
    if isinstance(step, Write):
        if step.path != "sandbox.yaml":
            commit(setting.clone, {step.path: step.content}, f"Write {step.path}")
            git(setting.clone, "push", "--quiet", "origin", "HEAD:main")
        return None
    done = setting.run(*step.arguments)
    assert done.returncode == 0, f"{step.arguments} ended with {done.returncode}: {done.stderr}"
    return always_alike(done.stdout)


def always_alike(text: str) -> str:
    """The text with each abbreviated commit, and the gateway's port, as they are every time."""
    return _PORT.sub("127.0.0.1:8765", _COMMIT.sub("3f2c9d41aa07", text))
