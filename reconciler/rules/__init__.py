"""The rules that need more than one manifest, or a manifest and the ledger."""

from reconciler.rules.check import Findings, check
from reconciler.rules.edits import edit_notes

__all__ = ["Findings", "check", "edit_notes"]
