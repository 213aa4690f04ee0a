"""Shows text of strangers without the characters that would command a terminal or turn its lines around."""

import re

_COMMANDING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LATIN = 0x100


def escaped(text: str) -> str:
    """Return the text with control, direction and surrogate characters written out."""
    return _COMMANDING.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < _LATIN else f"\\u{code:04x}"
