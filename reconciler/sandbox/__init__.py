"""A local EnOS gateway that behaves as the reference says, and misbehaves as it is told."""

from reconciler.sandbox.app import Sandbox, Served, environment
from reconciler.sandbox.behaviour import (
    ClockJump,
    FlowOptions,
    ParametersShown,
    SandboxOptions,
    Status,
    Stranger,
)
from reconciler.sandbox.faults import ALWAYS, NEVER, Drop, Fault, Reply
from reconciler.sandbox.file import read_sandbox_file
from reconciler.sandbox.flows import FlowInstance
from reconciler.sandbox.server import run_sandbox, serve
from reconciler.sandbox.wire import Operation

__all__ = [
    "ALWAYS",
    "NEVER",
    "ClockJump",
    "Drop",
    "Fault",
    "FlowInstance",
    "FlowOptions",
    "Operation",
    "ParametersShown",
    "Reply",
    "Sandbox",
    "SandboxOptions",
    "Served",
    "Status",
    "Stranger",
    "environment",
    "read_sandbox_file",
    "run_sandbox",
    "serve",
]
