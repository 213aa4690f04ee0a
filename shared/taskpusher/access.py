"""Who may do what: one Basic user and bearer tokens, each with a role."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do."""

    PUSH = "push"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Token:
    """A bearer token (RFC 6750); its name is what the log and `paused.by` show."""

    name: str
    role: Role
    secret: str = field(repr=False)
