"""SIGHUP: new secrets hold at once, a bad one changes nothing, and neither is ever written down."""

import asyncio
import os
import signal
from base64 import b64encode

import pytest
from aiohttp import web

SECRETS = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]


@pytest.fixture
async def signatures(serve):
    """A target that keeps the signatures it sees."""
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def answer(request: web.Request) -> web.Response:
        seen.put_nowait(request.headers.get("webhook-signature", ""))
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    seen.url = f"{await serve(app)}/"
    return seen


class Settings:
    """A settings file with its secrets beside it, and the node that reads it."""

    def __init__(self, node, folder) -> None:
        self.node = node
        self.file, self.basicauth, self.token = (folder / name for name in ("node.toml", "basicauth", "ci.token"))
        self.seen = 0
        self.write()

    def write(self, basicauth="me:first-one", token="first-token", more="") -> None:
        tokens = '[[tokens]]\nname = "ci"\nrole = "admin"\nsecret_file = "ci.token"\n'
        settings = f'{more}\nbasicauth_file = "basicauth"\n{tokens}'
        for path, text in ((self.basicauth, basicauth), (self.token, token), (self.file, settings)):
            path.unlink(missing_ok=True)
            path.write_text(text)
            path.chmod(0o600)

    async def reload(self) -> dict:
        """Send the signal and return what the log says of it."""
        self.node.signal(signal.SIGHUP)
        self.seen += 1
        async with asyncio.timeout(10):
            while len(lines := self.node.events("reload")) < self.seen:
                await asyncio.sleep(0.01)
        return lines[-1]

    async def status(self, http, password) -> int:
        basic, bearer = f"Basic {b64encode(password.encode()).decode()}", f"Bearer {password}"
        headers = {"Authorization": basic if ":" in password else bearer}
        async with http.get(f"{self.node.url}/stats", headers=headers) as answer:
            return answer.status


@pytest.fixture
def settings(node, tmp_path):
    return Settings(node, tmp_path)


async def test_new_credentials_hold_after_the_signal_and_old_ones_no_more(node, settings, http):
    await node.start(f"--config={settings.file}")
    settings.write(basicauth="me:second-one", token="second-token", more="timeout = 10")
    old, new = ("me:first-one", "first-token"), ("me:second-one", "second-token")
    # nobody asked the node to read them yet
    assert [await settings.status(http, one) for one in (*old, *new)] == [200, 200, 401, 401]
    told = await settings.reload()
    assert [await settings.status(http, one) for one in (*old, *new)] == [401, 401, 200, 200]
    assert (told["level"], told["taken"], told["needs_restart"]) == ("warning", ["basicauth", "tokens"], ["timeout"])
    log = node.log.read_text()
    assert not [secret for secret in ("first-", "second-") if secret in log]


async def test_a_new_cluster_token_holds_after_the_signal(node, settings, http):
    settings.write(more='cluster_token = "one"')
    await node.start(f"--config={settings.file}")

    async def statuses(*secrets):
        return [await _resume(http, node, secret) for secret in secrets]

    assert await statuses("one", "two", "first-token") == [200, 401, 403]
    settings.write(more='cluster_token = "two"')
    assert (await settings.reload())["taken"] == ["cluster_token"]
    assert await statuses("one", "two", "first-token") == [401, 200, 403]


async def _resume(http, node, secret) -> int:
    async with http.post(f"{node.url}/resume", headers={"Authorization": f"Bearer {secret}"}) as answer:
        return answer.status


async def warnings(http, node) -> dict[str, str]:
    async with http.get(f"{node.url}/ready") as answer:
        return (await answer.json())["warnings"]


HARMS = [
    (lambda s: s.write(basicauth="no colon"), "USER:PASSWORD"),
    (lambda s: s.write(basicauth=""), "empty"),
    (lambda s: s.write(token="white space"), "ci"),
    (lambda s: s.write(more="tiemout = 10"), "timeout"),
    (lambda s: s.write(more="timeout = "), "TOML"),
    (lambda s: s.token.unlink(), "No such file"),
    (lambda s: (s.basicauth.unlink(), os.mkfifo(s.basicauth)), "regular file"),
    (lambda s: s.file.write_text("basicauth = 'me:other'\nsigning_secrets = 'x'"), "signing_secrets"),
    (lambda s: s.file.write_text(""), "no credentials"),
]


async def test_whatever_is_wrong_leaves_all_old_secrets_in_force(node, settings, http):
    await node.start(f"--config={settings.file}")
    for harm, word in HARMS:
        settings.write()
        harm(settings)
        told = await settings.reload()
        assert (told["level"], word in str(told["refused"])) == ("error", True), told
        assert [await settings.status(http, one) for one in ("me:first-one", "first-token")] == [200, 200]
        assert "settings" in await warnings(http, node)
    settings.write(basicauth="me:second-one")
    assert (await settings.reload())["taken"] == ["basicauth"]
    assert await settings.status(http, "me:second-one") == 200
    assert await warnings(http, node) == {}


async def test_calls_are_signed_with_new_secrets_after_the_signal(node, settings, http, signatures):
    secret = settings.file.with_name("signing")
    settings.file.write_text(f'signing_secrets_file = "{secret}"')
    secret.write_text(SECRETS[0])
    await node.start(f"--config={settings.file}")

    async def sign() -> str:
        async with http.post(f"{node.url}/add", data={"url": signatures.url}) as answer:
            assert answer.status == 201
        return await asyncio.wait_for(signatures.get(), 10)

    secret.write_text("\n".join(SECRETS))
    assert len((await sign()).split()) == 1
    assert (await settings.reload())["taken"] == ["signing_secrets"]
    assert len((await sign()).split()) == 2
