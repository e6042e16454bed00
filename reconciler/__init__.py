"""GitOps for one-shot workflow runs: every declared run is started exactly once."""

__version__ = "0.1.0"
