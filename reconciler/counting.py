"""Counts of things as words, for the messages of every layer."""


def format_count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `1,240 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
