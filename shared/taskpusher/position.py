"""Where a page of a listing ends, and the next one goes on behind it: `t~uid`, opaque to clients.

Jobs of one state stand in one order over all nodes: by t, then the id, then the name of the store.
"""

from typing import NamedTuple, Self

from .uid import ID_DIGITS, name_of

_T_DIGITS = 18  # more than a time can have, and fewer than 64 bits hold


class Position(NamedTuple):
    """A place in the order of a listing."""

    t_ms: int
    id: str
    name: str

    @classmethod
    def of(cls, t_ms: int, uid: str) -> Self:
        """Return where a job stands; ValueError where that is no uid."""
        name = name_of(uid)
        if name is None:
            raise ValueError(uid)
        return cls(t_ms, uid[:ID_DIGITS], name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; ValueError for any other text."""
        t_text, _, uid = text.partition("~")
        if not (t_text.isascii() and t_text.isdigit() and len(t_text) <= _T_DIGITS):
            raise ValueError(text)
        return cls.of(int(t_text), uid)

    def __str__(self) -> str:
        return f"{self.t_ms}~{self.id}-{self.name}"
