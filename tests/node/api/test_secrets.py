"""Secrets of jobs and answers are masked in what the API and the log show, but for an administrator who asks."""

import asyncio
import json

import pytest
import structlog

from .harness import Api, paths

SECRET = "S3CR3T"
M = "[masked]"
JOB = {
    "headers": {"Cookie": SECRET, "X-Pin": SECRET, "X-A": "shown"},
    "redact": ["x-pin", "pin"],
    "max_attempts": 2,
    "backoff": [0],
}
QUERY = f"?token={SECRET}&PIN={SECRET}&a=1"


@pytest.fixture
async def leaky():
    """A target that says 500 and repeats secrets in its headers."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        headers = f"Set-Cookie: a={SECRET}\r\nX-Pin: {SECRET}\r\nLocation: https://u:{SECRET}@a/?key={SECRET}"
        writer.write(f"HTTP/1.1 500 Oops\r\n{headers}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_job_its_listing_and_its_answers_show_no_secret(api, leaky):
    uid = await api.add(f"http://joe:{SECRET}@{leaky}/{QUERY}", **JOB)
    job = await api.get(f"/job/{uid}/wait")
    assert job["url"] == f"http://{leaky}/?token={M}&PIN={M}&a=1"
    assert job["headers"] == {"Cookie": M, "X-Pin": M, "X-A": "shown", "Authorization": M}
    assert job["response"]["headers"][:3] == [["Set-Cookie", M], ["X-Pin", M], ["Location", f"https://{M}@a/?key={M}"]]
    (listed,) = (await api.get(f"/jobs/errors?host={leaky}"))["jobs"]
    assert listed["url"] == job["url"]
    again = await api.ask("POST", f"/job/{uid}/retry")
    for shown in (job, listed, again.body, await api.get(f"/job/{uid}")):
        assert SECRET not in json.dumps(shown)


async def test_an_administrator_sees_them_and_the_log_says_so(api, leaky):
    uid = await api.add(f"http://joe:{SECRET}@{leaky}/{QUERY}", **JOB)
    await api.until(uid, "error")
    with structlog.testing.capture_logs() as lines:
        job = await api.get(f"/job/{uid}?reveal=1")
    assert job["url"] == f"http://{leaky}/{QUERY}"
    assert job["headers"]["Cookie"] == job["headers"]["X-Pin"] == SECRET
    assert job["headers"]["Authorization"].startswith("Basic ")
    assert ["X-Pin", SECRET] in job["response"]["headers"]
    assert [line["uid"] for line in lines if line["event"] == "revealed"] == [uid]


@pytest.mark.parametrize("value", ["", "0", "yes"])
async def test_reveal_is_asked_for_by_1(api, value):
    uid = await api.add("http://a.example/", delay=9)
    assert paths(await api.ask("GET", f"/job/{uid}?reveal={value}")) == ["reveal"]


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 9_000,
        b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/" + QUERY.encode() + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nLocation: ftp://a/" + QUERY.encode() + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nLocation: http://2130706433/" + QUERY.encode() + b"\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["junk", "long-header", "refused", "ftp", "number", "nothing"],
)
async def test_no_error_and_no_log_line_shows_a_secret(api, answer):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://u:{SECRET}@127.0.0.1:{server.sockets[0].getsockname()[1]}/{QUERY}"
    with structlog.testing.capture_logs() as lines:
        uid = await api.add(url, redirects=1, **JOB)
        job = await api.until(uid, "error")
    server.close()
    assert {line["uid"] for line in lines if line["event"] == "call"} == {uid}
    assert job["error"]["message"]
    assert SECRET not in json.dumps(lines, default=str) + json.dumps(job)


async def test_the_promise_holds_over_a_restart(tmp_path):
    async with Api(tmp_path) as api:
        uid = await api.add(f"http://a.example/{QUERY}", delay=99, **JOB)
        await api.stop()
        await api.start()
        job = await api.get(f"/job/{uid}")
        assert (job["redact"], job["redirects"]) == (JOB["redact"], 0)
        assert SECRET not in json.dumps(job)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redirects", 11),
        ("redirects", -1),
        ("redirects", "1"),
        ("redact", "pin"),
        ("redact", [""]),
        ("redact", [1]),
        ("redact", ["x"] * 17),
        ("redact", ["x" * 65]),
    ],
)
async def test_what_breaks_a_rule_is_refused(api, field, value):
    assert paths(await api.ask("POST", "/add", json={"url": "http://a.example/", field: value})) == [field]


async def test_a_form_takes_both(api):
    form = {"url": "http://a.example/", "delay": "9", "redirects": "3", "redact": '["pin"]'}
    answer = await api.ask("POST", "/add", data=form)
    job = await api.get(f"/job/{answer.body['uid']}")
    assert (job["redirects"], job["redact"]) == (3, ["pin"])
