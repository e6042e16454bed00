"""The PATHs of `validate`: what they cover, and which of them nothing ever reads."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.configuration import CONFIGURATION, Configuration
from reconciler.errors import ConfigurationError
from reconciler.manifest import is_manifest_path
from reconciler.manifest.read import looks_like_manifest


class WantedPaths(Struct, frozen=True, kw_only=True):
    """What the user named, relative to the root: files and folders."""

    files: frozenset[str]
    folders: frozenset[str]  # "." is the root

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> "WantedPaths":
        """Sort the paths into files and folders. Raises ConfigurationError for one outside."""
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
        """Whether the file is one of the files, or lies in one of the folders."""
        if "." in self.folders or file in self.files:
            return True
        return any(_holds(folder, file) for folder in self.folders)

    def check(
        self, read: Collection[str], unread: Collection[str], configuration: Configuration
    ) -> Iterator[str]:
        """Notes about paths that were named and not validated; `read`: the manifests that were.

        Raises ConfigurationError for a path that would pass for valid although nothing ever reads
        it: a manifest or a folder outside every environment, or a name that only looks like a
        manifest's.
        """
        for path in sorted(self.files - set(read)):
            yield from _check_file(path, configuration, is_manifest=path in unread)
        for folder in sorted(self.folders):
            if not _is_of_an_environment(folder, configuration):
                raise ConfigurationError(
                    f"{folder} is no folder of an environment, so nothing in it is validated",
                    hint="See `manifests` and `state` in reconciler.yaml.",
                )
            if not any(_holds(folder, file) for file in read):
                yield f"{folder} holds no manifests of the environments that are validated"


def _check_file(path: str, configuration: Configuration, *, is_manifest: bool) -> Iterator[str]:
    """Notes about a file that was not read as a manifest. Raises ConfigurationError.

    `is_manifest`: whether its content is a manifest's.
    """
    for environment in configuration.environments.values():
        folder = environment.manifests
        if is_manifest_path(path, folder):  # of another environment, or it has a problem
            yield f"{path} is of the environment {environment.name}"
            return
        if _holds(folder, path) and looks_like_manifest(path, folder):
            raise ConfigurationError(
                f"{path} is not read, so it declares nothing: manifests end in .yaml or .yml, in "
                "small letters",
                hint="Rename it.",
            )
    if is_manifest or (path.endswith((".yaml", ".yml")) and "/" in path):
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
