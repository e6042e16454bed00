"""The templates in `files/`, how they are rendered, and the pipelines that are made from them.

`init` writes the pipelines, and docs/ci shows them.
"""

import json
import re
from enum import StrEnum
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from msgspec import Struct

_FOLDER = files("reconciler.starting") / "files"


def render_template(name: str, **values: object) -> str:
    """The template `files/NAME.j2` with these values."""
    return _templates().get_template(f"{name}.j2").render(values)


@cache
def _templates() -> Environment:
    """Our templates, with their own delimiters: GitHub and GitLab use braces and brackets."""
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in _FOLDER.iterdir()
        if entry.name.endswith(".j2")
    }
    return Environment(
        loader=DictLoader(found),
        autoescape=False,  # noqa: S701 - YAML, not HTML: each value is quoted for where it stands
        undefined=StrictUndefined,
        variable_start_string="<%=",
        variable_end_string="%>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


# The characters that are special in GitHub's branch patterns and allowed by git in a name.
_SPECIAL = re.compile(r"\+|^!")


class PipelineKind(StrEnum):
    """The kinds of pipeline; the value names the template."""

    GITHUB = "github"  # by this project's action
    GITHUB_PLAIN = "github-plain"  # only with GitHub's own actions
    GITLAB = "gitlab"


class PipelineSettings(Struct, frozen=True, kw_only=True):
    """What differs between two repositories' pipelines."""

    install: str  # the requirement for pip, such as `enos-reconciler @ git+https://…@REVISION`
    action: str = ""  # `OWNER/NAME@DIGEST`; empty: GitHub's pipeline does without
    version: str
    branch: str  # the shared one
    ledger_branch: str = ""  # empty: the ledger is on the shared one
    environments: tuple[str, ...]  # those that are applied, one job each
    root: str = "."  # the folder of reconciler.yaml


def pipeline(kind: PipelineKind, settings: PipelineSettings) -> str:
    """The pipeline as YAML. GitHub's is the plain one where no action is named."""
    if kind is PipelineKind.GITHUB and not settings.action:
        kind = PipelineKind.GITHUB_PLAIN
    return render_template(
        f"{kind.value}.yml",
        install=_quote_text(settings.install),
        action=settings.action,
        version=settings.version,
        branch=settings.branch,
        branch_pattern=_quote_text(_SPECIAL.sub(r"\\\g<0>", settings.branch)),
        branch_ref=f"'{_escape_expression(f'refs/heads/{settings.branch}')}'",
        branch_word=_quote_text(settings.branch),
        ledger_branch=settings.ledger_branch,
        environments=f"[{', '.join(map(_quote_text, settings.environments))}]",
        root=_quote_text(settings.root),
        image="python:3.12",
        wait="45m",
    )


def gitlab_component(*, install: str, version: str) -> str:
    """GitLab's component: the same jobs, with inputs for what differs."""
    return render_template(
        "gitlab-component.yml",
        default_install=_quote_text(install),
        version=version,
        install="$[[ inputs.install ]]",
        branch_word="$CI_DEFAULT_BRANCH",
        environments="$[[ inputs.environments ]]",
        root="$[[ inputs.working-directory ]]",
        image="$[[ inputs.image ]]",
        wait="$[[ inputs.wait ]]",
    )


def _quote_text(text: str) -> str:
    """The text in quotes that YAML and JSON both read."""
    return json.dumps(text, ensure_ascii=False)


def _escape_expression(text: str) -> str:
    """The text as it must be within the quotes of a GitHub expression."""
    return text.replace("'", "''")
