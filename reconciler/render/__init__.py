"""Text, JSON, Markdown and annotations from plans, results and problems: pure functions."""
