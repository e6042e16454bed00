"""How a character that must not be shown as it is is written instead."""


def escape_character(character: str) -> str:
    r"""The character as an escape of ASCII, such as `\x1b` or `\u202e`."""
    return character.encode("unicode_escape").decode("ascii")
