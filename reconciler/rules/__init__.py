"""The rules that need more than one manifest, or a manifest and the ledger."""

from reconciler.rules.check import Findings, check

__all__ = ["Findings", "check"]
