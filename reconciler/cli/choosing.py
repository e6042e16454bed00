"""The files and folders that `validate PATH…` names."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.configuration import CONFIGURATION, Configuration
from reconciler.errors import ConfigurationError
from reconciler.manifest import is_manifest_path
from reconciler.manifest.read import looks_like_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user named, relative to the root: files and folders."""

    files: frozenset[str]
    folders: frozenset[str]  # "." is the root

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> "Wanted":
        """Find them. Raises ConfigurationError for one outside the root."""
        files: set[str] = set()
        folders: set[str] = set()
        for path in paths:
            absolute = path.parent.resolve() / path.name if path.is_symlink() else path.resolve()
            if not absolute.is_relative_to(root):
                raise ConfigurationError(f"{path} is not in the repository {root}")
            found = absolute.relative_to(root).as_posix()
            (folders if absolute.is_dir() else files).add(found)
        return cls(files=frozenset(files), folders=frozenset(folders))

    def covers(self, file: str) -> bool:
        """Whether the file is one of those, or lies in one of the folders."""
        return file in self.files or any(_holds(folder, file) for folder in self.folders)

    def check(self, read: Collection[str], configuration: Configuration) -> Iterator[str]:
        """Notes about what is named and not validated; `read`: the manifests that were.

        Raises ConfigurationError for what would pass for valid and is never read: a manifest or a
        folder outside every environment, or a name that only looks like a manifest's.
        """
        for path in sorted(self.files - set(read)):
            yield from _check_file(path, configuration)
        for folder in sorted(self.folders):
            if not _is_of_an_environment(folder, configuration):
                raise ConfigurationError(
                    f"{folder} is no folder of an environment, so nothing in it is validated",
                    hint="See `manifests` and `state` in reconciler.yaml.",
                )
            if not any(_holds(folder, file) for file in read):
                yield f"{folder} holds no manifests of the environments that are validated"


def _check_file(path: str, configuration: Configuration) -> Iterator[str]:
    """Notes about a file that was not read as a manifest. Raises ConfigurationError."""
    for environment in configuration.environments.values():
        folder = environment.manifests
        if is_manifest_path(path, folder):  # it was not asked for, or there is a problem with it
            yield f"{path} is of the environment {environment.name}"
            return
        if _holds(folder, path) and looks_like_manifest(path, folder):
            raise ConfigurationError(
                f"{path} is not read, so it declares nothing: manifests end in .yaml or .yml, in "
                "small letters",
                hint="Rename it.",
            )
    if path.endswith((".yaml", ".yml")) and "/" in path:
        raise ConfigurationError(
            f"{path} is in no environment's folder of manifests, so it declares nothing",
            hint="Move it there, or see `manifests` in reconciler.yaml.",
        )
    of_ledgers = any(_holds(one.state, path) for one in configuration.environments.values())
    if path != CONFIGURATION and not of_ledgers:
        yield f"{path} is no manifest: nothing of it is validated"


def _is_of_an_environment(folder: str, configuration: Configuration) -> bool:
    known = [
        one
        for environment in configuration.environments.values()
        for one in (environment.manifests, environment.state)
    ]
    return any(_holds(folder, one) or _holds(one, folder) for one in known)


def _holds(folder: str, path: str) -> bool:
    """Whether the path is the folder, or lies in it."""
    return folder in {".", path} or path.startswith(f"{folder}/")
