"""What nodes tell of queues is evened out; one that tells nonsense is passed."""

import pytest

from taskpusher_router.settings import Settings

from .scripted import Scripted, cluster

NO_RECORDS = [b'{"queues":7}', b'{"queues":[{"name":"q"}]}', b'{"queues":[{"name":1,"version":1}]}']
TOLD = [b"nonsense", b"[]", b'"\xff', *NO_RECORDS]


@pytest.fixture
async def nodes():
    async with Scripted("n1") as n1, Scripted("n2") as n2:
        yield n1, n2


@pytest.mark.parametrize("told", TOLD)
async def test_queues_that_cannot_be_read_are_nobodys(nodes, told):
    for node, digest in zip(nodes, "ab", strict=True):
        node.ready["cluster"] = {"settings": digest}
    nodes[0].queues = told
    async with cluster(*nodes) as router:
        settings = Settings(router.nodes, every_s=1.0, timeout_s=20.0)
        await settings.look()
        assert [await settings.records(node) for node in router.nodes] == [None, []]


@pytest.mark.parametrize("told", ["a text", [1], 7])
async def test_a_share_that_cannot_be_read_is_none(nodes, told):
    nodes[0].ready["cluster"] = told
    nodes[1].ready["cluster"] = {"settings": "a"}
    async with cluster(*nodes) as router:
        await Settings(router.nodes, every_s=1.0, timeout_s=20.0).look()
