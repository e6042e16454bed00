"""Manifests: strict reading of the YAML files that declare runs."""

from reconciler.manifest.reading import (
    FileResult,
    combine,
    is_manifest_path,
    read_file,
    read_manifests,
)

__all__ = ["FileResult", "combine", "is_manifest_path", "read_file", "read_manifests"]
