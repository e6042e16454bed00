"""What a pipeline tells people on its forge: one comment on a pull request, one issue."""
