"""A runner of GitHub's, as far as our workflows and our action need one, on real shells.

It evaluates the expressions that stand in them and refuses all others, runs `run` steps as GitHub
documents `steps[*].shell`, goes into our own action, and writes down what other actions were given.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.repositories import PROJECT

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_WORDS = re.compile(r"'(?:[^']|'')*'|&&|\|\||!=|==|!|[()]|[a-z][\w.-]*")
_ACTION = "YOUR-ORGANISATION/reconciler@"


@dataclass(slots=True, kw_only=True)
class Runner:
    """One job: what it knows, and what came of its steps."""

    folder: Path  # of the runner, around its files
    checkout: Path
    variables: Mapping[str, str]  # of the job's environment, beside GitHub's own
    contexts: dict[str, str]  # `secrets.X`, `matrix.environment`, … by their whole names
    out: str = ""
    err: str = ""
    failed: bool = False
    code: int = 0  # of the first step that failed
    cancelled: bool = False
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # actions and inputs
    environments: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # by step

    def __post_init__(self) -> None:
        for name in ("temp", "files"):
            (self.folder / name).mkdir(parents=True)
        self.contexts["runner.temp"] = str(self._temp)
        for place in (self._temp / "reconciler" / "bin", self.folder / "bin"):
            place.mkdir(parents=True)
            command = place / "reconciler"
            command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
            command.chmod(0o755)

    @property
    def _temp(self) -> Path:
        return self.folder / "temp"

    @property
    def summary(self) -> str:
        """The job's summary."""
        file = self.folder / "files" / "summary"
        return file.read_text() if file.exists() else ""

    def job(self, workflow: Path, name: str) -> "Runner":
        """Run all of a workflow's job."""
        whole = yaml.safe_load(workflow.read_text())
        found = whole["jobs"][name]
        for level in (whole, found):
            self.variables = {**self.variables, **self._filled(level.get("env", {}))}
        self._steps(found["steps"], {})
        return self

    def action(self, file: Path, given: Mapping[str, str]) -> "Runner":
        """Run our action with these inputs."""
        described = yaml.safe_load(file.read_text())
        assert set(given) <= set(described["inputs"])
        inputs = {name: one.get("default", "") for name, one in described["inputs"].items()}
        for name, value in {**inputs, **given}.items():
            self.contexts[f"inputs.{name}"] = self.fill(str(value))
        self._steps(described["runs"]["steps"], {"python.outputs.python-path": sys.executable})
        return self

    def _steps(self, steps: list[dict[str, Any]], known: Mapping[str, str]) -> None:
        self.contexts |= {f"steps.{name}": value for name, value in known.items()}
        failed_before, self.failed = self.failed, False
        for step in steps:
            wanted = step.get("if", "success()")
            is_run = self.evaluate(re.sub(r"^\$\{\{|\}\}$", "", wanted))
            if "cancelled()" not in wanted and "always()" not in wanted:
                is_run = is_run and not self.failed and not self.cancelled
            outcome = "skipped"
            if is_run:
                outcome = "success" if self._step(step) else "failure"
                self.failed = self.failed or outcome == "failure"
            if "id" in step:
                self.contexts[f"steps.{step['id']}.outcome"] = outcome
        self.failed = self.failed or failed_before

    def _step(self, step: dict[str, Any]) -> bool:
        """Whether the step succeeded."""
        if "uses" in step:
            return self._use(step["uses"], self._filled(step.get("with", {})))
        if step["name"] == "Install":
            return True  # the command is there already
        assert "${{" not in step["run"], "an expression would become the text of a shell"
        return self._shell(step)

    def _use(self, action: str, given: dict[str, str]) -> bool:
        self.used.append((action.partition("@")[0], given))
        if not action.startswith(_ACTION):
            return True
        self.action(PROJECT / "action.yml", given)
        return not self.failed

    def _shell(self, step: dict[str, Any]) -> bool:
        pipefail = ["--noprofile", "--norc", "-eo", "pipefail"]
        options = pipefail if step.get("shell") == "bash" else ["-e"]
        script = self.folder / "files" / "script.sh"
        script.write_text(step["run"])
        output = self.folder / "files" / "output"
        output.write_text("")
        given = self._filled(step.get("env", {}))
        self.environments.append((step["name"], given))
        done = subprocess.run(
            ["bash", *options, str(script)],
            cwd=self.checkout / self.fill(step.get("working-directory", ".")),
            env={**self._own(output), **self.variables, **given},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        self.out, self.err = self.out + done.stdout, self.err + done.stderr
        self.code = self.code or done.returncode
        for line in output.read_text().splitlines() if "id" in step else []:
            name, _, value = line.partition("=")
            self.contexts[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode == 0

    def _own(self, output: Path) -> dict[str, str]:
        """GitHub's variables, and no key of the gateway's but where a step names it."""
        kept = {name: one for name, one in os.environ.items() if not name.startswith("ENOS_")}
        return kept | {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "RUNNER_TEMP": str(self._temp),
            "GITHUB_ACTION_PATH": str(PROJECT),
            "GITHUB_STEP_SUMMARY": str(self.folder / "files" / "summary"),
            "GITHUB_OUTPUT": str(output),
        }

    def _filled(self, given: Mapping[str, Any]) -> dict[str, str]:
        return {name: self.fill(_text(value)) for name, value in given.items()}

    def fill(self, text: str) -> str:
        """The text with its expressions evaluated."""
        return _EXPRESSION.sub(lambda found: _text(self.evaluate(found[1])), text)

    def evaluate(self, expression: str) -> Any:
        """The expression's value, of the few kinds that there are."""
        rest = _WORDS.sub("", expression).strip()
        assert not rest, f"an expression of another kind: {expression}"
        functions: dict[str, Callable[[], bool]] = {
            "always": lambda: True,
            "cancelled": lambda: self.cancelled,
            "success": lambda: not self.failed and not self.cancelled,
        }

        def one(found: re.Match[str]) -> str:
            word = found[0]
            if word.startswith("'"):
                return repr(word[1:-1].replace("''", "'"))
            if word in functions:
                return f"functions[{word!r}]"
            name = {"&&": " and ", "||": " or ", "!": " not "}.get(word, word)
            return f"look({word!r})" if word[0].isalpha() else name

        code = _WORDS.sub(one, expression.strip())
        return eval(code, {"functions": functions, "look": self._look})  # noqa: S307 - of our own files

    def _look(self, name: str) -> str:
        found = self.contexts.get(name)
        if found is None:
            assert re.match(r"(steps|secrets|env)\.", name), f"unknown: {name}"
            return self.variables.get(name.removeprefix("env."), "")
        return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
