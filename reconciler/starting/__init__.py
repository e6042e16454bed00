"""A new repository: the text of each of its files, made from a few answers. Pure."""
