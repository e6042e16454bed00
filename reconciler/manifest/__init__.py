"""Manifests: the YAML files that declare runs, read strictly."""

from reconciler.manifest.read import CrowdedError, FileResult, combine, is_manifest_path, read_file

__all__ = ["CrowdedError", "FileResult", "combine", "is_manifest_path", "read_file"]
