"""uids: the 32 hex digits of a UUIDv7 (RFC 9562), a "-", and the name of the store that holds the job."""

import re
import secrets
import string

from uuid_utils import uuid7

ID_DIGITS = 32
NAME_RULE = "1 to 32 of a-z, 0-9 and -, not beginning or ending with -"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def mint(name: str) -> str:
    """Return a new uid of the store `name`; uids of one process never go back in time."""
    return f"{uuid7().hex}-{name}"


def random_name() -> str:
    """Return five random characters: the name of a store that was given none."""
    alphabet = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(5))


def is_name(text: str) -> bool:
    """Tell whether `text` can name a store."""
    return _NAME.fullmatch(text) is not None


def name_of(uid: str) -> str | None:
    """Return the store's name in a uid, or None where `uid` is none."""
    if uid[ID_DIGITS : ID_DIGITS + 1] != "-" or _ID.fullmatch(uid[:ID_DIGITS]) is None:
        return None
    name = uid[ID_DIGITS + 1 :]
    return name if is_name(name) else None


def minted_ms(uid: str) -> int:
    """Return when a uid was minted, in Unix milliseconds (the first 48 bits of a UUIDv7)."""
    return int(uid[:12], 16)
