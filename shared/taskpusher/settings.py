"""Settings of a daemon: flag before environment before credential before file before default, each with its origin.

A daemon's settings are the fields of one frozen dataclass, made by `setting`.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from .kinds import BadValue, Kind, Text, kind_of

PREFIX = "TASKPUSHER_"
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # where systemd puts what LoadCredential= names
DEFAULT = "default"
FLAG = "flag"

_FILE_MAX = 1 << 20
_ENCODING = "utf-8-sig"  # editors of Windows put a mark in front, which nobody sees
_SHOWN_MAX = 100  # characters of a wrong value that a message repeats

C = TypeVar("C")


def setting(default: Any, text: str, *, group: str, kind: Kind | None = None, common: bool = False) -> Any:
    """Return the dataclass field of one setting; `common` ones are shown by --help."""
    meta = {"help": text, "group": group, "kind": kind or kind_of(default), "common": common}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: a flag, a variable and a TOML key; a secret one may also stand in a file of its own."""

    name: str
    default: Any
    help: str
    group: str
    kind: Kind
    common: bool

    @property
    def flag(self) -> str:
        """The long flag without its dashes."""
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()

    @property
    def in_file(self) -> "Setting | None":
        """The setting that names a file with this one's value; only secrets have it."""
        if not self.kind.secret:
            return None
        return Setting(
            name=f"{self.name}_file",
            default=None,
            help=f"File with the value of {self.flag}.",
            group=self.group,
            kind=Text("FILE"),
            common=False,
        )

    def parse(self, text: str) -> Any:
        """Read a flag or a variable; raises BadValue."""
        return None if self.kind.none and text == "none" else self.kind.parse(text)

    def take(self, value: object, files: "_Files") -> Any:
        """Read a value of TOML; raises BadValue."""
        return None if self.kind.none and value == "none" else self.kind.take(value, files)

    def show(self, value: Any) -> str:
        """Return a value as one would write it; of a secret only whether there is one."""
        if value in (None, "", ()):
            return "none"
        return "set" if self.kind.secret else self.kind.show(value)


CONFIG = Setting(
    name="config", default=None, help="TOML file with settings.", group="The process", kind=Text("FILE"), common=True
)


class BadSettings(Exception):
    """Settings that do not fit: a sentence for each, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Loaded(Generic[C]):
    """Settings, where each comes from, and what should be put right although it works."""

    config: C
    origins: dict[str, str]
    warnings: list[str]


def settings_of(cls: type) -> list[Setting]:
    """Return the settings of a class, in order."""
    return [Setting(name=f.name, default=f.default, **f.metadata) for f in fields(cls)]


def load(cls: type[C], flags: Mapping[str, Any], environ: Mapping[str, str]) -> Loaded[C]:
    """Read all settings anew; `flags` holds those that were given, read already. Raises BadSettings."""
    loading = _Loading(settings_of(cls))
    config = flags.get(CONFIG.name) or environ.get(CONFIG.variable)
    if config:
        loading.read_file(Path(config))
    loading.read_credentials(environ)
    loading.read_environment(environ)
    loading.read_flags(flags)
    if loading.problems:
        raise BadSettings(loading.problems)
    return Loaded(cls(**loading.values), loading.origins, loading.warnings)


class _Files:
    """Finds what settings name relative to a folder, and looks at who can read a secret."""

    def __init__(self, folder: Path, warnings: list[str]) -> None:
        self._folder = folder
        self._warnings = warnings

    def path(self, text: str) -> Path:
        """Return a path; an absolute one stays as it is."""
        return self._folder / text

    def secret(self, text: str) -> str:
        """Return what stands in a file, without the end of its last line; raises BadValue."""
        path = self.path(text)
        try:
            content, mode = _read(path)
        except BadValue as error:
            raise BadValue(f"fit for use: {path} is not {error}") from None
        _warn_of_readers(path, mode, self._warnings)
        try:
            secret = content.decode(_ENCODING).rstrip("\r\n")
        except UnicodeDecodeError:
            raise BadValue(f"a text: {path} is not UTF-8") from None
        if not secret:
            raise BadValue(f"there: {path} is empty")
        return secret


@dataclass(frozen=True)
class _Given:
    """A value that somebody gave: what it is called there, where it comes from, and how it is read."""

    label: str
    origin: str
    value: object
    read: Callable[[], Any]


class _Loading:
    def __init__(self, settings: list[Setting]) -> None:
        self._settings = settings
        self.values: dict[str, Any] = {setting.name: setting.default for setting in settings}
        self.origins = dict.fromkeys(self.values, DEFAULT)
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def read_file(self, path: Path) -> None:
        """Take the keys of a TOML file, and name every one that does not fit."""
        import tomllib  # noqa: PLC0415 - only where there is a file

        try:
            content, mode = _read(path)
            table = tomllib.loads(content.decode(_ENCODING))
            repr(table)  # a hexadecimal number may be too long to be shown, which is a ValueError as well
        except BadValue as error:
            self.problems.append(f"config: {str(path)!r} is not {error}")
            return
        except (ValueError, RecursionError) as error:
            self.problems.append(f"config: {str(path)!r} is not TOML: {error}")
            return
        self._name_unknown(table, path)
        if any(setting.kind.secret and setting.name in table for setting in self._settings):
            _warn_of_readers(path, mode, self.warnings)
        files = _Files(path.parent, self.warnings)
        for setting in self._settings:
            given = []
            if setting.name in table:
                value = table[setting.name]
                given.append(_Given(setting.name, f"file {path}", value, partial(setting.take, value, files)))
            if setting.in_file is not None and setting.in_file.name in table:
                name = setting.in_file.name
                given.append(self._in_file(setting, name, f"file {path}", table[name], files))
            self._take(setting, given, f" in {path}")

    def read_credentials(self, environ: Mapping[str, str]) -> None:
        """Take the secrets that systemd hands over as files of their names."""
        folder = environ.get(CREDENTIALS)
        if not folder:
            return
        try:
            names = {path.name for path in Path(folder).iterdir()}
        except (OSError, ValueError) as error:
            self.problems.append(f"{CREDENTIALS}: {folder!r} is not readable: {error}")
            return
        files = _Files(Path(folder), self.warnings)
        for setting in self._settings:
            if setting.kind.secret and setting.name in names:
                path = Path(folder, setting.name)
                self._take(
                    setting, [self._in_file(setting, f"credential {setting.name}", "credential", str(path), files)]
                )

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take variables. An empty one is none, and unknown ones are others': Kubernetes sets TASKPUSHER_PORT."""
        files = _Files(Path(), self.warnings)
        for setting in self._settings:
            given = []
            if text := environ.get(setting.variable):
                origin = f"environment {setting.variable}"
                given.append(_Given(setting.variable, origin, text, partial(setting.parse, text)))
            if setting.in_file is not None and (text := environ.get(setting.in_file.variable)):
                name = setting.in_file.variable
                given.append(self._in_file(setting, name, f"environment {name}", text, files))
            self._take(setting, given)

    def read_flags(self, flags: Mapping[str, Any]) -> None:
        """Take flags, whose values are read already."""
        files = _Files(Path(), self.warnings)
        for setting in self._settings:
            given = []
            if setting.name in flags:
                value = flags[setting.name]
                given.append(_Given(f"--{setting.flag}", FLAG, value, partial(_same, value)))
            if setting.in_file is not None and setting.in_file.name in flags:
                name = setting.in_file
                given.append(self._in_file(setting, f"--{name.flag}", f"{FLAG} --{name.flag}", flags[name.name], files))
            self._take(setting, given)

    def _in_file(self, setting: Setting, label: str, origin: str, path: object, files: _Files) -> _Given:
        def read() -> Any:
            if not isinstance(path, str):
                raise BadValue("the path of a file")
            return setting.parse(files.secret(path))

        return _Given(label, origin if origin == FLAG else f"{origin}, {path}", path, read)

    def _take(self, setting: Setting, given: list[_Given], where: str = "") -> None:
        if len(given) > 1:
            self.problems.append(f"{given[0].label} and {given[1].label}{where}: give only one of them")
            return
        for one in given:
            try:
                self.values[setting.name] = one.read()
            except BadValue as error:
                hidden = setting.kind.secret and one.label in (setting.name, setting.variable)
                shown = "its value" if hidden else repr(one.value)[:_SHOWN_MAX]
                self.problems.append(f"{one.label}{where}: {shown} is not {error}")
            self.origins[setting.name] = one.origin

    def _name_unknown(self, table: Mapping[str, object], path: Path) -> None:
        known = [setting.name for setting in self._settings]
        known += [setting.in_file.name for setting in self._settings if setting.in_file is not None]
        for key in table:
            if key not in known:
                self.problems.append(f"{key} in {path}: there is no such setting{_nearest(key, known)}")


def _same(value: Any) -> Any:
    return value


def _nearest(key: str, known: list[str]) -> str:
    import difflib  # noqa: PLC0415 - only where a key is wrong

    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def _warn_of_readers(path: Path, mode: int, warnings: list[str]) -> None:
    if mode & stat.S_IROTH:
        warnings.append(f"every user can read {path}, which holds a secret: chmod o-r it")


def _read(path: Path) -> tuple[bytes, int]:
    """Return the content and mode of a regular file. A pipe could be read once only, and keep a reload waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise BadValue("a regular file")
            content = file.read(_FILE_MAX + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue(f"readable: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > _FILE_MAX:
        raise BadValue(f"a file of at most {_FILE_MAX:,} bytes")
    return content, mode
