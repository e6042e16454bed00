"""What a repository begins with: its pipeline."""
