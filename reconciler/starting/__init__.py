"""What a repository begins with: every file of it as text, made from a few answers. Pure."""
