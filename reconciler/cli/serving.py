"""What `sandbox` does, between its options and its output."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.cli.saying import show
from reconciler.sandbox import Sandbox, SandboxOptions, environment, read_sandbox_file, serve


def serve_sandbox(
    port: int, faults_file: Path | None, *, require_auth: bool, options: Mapping[str, Any]
) -> None:
    """Serve a sandbox until a signal ends it. What the options say goes before the file."""
    base, faults = read_sandbox_file(faults_file) if faults_file else (SandboxOptions(), ())
    if not require_auth:
        options = {**options, "require_auth": False}
    sandbox = Sandbox(replace(base, **options), faults)

    def announce(url: str) -> None:
        exports = (f"export {name}={value}" for name, value in environment(sandbox).items())
        show("".join(f"{line}\n" for line in (url, *exports)))

    serve(sandbox, port=port, announce=announce)
