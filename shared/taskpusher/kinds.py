"""The kinds of settings: the one rule by which a text or a value of TOML is read, and how a value is shown."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .access import Role, Token

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES = {"": 1.0, "K": 1_024.0, "M": 1_024.0**2, "G": 1_024.0**3, "T": 1_024.0**4}
_DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?(?:e-?\d+)?) ?([smhd]?)", re.ASCII)
_SIZE = re.compile(r"(\d{1,18}) ?([KMGT]?)", re.ASCII | re.IGNORECASE)
_SIZE_MAX = 1 << 50  # far above any disk of one node, and a number for every system call
_TOKEN_KEYS = ("name", "role", "secret", "secret_file")


class BadValue(ValueError):
    """A value breaks the rule of its kind; the text is the rule."""


class Files(Protocol):
    """What a value in a settings file may refer to."""

    def path(self, text: str) -> Path:
        """Return a path that is written relative to the folder of the settings file."""

    def secret(self, text: str) -> str:
        """Return the secret that stands in a file; raises BadValue."""


class Kind:
    """A text without a rule. The others say what it must look like, and which types of TOML stand for it."""

    metavar = "TEXT"
    rule = "a text"
    toml: tuple[type, ...] = (str,)
    secret = False
    none = False  # whether the word none stands for no value at all
    one: str | None = None  # what a flag is called that may be given again and again, one of several each time

    def parse(self, text: str) -> Any:
        """Read a flag or a variable; raises BadValue."""
        return text

    def take(self, value: object, files: Files) -> Any:  # noqa: ARG002 - some kinds name files
        """Read a value of TOML; raises BadValue."""
        if type(value) not in self.toml:
            raise BadValue(self.rule)
        return self.parse(str(value))

    def show(self, value: Any) -> str:
        """Return a value as one would write it."""
        return str(value)


class Text(Kind):
    """A text that must satisfy `fits`, where that is given."""

    def __init__(
        self, metavar: str, rule: str = "a text", fits: Callable[[str], bool] = lambda _: True, *, secret: bool = False
    ) -> None:
        self.metavar, self.rule, self.secret = metavar, rule, secret
        self._fits = fits

    def parse(self, text: str) -> str:
        """Return the text itself."""
        if not self._fits(text):
            raise BadValue(self.rule)
        return text


class Listed(Text):
    """Texts with commas between them; in TOML an array does as well."""

    def take(self, value: object, files: Files) -> Any:
        """Join an array."""
        if isinstance(value, list) and all(isinstance(item, str) and "," not in item for item in value):
            value = ",".join(value)
        return super().take(value, files)


class Choice(Kind):
    """One of a few words."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.metavar = "|".join(words)
        self.rule = f"one of {', '.join(words)}"
        self._words = words

    def parse(self, text: str) -> str:
        """Return the word."""
        if text not in self._words:
            raise BadValue(self.rule)
        return text


class YesNo(Kind):
    """On or off: a flag without a value."""

    metavar = ""
    rule = "true or false"
    toml = (bool,)

    def parse(self, text: str) -> bool:
        """Read the usual words."""
        if text.lower() not in TRUE + FALSE:
            raise BadValue(self.rule)
        return text.lower() in TRUE

    def show(self, value: Any) -> str:
        """Return a word of TOML."""
        return TRUE[0] if value else FALSE[0]


class Folder(Kind):
    """A path; in a settings file it is relative to that file's folder."""

    metavar = "PATH"
    rule = "a path"

    def parse(self, text: str) -> Path:
        """Read a path that no system call would refuse as such."""
        if not text or "\0" in text:
            raise BadValue(self.rule)
        return Path(text)

    def take(self, value: object, files: Files) -> Any:
        """Find it beside the settings file."""
        return files.path(str(super().take(value, files)))


class Whole(Kind):
    """A whole number from `low` to `high`."""

    metavar = "N"
    toml: tuple[type, ...] = (int,)

    def __init__(self, low: int = 1, high: int | None = None, *, none: bool = False) -> None:
        self.rule = f"a whole number from {low}" + (f" to {high:,}" if high is not None else "")
        self._low, self._high = low, math.inf if high is None else high
        self.none = none

    def parse(self, text: str) -> int:
        """Read digits; underscores between them as in TOML."""
        if not re.fullmatch(r"\d{1,18}", digits := text.replace("_", ""), re.ASCII):
            raise BadValue(self.rule)
        return self._within(int(digits))

    def _within(self, number: int) -> int:
        if not self._low <= number <= self._high:
            raise BadValue(self.rule)
        return number


class Size(Whole):
    """Bytes, in powers of 1,024: 65536 or 64K, M, G, T."""

    metavar = "SIZE"
    toml = (int, str)

    def __init__(self, low: int = 1, *, none: bool = False) -> None:
        super().__init__(low, _SIZE_MAX, none=none)
        self.rule = f"a size from {low} to 1024T: bytes, or like 64K, 64M, 1G"

    def parse(self, text: str) -> int:
        """Read a number and its unit."""
        match = _SIZE.fullmatch(text)
        if match is None:
            raise BadValue(self.rule)
        return self._within(int(match[1]) * int(_BYTES[match[2].upper()]))

    def show(self, value: Any) -> str:
        """Return it in the largest unit that leaves it whole."""
        return _in_units(value, _BYTES)


class Duration(Kind):
    """Seconds: 30, or 30s, 30m, 12h, 7d."""

    metavar = "DURATION"
    toml = (int, float, str)

    def __init__(self, *, zero: bool = True, none: bool = False) -> None:
        self.rule = f"a duration{'' if zero else ' above 0'}: seconds, or like 90s, 30m, 12h, 7d"
        self.none = none
        self._zero = zero

    def parse(self, text: str) -> float:
        """Read a number and its unit."""
        match = _DURATION.fullmatch(text)
        seconds = float(match[1]) * _SECONDS[match[2]] if match is not None else math.inf
        if not math.isfinite(seconds) or (seconds == 0 and not self._zero):
            raise BadValue(self.rule)
        return seconds

    def show(self, value: Any) -> str:
        """Return it in the largest unit that leaves it whole."""
        return _in_units(value, {name: unit for name, unit in _SECONDS.items() if name})


class Tokens(Kind):
    """Bearer tokens: NAME:ROLE:SECRET in a text, a table each in TOML."""

    metavar = "NAME:ROLE:SECRET"
    rule = f"NAME:ROLE:SECRET, several with commas or on lines of their own; a role is {', '.join(Role)}"
    toml = (list,)
    secret = True

    def parse(self, text: str) -> tuple[Token, ...]:
        """Read one or several."""
        parts = [item.split(":") for item in text.replace(",", " ").split()]
        if not parts or any(len(part) != 3 for part in parts):  # noqa: PLR2004 - name, role, secret
            raise BadValue(self.rule)
        return self._checked([dict(zip(_TOKEN_KEYS, part, strict=False)) for part in parts])

    def take(self, value: object, files: Files) -> Any:
        """Read `[[tokens]]`, each with name, role and either secret or secret_file."""
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise BadValue("[[tokens]] tables, each with name, role and secret_file or secret")
        tables = []
        for n, table in enumerate(value, 1):
            wrong = [key for key in table if key not in _TOKEN_KEYS or not isinstance(table[key], str)]
            if wrong or ("secret" in table) == ("secret_file" in table):
                said = f", not {', '.join(map(repr, wrong))}" if wrong else ""
                raise BadValue(
                    f"tables of name, role and one of secret_file and secret, all texts; number {n} is{said}"
                )
            secret = table["secret"] if "secret" in table else files.secret(table["secret_file"])
            tables.append({**table, "secret": secret})
        return self._checked(tables)

    def _checked(self, tables: list[dict[str, str]]) -> tuple[Token, ...]:
        tokens = []
        for n, table in enumerate(tables, 1):
            if not table.get("name") or table.get("role") not in tuple(Role):
                raise BadValue(f"complete: number {n} needs a name, and a role of {', '.join(Role)}")
            try:
                tokens.append(Token(table["name"], Role(table["role"]), table["secret"]))
            except ValueError as error:
                raise BadValue(f"fit for use: {error}") from None
        for key in ("name", "secret"):
            if len({table[key] for table in tables}) < len(tables):
                raise BadValue(f"fit for use: two of them have the same {key}")
        return tuple(tokens)


def kind_of(default: object) -> Kind:
    """Return the kind that a default stands for where nothing else is said; a fraction is a duration."""
    match default:
        case bool():
            return YesNo()
        case int():
            return Whole()
        case float():
            return Duration()
        case Path():
            return Folder()
    return Kind()


def _in_units(value: float, units: dict[str, float]) -> str:
    for name, unit in reversed(units.items()):
        if value >= unit and value % unit == 0:
            return f"{value // unit:.0f}{name}"
    return f"{value:.15g}{next(iter(units))}"
