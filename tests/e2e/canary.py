"""Calls URLs in a network namespace in which every address is this machine, and tells which were reached.

Reads {"urls": [...], "settings": {...}, "unchecked": bool} from standard input, writes [{"kind", "error", "reached"}].
"""

import asyncio
import json
import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote

import aiohttp.connector
import uvloop

from taskpusher.job import Spec
from taskpusher_node.lifecycle import Head, State
from taskpusher_node.runner.addresses import Policy
from taskpusher_node.runner.http import HttpRunner
from taskpusher_node.tokens import Tokens

PUBLIC = "8.8.8.8"  # the namespace says that it is here
NAMES = {
    "metadata.test": ["169.254.169.254"],
    "mapped.test": ["::ffff:169.254.169.254"],
    "translated.test": ["64:ff9b::a9fe:a9fe"],
    "private.test": ["10.0.0.1"],
    "mixed.test": ["169.254.169.254", PUBLIC, "fd00:ec2::254"],
}
REBOUND = ["rebound.test", [PUBLIC], ["169.254.169.254"]]  # what it is at first, and later


class Canary:
    """Listens on every address and knows on which it was reached. /to?URL leads to that URL."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def start(self) -> None:
        await asyncio.start_server(self._serve, "0.0.0.0", 80)
        await asyncio.start_server(self._serve, "::", 80)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached.append(writer.get_extra_info("sockname")[0])
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
        path = line.split(" ")[1]
        status = "200 OK"
        if path.startswith("/to?"):
            status = f"302 Elsewhere\r\nLocation: {unquote(path[4:])}"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()


class Names(asyncio.DatagramProtocol):
    """A name server that knows a few names."""

    def __init__(self) -> None:
        self.later = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        name, end = [], 12
        while length := data[end]:
            name.append(data[end + 1 : end + 1 + length].decode())
            end += length + 1
        kind = struct.unpack_from("!H", data, end + 1)[0]
        name, first, later = ".".join(name).lower(), *REBOUND[1:]
        addresses = (later if self.later else first) if name == REBOUND[0] else NAMES.get(name, [])
        records = b""
        n = 0
        for address in addresses:
            packed = (IPv6Address if ":" in address else IPv4Address)(address).packed
            if kind == (28 if len(packed) == 16 else 1):
                records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed
                n += 1
        flags = 0x8180 if name in (*NAMES, REBOUND[0]) else 0x8183
        head = data[:2] + struct.pack("!HHHHH", flags, 1, n, 0, 0)
        self._transport.sendto(head + data[12 : end + 5] + records, peer)


async def main() -> None:
    given = json.load(sys.stdin)
    if given["unchecked"]:
        Policy.refusal = lambda *_: None
        aiohttp.connector.is_canonical_ipv4_address = lambda _: True
    canary = Canary()
    await canary.start()
    loop = asyncio.get_running_loop()
    _, names = await loop.create_datagram_endpoint(Names, ("127.0.0.53", 53), family=socket.AF_INET)
    policy = Policy(**given["settings"])
    runner = HttpRunner("n1", max_response_bytes=1_000, max_url_bytes=8_192, policy=policy, token=Tokens(b"key").of)
    told = []
    for url in given["urls"]:
        canary.reached.clear()
        spec = Spec(url=url, host="a:80", timeout_s=2.0, redirects=3)
        outcome = await runner.call("u", spec, Head(State.RUNNING, 1, attempt=1))
        told.append({"kind": outcome.kind, "error": outcome.error, "reached": list(canary.reached)})
        names.later = True
        runner._kept.connector.clear_dns_cache()
    await runner.close()
    json.dump(told, sys.stdout)


uvloop.run(main())
