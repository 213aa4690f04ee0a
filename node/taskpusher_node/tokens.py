"""What the target of a call proves by that it was called: a secret that nobody stores, made of the call and a key."""

import re
from hashlib import blake2b
from hmac import compare_digest

KEY_BYTES = 32

_TEXT = re.compile(r"([1-9][0-9]{0,9})\.[0-9a-f]{32}")


class Tokens:
    """Makes and recognizes them. They name their attempt, so that one look tells whose a token was, however old."""

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=16)

    def of(self, uid: str, attempt: int) -> str:
        """Return the token of a call."""
        digest = self._keyed.copy()
        digest.update(f"{attempt} {uid}".encode())
        return f"{attempt}.{digest.hexdigest()}"

    def attempt_of(self, uid: str, text: str) -> int | None:
        """Return of which call of a job a text is the token; None where it is none."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        attempt = int(match[1])
        return attempt if compare_digest(self.of(uid, attempt), text) else None
