"""One JSON document, as every `--format json` prints it."""

import json
import re
from typing import Any

# Valid in JSON as they are, and obeyed by terminals or impossible to encode.
_HARMFUL = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def json_document(value: Any) -> str:
    """The value as indented JSON, ended by a line feed; harmful characters are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _HARMFUL.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"
