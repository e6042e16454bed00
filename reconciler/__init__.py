"""GitOps for one-shot workflow runs: every declared run is started exactly once."""

__version__ = "0.1.0"
DISTRIBUTION = "enos-reconciler"  # what pip calls the package
PLACEHOLDER = "YOUR-ORGANISATION"  # stands for an owner that nobody has named
