"""The project's figures, each as a ratio measured within one run."""
