"""Every file of a new repository, by its path in the repository."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from reconciler.configuration import CONFIGURATION
from reconciler.manifest.write import scalar
from reconciler.repository.owners import GITHUB_PLACES, GITLAB_PLACES, TEAM
from reconciler.schema import SchemaName, schema_text
from reconciler.starting.choices import Beginning, CiKind, configuration_text
from reconciler.starting.templates import PipelineKind, PipelineSettings, pipeline, render_template

COPIED: tuple[SchemaName, ...] = ("config", "trigger")  # the schemas of what people write
EXAMPLES = ("example-run.yaml", "example-backfill.yaml")
WORKFLOW, GITLAB_CI = ".github/workflows/reconciler.yml", ".gitlab-ci.yml"
GITLAB_INCLUDED = ".gitlab/reconciler.yml"  # where the repository has a pipeline of its own
HOOKS, EDITOR = ".pre-commit-config.yaml", ".vscode/settings.json"

OWNERS = {CiKind.GITHUB: GITHUB_PLACES, CiKind.GITLAB: GITLAB_PLACES, CiKind.NONE: ()}
_OWNERS_FILE = {CiKind.GITHUB: ".github/CODEOWNERS", CiKind.GITLAB: ".gitlab/CODEOWNERS"}


def starting_files(beginning: Beginning, *, beside_a_pipeline: bool = False) -> dict[str, str]:
    """Each file's text. The configuration comes last: with it, the repository counts as started.

    `beside_a_pipeline`: whether the repository has a GitLab pipeline, which can include this one.
    """
    files = {schema_path(beginning.prefix, name): schema_text(name) for name in COPIED}
    files |= _pipeline(beginning, beside_a_pipeline=beside_a_pipeline)
    if beginning.ci in _OWNERS_FILE:
        owners_file = _OWNERS_FILE[beginning.ci]
        files[owners_file] = _owners(beginning, owners_file)
    files[HOOKS] = _hooks(beginning)
    files[EDITOR] = _editor(beginning)
    if beginning.gateway is not None:
        folder = beginning.manifests[0]
        schema = schema_from(folder)
        for name in EXAMPLES:
            files[f"{beginning.prefix}{folder}/{name}"] = render_template(name, schema=schema)
        files[beginning.prefix + CONFIGURATION] = configuration_text(beginning, beginning.gateway)
    return files


def schema_path(prefix: str, name: SchemaName) -> str:
    """Where the repository has its copy of a schema."""
    return f"{prefix}schemas/{name}.schema.json"


def schema_from(folder: str) -> str:
    """The path from a folder, relative to the configuration's, to the schema of manifests."""
    return f"{'../' * len(folder.split('/'))}{schema_path('', 'trigger')}"


def _pipeline(beginning: Beginning, *, beside_a_pipeline: bool) -> dict[str, str]:
    settings = PipelineSettings(
        install=beginning.home.install,
        action=beginning.home.action,
        version=beginning.version,
        branch=beginning.branch,
        ledger_branch=beginning.ledger_branch or "",
        environments=beginning.environments,
        root=beginning.prefix.rstrip("/") or ".",
    )
    match beginning.ci:
        case CiKind.GITHUB:
            return {WORKFLOW: pipeline(PipelineKind.GITHUB, settings)}
        case CiKind.GITLAB:
            path = GITLAB_INCLUDED if beside_a_pipeline else GITLAB_CI
            return {path: pipeline(PipelineKind.GITLAB, settings)}
        case CiKind.NONE:
            return {}


def owned_paths(beginning: Beginning, owners_file: str) -> Iterator[str]:
    """The paths that only owners may change, in the form of CODEOWNERS.

    CODEOWNERS itself is one: whoever may change it can remove the owners of everything else, one
    merge earlier. So are the pipelines: once it is merged, any workflow may ask for the keys.
    """
    yield _pattern(beginning.prefix + CONFIGURATION)
    for folder in beginning.states:
        yield _pattern(f"{beginning.prefix}{folder}/")
    if beginning.ci is CiKind.GITHUB:
        yield _pattern(WORKFLOW.rpartition("/")[0] + "/")
    if beginning.ci is CiKind.GITLAB:
        yield _pattern(GITLAB_CI)
        yield _pattern(GITLAB_INCLUDED)
    yield _pattern(owners_file)


def _pattern(path: str) -> str:
    return "/" + path.replace(" ", "\\ ")


def _owners(beginning: Beginning, owners_file: str) -> str:
    paths = list(owned_paths(beginning, owners_file))
    return render_template("CODEOWNERS", paths=paths, owner=beginning.owner, team=TEAM)


def _hooks(beginning: Beginning) -> str:
    watched = "|".join(
        re.escape(f"{folder}/") for folder in (*beginning.manifests, *beginning.states)
    )
    pattern = f"^{re.escape(beginning.prefix)}({watched}|{re.escape(CONFIGURATION)}$)"
    return render_template(
        "pre-commit.yaml",
        hooks=scalar(beginning.home.url) if beginning.home.is_known else "",
        revision=scalar(beginning.home.revision),
        root=scalar(beginning.prefix.rstrip("/")) if beginning.prefix else "",
        pattern=pattern.replace("'", "''"),
    )


def _editor(beginning: Beginning) -> str:
    """Editor settings that name the schema of whole files; a modeline holds for one document."""
    patterns = [
        f"{beginning.prefix}{folder}/**/*.{ending}"
        for folder in beginning.manifests
        for ending in ("yaml", "yml")
    ]
    schemas = {
        quote(schema_path(beginning.prefix, "config")): [beginning.prefix + CONFIGURATION],
        quote(schema_path(beginning.prefix, "trigger")): patterns,
    }
    return json.dumps({"yaml.schemas": schemas}, indent=2, ensure_ascii=False) + "\n"
