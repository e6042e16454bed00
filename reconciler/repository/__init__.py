"""One repository: what lies in its working tree, its commits and its shared branch."""
