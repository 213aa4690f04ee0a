"""Connections whose peer is gone without a word end; in a network namespace whose only link is taken away."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = textwrap.dedent("""
    import asyncio, os, socket, subprocess, sys
    from taskpusher import connections

    async def main():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        connections._PROBES = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 1_000}
        ended = asyncio.Event()

        async def serve(reader, writer):
            writer.write(b"hello")
            try:
                await reader.read()
            except OSError:
                ended.set()

        sock = socket.create_server(("127.0.0.1", 0))
        if sys.argv[1] == "probed":
            connections.end_half_open(sock)
        server = await asyncio.start_server(serve, sock=sock)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        await reader.read(5)
        subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
        try:
            await asyncio.wait_for(ended.wait(), 10 if sys.argv[1] == "probed" else 4)
            print("ended", flush=True)
        except TimeoutError:
            print("open", flush=True)
        os._exit(0)

    asyncio.run(main())
""")


@pytest.mark.parametrize(("listening", "outcome"), [("probed", "ended"), ("unprobed", "open")])
def test_a_peer_that_is_gone_without_a_word_is_noticed(listening, outcome):
    command = ["unshare", "--map-root-user", "--user", "--net", sys.executable, "-W", "ignore", "-c", SCRIPT, listening]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout.strip(), done.stderr) == (outcome, "")
