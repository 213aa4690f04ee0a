"""NDJSON in bulk, from a client that sends everything before it reads anything."""

import asyncio

LINES = 150_000


async def test_a_client_that_sends_all_before_it_reads_is_answered_for_every_line(node, http, target):
    await node.start()
    async with http.post(f"{node.url}/queues/default/pause"):
        pass
    body = f'{{"url":"{target.url}/ok"}}\n'.encode() * LINES
    host, port = node.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_000)
    head = "POST /add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    async with asyncio.timeout(60):
        for start in range(0, len(body), 65_536):
            writer.write(body[start : start + 65_536])
            await writer.drain()
        answer = b"".join([part async for part in _parts(reader)])
    writer.close()
    assert answer.count(b'"line":') == LINES
    assert f'"done":true,"stored":{LINES},"failed":0'.encode() in answer


async def _parts(reader):
    while part := await reader.read(65_536):
        yield part
