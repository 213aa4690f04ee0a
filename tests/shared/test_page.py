"""The page is served as it stands, to browsers that run and load nothing else; and its files keep to their rules."""

import gzip
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

import taskpusher
from taskpusher import __version__
from taskpusher.contract import routes
from taskpusher.page import Page

UI = Path(taskpusher.__file__).parent / "ui"
FILES = sorted(path for path in UI.rglob("*") if path.is_file())
SERVED = [path.relative_to(UI).as_posix() for path in FILES if path.suffix != ".md"]
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
SIZE_MAX = 74 * 1024  # of all of it, compressed as one
LINES_MAX = 400

# What makes HTML or code of strings, and styles that the policy refuses.
FORBIDDEN = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|setHTMLUnsafe|srcdoc|eval)\b"
    r"|document\.write|new Function|\.cssText|setAttribute\(\"style\"|javascript:"
)


@pytest.fixture
async def ask(serve):
    """A function that asks a server of the page for a path as it is; returns (status, headers, body)."""
    app = web.Application()
    app.add_routes(routes(Page()))
    url = await serve(app)
    async with aiohttp.ClientSession() as http:

        async def ask(path, **headers):
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            asked = URL(f"{url}{path}", encoded=True)
            async with http.get(asked, headers=told, allow_redirects=False) as answer:
                return answer.status, answer.headers, await answer.read()

        yield ask


async def test_the_root_leads_to_the_page_also_under_a_prefix(ask):
    status, headers, _ = await ask("/")
    assert (status, headers["Location"], headers["TaskPusher-Version"]) == (303, "tasks", __version__)


async def test_the_page_is_its_index(ask):
    assert (await ask("/tasks"))[2] == (UI / "index.html").read_bytes()


@pytest.mark.parametrize("file", sorted({*SERVED} - {"index.html"}))
async def test_a_file_is_served_as_it_is_as_what_it_is_and_under_the_policy(ask, file):
    status, headers, body = await ask(f"/tasks/{file}")
    assert (status, body) == (200, (UI / file).read_bytes())
    assert headers["Content-Type"].partition(";")[0] == KINDS[Path(file).suffix]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["TaskPusher-Version"] == __version__
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "connect-src": "'self'", "base-uri": "'none'", "form-action": "'self'", "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'", "trusted-types": "'none'",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/tasks", "/tasks/main.js", "/tasks/lib/dom.js"])
async def test_what_a_browser_has_is_not_sent_again(ask, path):
    _, headers, _ = await ask(path)
    for known in (headers["ETag"], f'"other", {headers["ETag"]}', f"W/{headers['ETag']}"):
        status, again, body = await ask(path, If_None_Match=known)
        assert (status, body, again["ETag"], again["Cache-Control"]) == (304, b"", headers["ETag"], "no-cache")
    for other in ('"other"', "", "nonsense"):
        assert (await ask(path, If_None_Match=other))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/",
        "/tasks/index.html",
        "/tasks/nothing.js",
        "/tasks/README.md",
        "/tasks/lib",
        "/tasks/lib/",
        "/tasks//main.js",
        "/tasks/lib/../main.js",
        "/tasks/../page.py",
        "/tasks/..%2fpage.py",
        "/tasks/%2e%2e/page.py",
        "/tasks/..%5cpage.py",
        "/tasks/lib%2f..%2f..%2fpage.py",
        "/tasks/%2fetc/passwd",
        "/tasks//etc/passwd",
        "/tasks/main.js%00",
        "/tasks/main.js/",
        "/tasks/MAIN.JS",
        "/tasks/" + "a" * 4000,
    ],
)
async def test_there_is_nothing_beside_the_files_of_the_page(ask, path):
    status, _, body = await ask(path)
    assert status == 404
    assert b"import" not in body


# -- its files


def test_the_page_is_small():
    """Compressed as one: that it is made of many small modules is meant."""
    assert len(gzip.compress(b"".join((UI / file).read_bytes() for file in SERVED))) < SIZE_MAX


def test_a_file_is_short_and_begins_with_what_it_is_for():
    texts = {path.name: path.read_text() for path in FILES if path.suffix in (".js", ".css")}
    assert [name for name, text in texts.items() if len(text.splitlines()) > LINES_MAX] == []
    assert [name for name, text in texts.items() if not text.startswith(("/*", "// "))] == []


def test_every_file_has_its_line_in_the_readme_and_every_line_its_file():
    lines = re.findall(r"^\| ([\w./]+\.\w+) \|", (UI / "README.md").read_text(), re.MULTILINE)
    assert sorted(lines) == sorted(SERVED)


def test_every_module_that_is_imported_is_there():
    missing = [
        (file.name, name)
        for file in FILES
        if file.suffix == ".js"
        for name in re.findall(r"(?:from|import) \"(\.[^\"]+)\"", file.read_text())
        if not (file.parent / name).is_file()
    ]
    assert missing == []


def test_nothing_makes_html_or_code_of_strings_or_asks_another_host():
    for path in FILES:
        if path.suffix in (".js", ".html", ".css"):
            assert FORBIDDEN.search(path.read_text()) is None, path
            hosts = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text())) - {"http://www.w3.org/2000/svg"}
            assert hosts == set(), path
    index = (UI / "index.html").read_text()
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|(src|href)=\"/", index) is None


def test_no_file_of_the_page_is_left_out_of_what_is_packed():
    """The wheel has all of the package but what git ignores."""
    asked = subprocess.run(["git", "check-ignore", *FILES], cwd=UI, check=False, capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (1, "")
