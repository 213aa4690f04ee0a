"""What stands around all handlers: who and what is let in, and that every failure is a problem."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from taskpusher.access import Role, Token

from .serving import Server, basic


@pytest.fixture
async def free() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


@pytest.fixture
async def locked() -> AsyncIterator[Server]:
    tokens = [Token("ci", Role.PUSH, "p-u-s-h"), Token("board", Role.READ, "r-e-a-d"), Token("ops", Role.ADMIN, "ops")]
    async with Server("joe:se:cret ä", *tokens) as server:
        yield server


async def test_without_credentials_set_everybody_is_let_in_as_admin(free):
    for authorization in (None, basic("joe:x"), "Bearer x", "nonsense", ""):
        status, _, body = await free.ask("/in", authorization)
        assert (status, body) == (200, {"user": None, "role": "admin"})


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        (basic("joe:se:cret ä"), ("joe", "admin")),
        ("Bearer ops", ("ops", "admin")),
        ("Bearer r-e-a-d", ("board", "read")),
    ],
)
async def test_a_handler_knows_who_asks_and_what_they_may(locked, authorization, who):
    _, _, body = await locked.ask("/in", authorization)
    assert (body["user"], body["role"]) == who


async def test_a_router_comes_in_as_whom_it_speaks_for():
    async with Server("joe:x", Token("board", Role.READ, "r"), cluster_token="c-l") as server:
        said = {"TaskPusher_Caller": "J%C3%B6", "TaskPusher_Role": "push"}
        assert (await server.ask("/in", "Bearer c-l"))[2] == {"user": "cluster", "role": "admin"}
        assert (await server.ask("/in", "Bearer c-l", TaskPusher_Role="read"))[2] == {"user": None, "role": "read"}
        said["TaskPusher_Role"] = "admin"
        assert (await server.ask("/in", "Bearer c-l", method="POST", **said))[2] == {"user": "Jö", "role": "admin"}
        said["TaskPusher_Role"] = "read"
        assert (await server.ask("/in", "Bearer c-l", method="POST", **said))[0] == 403
        said["TaskPusher_Role"] = "root"
        assert (await server.ask("/in", "Bearer c-l", **said))[0] == 403


async def test_nobody_but_a_router_is_believed_whom_it_speaks_for():
    async with Server("joe:x", Token("board", Role.READ, "r")) as server:
        said = {"TaskPusher_Caller": "ann", "TaskPusher_Role": "admin"}
        assert (await server.ask("/in", "Bearer r", **said))[2] == {"user": "board", "role": "read"}
        assert (await server.ask("/in", "Bearer r", method="POST", **said))[0] == 403
        assert (await server.ask("/in", basic("joe:x"), TaskPusher_Role="push"))[2]["role"] == "admin"


async def test_with_a_cluster_token_all_others_only_read():
    tokens = [Token("ops", Role.ADMIN, "ops"), Token("ci", Role.PUSH, "ci")]
    async with Server("joe:x", *tokens, cluster_token="c-l") as server:
        for own in ("Bearer ops", "Bearer ci", basic("joe:x")):
            status, _, body = await server.ask("/in", own, method="POST")
            assert (status, "routers" in body["detail"]) == (403, True)
        assert (await server.ask("/in", "Bearer ops"))[0] == 200
        assert (await server.ask("/by/x/token", "Bearer ops", method="POST"))[0] == 200
        assert (await server.ask("/by/x/token", method="POST"))[0] == 200
        assert (await server.ask("/in", "Bearer c-l", method="POST"))[0] == 200
        assert (await server.ask("/in", "Bearer C-l", method="POST"))[0] == 401
        server.access.replace("joe:x", tokens)
        assert (await server.ask("/in", "Bearer ops", method="POST"))[0] == 200


async def test_wrong_credentials_are_told_how_to_come_in(locked):
    for authorization in (None, basic("joe:x"), "Bearer x"):
        status, sent, body = await locked.ask("/in", authorization)
        assert (status, body["type"], body["stored"]) == (401, "unauthorized", False)
        realm = 'realm="TaskPusher", charset="UTF-8"'
        assert sent.getall("WWW-Authenticate") == [f"Basic {realm}", f"Bearer {realm}"]


async def test_a_role_that_does_not_suffice_is_told_what_it_may_do(locked):
    status, _, body = await locked.ask("/in", "Bearer p-u-s-h")
    assert (status, body["type"], body["stored"]) == (403, "forbidden", False)
    assert "ci" in body["detail"]
    assert "POST /add" in body["detail"]
    assert (await locked.ask("/in", "Bearer r-e-a-d", method="POST"))[0] == 403
    assert (await locked.ask("/in", "Bearer ops", method="POST"))[0] == 200


async def test_bytes_that_are_no_text_are_wrong_credentials_and_no_fault(locked):
    reader, writer = await locked.connect()
    writer.write(b"GET /in HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def test_credentials_are_replaced_while_it_runs_also_on_open_connections(locked):
    assert (await locked.ask("/in", "Bearer ops"))[0] == 200
    locked.access.replace(None, [Token("new", Role.READ, "fresh")])
    assert (await locked.ask("/in", "Bearer ops"))[0] == 401
    assert (await locked.ask("/in", basic("joe:se:cret ä")))[0] == 401
    assert (await locked.ask("/in", "Bearer fresh"))[2] == {"user": "new", "role": "read"}


async def test_failed_logins_are_counted_in_the_log_without_their_secrets_and_do_not_flood_it(locked):
    with structlog.testing.capture_logs() as lines:
        for n in range(50):
            await locked.ask("/in", f"Bearer guess-{n}")
        await locked.ask("/in")  # no credentials: a browser's first request, no failed login
        locked._guard._tell_again = 0.0
        await locked.ask("/in", "Bearer guess-51")
    assert [(line["event"], line["times"]) for line in lines] == [("logins failed", 1), ("logins failed", 50)]
    assert "guess" not in str(lines)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "nonsense"])
async def test_a_body_in_a_coding_is_not_decoded_whoever_sends_it(locked, coding, caplog):
    for authorization, status in ((None, b"401"), ("Bearer ops", b"415")):
        reader, writer = await locked.connect()
        head = f"POST /read HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\nContent-Length: 14\r\n"
        writer.write(f"{head}{f'Authorization: {authorization}' if authorization else 'X: y'}\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == status
        writer.write(b"garbagegarbage" + b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200" in await reader.read()
        writer.close()
    assert caplog.records == []  # a traceback for each would let anybody fill the disk


async def test_a_page_of_another_site_changes_nothing_and_reads_what_it_may_not_see_anyway(free):
    status, _, body = await free.ask("/in", method="POST", Sec_Fetch_Site="cross-site")
    assert (status, body["type"], body["stored"]) == (403, "cross-site", False)
    assert (await free.ask("/in", Sec_Fetch_Site="cross-site"))[0] == 200
    assert (await free.ask("/in", method="POST"))[0] == 200


async def test_a_browser_that_brings_its_saved_password_is_refused_all_the_same(locked):
    own = basic("joe:se:cret ä")
    assert (await locked.ask("/in", own, method="DELETE", Origin="https://evil.example"))[0] == 403
    same = f"http://127.0.0.1:{locked.address[1]}"
    assert (await locked.ask("/in", own, method="DELETE", Origin=same))[0] == 200


async def test_a_name_that_was_made_to_point_here_is_refused_where_no_credentials_are_needed(free, locked):
    status, _, body = await free.ask("/in", Host="evil.example")
    assert (status, body["type"], body["stored"]) == (421, "host-not-allowed", False)
    assert (await free.ask("/in", method="POST", Host="evil.example"))[0] == 421
    assert (await free.ask("/open", Host="probe.example"))[0] == 200
    # control: with credentials, which the page of that name does not have, the name does not matter
    assert (await locked.ask("/in", "Bearer ops", Host="evil.example"))[0] == 200


async def test_changes_beyond_the_limit_are_refused_and_reads_go_on():
    async with Server(max_in_flight=2) as server:
        hanging = [asyncio.create_task(server.ask("/hang", method="POST")) for _ in range(2)]
        waiting = [asyncio.create_task(server.ask("/hang")) for _ in range(5)]
        await asyncio.sleep(0.1)
        status, sent, body = await server.ask("/in", method="POST")
        assert (status, body["type"], body["stored"], sent["Retry-After"]) == (503, "busy", False, "1")
        assert (await server.ask("/in"))[0] == 200
        server.released.set()
        await asyncio.gather(*hanging, *waiting)
        assert (await server.ask("/in", method="POST"))[0] == 200


async def test_bodies_that_are_on_their_way_take_no_place_of_changes():
    async with Server(max_in_flight=2) as server:
        senders = [await server.connect() for _ in range(5)]
        for _, writer in senders:
            writer.write(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx")
        await asyncio.sleep(0.1)
        assert (await server.ask("/in", method="POST"))[0] == 200
        for reader, writer in senders:
            writer.write(b"xxxx")
            assert (await reader.readline()).split()[1] == b"200"
            writer.close()


async def test_a_change_whose_body_came_later_takes_its_place_once_it_is_whole():
    async with Server(max_in_flight=1) as server:
        _, writer = await server.connect()
        writer.write(b"POST /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx")
        await asyncio.sleep(0.1)
        assert (await server.ask("/in", method="POST"))[0] == 200
        writer.write(b"xxxx")
        await asyncio.sleep(0.1)
        assert (await server.ask("/in", method="POST"))[0] == 503
        server.released.set()
        await asyncio.sleep(0.1)
        assert (await server.ask("/in", method="POST"))[0] == 200
        writer.close()


@pytest.mark.parametrize("rest", [b"xxxx", b""])
async def test_a_body_that_nobody_waited_for_keeps_no_place(rest):
    async with Server(max_in_flight=1) as server:
        for _ in range(3):
            reader, writer = await server.connect()
            writer.write(b"POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx")
            assert (await reader.readline()).split()[1] == b"200"
            writer.write(rest)
            await asyncio.sleep(0.05)
            writer.close()
            await asyncio.sleep(0.05)
            assert (await server.ask("/in", method="POST"))[0] == 200


async def test_exempt_are_exact_paths_and_no_others(locked):
    assert (await locked.ask("/open"))[0] == 200
    for path in ("/open/", "/open;x", "/Open", "/open/x", "/x/../in", "/nothing"):
        assert (await locked.ask(path))[0] == 401


async def test_a_change_by_a_token_of_its_own_needs_no_credentials(locked, free):
    assert (await locked.ask("/by/x/token", method="POST"))[0] == 200
    assert (await locked.ask("/by/x/token", "Bearer nonsense", method="POST"))[0] == 200
    for method, path in (("GET", "/by/x/token"), ("POST", "/by/x/y/token"), ("POST", "/by/x/token/"), ("POST", "/in")):
        assert (await locked.ask(path, method=method))[0] == 401
    assert (await locked.ask("/by/x/token", method="POST", Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await locked.ask("/by/x/token", method="POST", Content_Encoding="gzip"))[0] == 415
    assert (await free.ask("/by/x/token", method="POST", Host="evil.example"))[0] == 421


async def test_what_is_not_there_is_a_problem(free):
    status, _, body = await free.ask("/nothing")
    assert (status, body["type"]) == (404, "not-found")
    status, sent, body = await free.ask("/get", method="POST")
    assert (status, body["type"], sent["Allow"]) == (405, "method-not-allowed", "GET, HEAD")


@pytest.mark.parametrize(
    ("what", "status", "kind", "stored", "retry_after"),
    [
        ("known", 503, "stalled", False, "7"),
        ("problem", 503, "unknown-outcome", None, "5"),
        ("gone", 400, "malformed", False, None),
        ("large", 413, "too-large", False, None),
    ],
)
async def test_an_exception_is_the_problem_it_stands_for(free, what, status, kind, stored, retry_after):
    seen, sent, body = await free.ask(f"/raise/{what}")
    assert body.keys() >= {"type", "title", "status", "detail", "stored"}
    assert (seen, body["status"], body["type"], body["stored"]) == (status, status, kind, stored)
    assert sent.get("Retry-After") == retry_after
    assert what != "problem" or body["uid"] == "x"


async def test_a_bug_is_500_without_its_secrets_and_is_logged(free):
    with structlog.testing.capture_logs() as lines:
        status, _, body = await free.ask("/raise/bug")
    assert (status, body["type"], body["stored"], "secret" in str(body)) == (500, "internal", None, False)
    assert [(line["event"], line["path"]) for line in lines] == [("handler", "/raise/bug")]


async def test_every_answer_is_observed_with_its_status(locked):
    for path in ("/in", "/nothing", "/raise/known"):
        await locked.ask(path)
        await locked.ask(path, "Bearer ops")
    assert locked.observed == [
        ("/in", 401),
        ("/in", 200),
        ("/nothing", 401),
        ("/nothing", 404),
        ("/raise/known", 401),
        ("/raise/known", 503),
    ]
