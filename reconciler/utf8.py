"""Text that the operating system and git hand over as bytes: UTF-8, or not.

Python keeps a byte that it cannot read as half of a surrogate pair (PEP 383). No ledger and no
other program takes that, and in the C locale it stands for each byte of every letter.
"""

import re

_UNPAIRED = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # no byte is kept as one of these


def read_utf8(given: str, errors: str = "strict") -> str:
    """The text with its kept bytes read as UTF-8.

    Raises UnicodeError for bytes that are not; with `errors` "replace" they become U+FFFD.
    """
    if given.isascii():
        return given
    if errors == "replace":
        given = _UNPAIRED.sub("\ufffd", given)
    return given.encode("utf-8", "surrogateescape").decode("utf-8", errors)
