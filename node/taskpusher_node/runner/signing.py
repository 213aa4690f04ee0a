"""Signs calls by Standard Webhooks 1.0.0 (standardwebhooks.com), so that an application knows who calls it."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

_PREFIX = "whsec_"


class BadSecret(ValueError):
    """A signing secret is not base64, or too short to be one."""


def parse_secrets(text: str) -> list[bytes]:
    """Return the keys of secrets separated by commas or blanks, each in base64; raises BadSecret."""
    keys = []
    for secret in text.replace(",", " ").split():
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error as error:
            raise BadSecret("a signing secret is base64, with or without whsec_ before it") from error
        if not 24 <= len(key) <= 64:  # noqa: PLR2004 - the bounds of the specification
            raise BadSecret("a signing secret has 24 to 64 bytes")
        keys.append(key)
    return keys


def signed_headers(keys: Sequence[bytes], uid: str, unix_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers; one signature for each key, so that secrets can be rotated while both are live."""
    content = f"{uid}.{unix_s}.".encode() + body
    signatures = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return {
        ID: uid,
        TIMESTAMP: str(unix_s),
        SIGNATURE: " ".join("v1," + base64.b64encode(signature).decode() for signature in signatures),
    }
