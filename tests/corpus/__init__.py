"""Example files: manifests and configurations, valid and invalid, with what is expected of them."""
