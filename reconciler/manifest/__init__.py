"""Manifests: strict reading of the YAML files that declare runs."""

from reconciler.manifest.read import CrowdedError, FileResult, combine, is_manifest_path, read_file

__all__ = ["CrowdedError", "FileResult", "combine", "is_manifest_path", "read_file"]
