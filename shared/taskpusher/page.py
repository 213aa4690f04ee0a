"""The page at /tasks: the files of `ui`, read once, under a policy that lets nothing else run or load."""

from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

from . import __version__, errors, headers
from .contract import Text, operation

FOLDER = "ui"
INDEX = "index.html"

# What a browser is told of each kind of file; other files, such as the README, are not served.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_GUARDS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and mostly answered by 304
    headers.VERSION: __version__,
}


@dataclass(frozen=True)
class _File:
    body: bytes
    etag: str
    told: dict[str, str]


class Page:
    """Serves the page and its files, whatever the daemon behind it is doing."""

    def __init__(self) -> None:
        self._files = dict(_read(files(__package__).joinpath(FOLDER), ""))
        self._index = self._files.pop(INDEX)  # elsewhere than at /tasks it would miss all others

    @operation("GET", "/", answers={303: None})
    async def root(self, _: web.Request) -> web.Response:
        """Lead to the page."""
        return web.Response(status=303, headers={"Location": "tasks", headers.VERSION: __version__})

    @operation("GET", "/tasks", answers={200: Text("text/html", "The page, for people.")})
    async def index(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        return _answer(request, self._index)

    @operation(
        "GET",
        "/tasks/{file:.+}",
        answers={200: tuple(Text(kind.partition(";")[0], "A file of the page.") for kind in _TYPES.values())},
        problems=[errors.NotFound],
    )
    async def file(self, request: web.Request) -> web.Response:
        """Answer with a file of the page."""
        found = self._files.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return _answer(request, found)


def _read(folder: Traversable, prefix: str) -> list[tuple[str, _File]]:
    """Return every file of a folder and those below it, by its path there."""
    found: list[tuple[str, _File]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
            continue
        kind = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if kind is not None:
            body = entry.read_bytes()
            etag = blake2b(body, digest_size=16).hexdigest()
            told = {**_GUARDS, "Content-Type": kind, "ETag": f'"{etag}"'}
            found.append((f"{prefix}{entry.name}", _File(body, etag, told)))
    return found


def _answer(request: web.Request, file: _File) -> web.Response:
    """Return a file, or that the browser has it as it is."""
    if any(tag.value == file.etag for tag in request.if_none_match or ()):  # a proxy may have made it a weak one
        told = {name: value for name, value in file.told.items() if name != "Content-Type"}
        return web.Response(status=304, headers=told)
    return web.Response(body=file.body, headers=file.told)
