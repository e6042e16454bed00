"""The pipelines that docs/ci shows, and the component: `python -m tests.pipelines.update`."""

from collections.abc import Mapping
from pathlib import Path

from reconciler import __version__
from reconciler.starting.templates import (
    PipelineKind,
    PipelineSettings,
    gitlab_component,
    pipeline,
)
from tests.repositories import PROJECT

# A placeholder that nobody takes for a version: whoever copies this names a commit.
_DIGEST = "0" * 40
_INSTALL = f"enos-reconciler @ git+https://github.com/YOUR-ORGANISATION/reconciler@v{__version__}"
SHOWN = PipelineSettings(
    install=_INSTALL,
    action=f"YOUR-ORGANISATION/reconciler@{_DIGEST}",
    version=__version__,
    branch="main",
    environments=("prod",),
)


def samples() -> Mapping[Path, str]:
    """What each file must hold."""
    shown = {PROJECT / "docs/ci" / f"{kind}.yml": pipeline(kind, SHOWN) for kind in PipelineKind}
    component = gitlab_component(install=_INSTALL, version=__version__)
    return {**shown, PROJECT / "templates" / "reconciler.yml": component}
