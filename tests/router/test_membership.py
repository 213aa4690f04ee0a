"""Who the members are: by the settings, and by a file that is read again when it changes."""

import asyncio
import os

import pytest

from taskpusher.settings import BadSettings
from taskpusher_router.config import Config, read_members
from taskpusher_router.members import parse
from taskpusher_router.membership import Membership

TWO = "n1=http://10.0.0.1:9900\nn2=http://10.0.0.2:9900\n"
THREE = TWO + "n3=http://10.0.0.3:9900,weight=2\n"


@pytest.fixture
def heard():
    return []


@pytest.fixture
async def membership(tmp_path, heard):
    file = tmp_path / "nodes"
    file.write_text(TWO)
    part = Membership(Config(nodes_file=file), heard.append, lambda *told: heard.append(told))
    part.start()
    yield part
    await part.stop()


async def until(what):
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.02)


async def test_a_file_that_changes_is_read_again(membership, heard, tmp_path):
    (tmp_path / "new").write_text(THREE)
    (tmp_path / "new").rename(tmp_path / "nodes")
    await until(lambda: parse(THREE) in heard)
    assert membership.members == parse(THREE)


@pytest.mark.parametrize("bad", ["n1", "n1=ftp://a", "", "n1=http://a n1=http://b", "\udcff"])
async def test_a_bad_file_is_refused_and_the_last_good_members_stand(membership, heard, tmp_path, bad):
    (tmp_path / "nodes").write_bytes(os.fsencode(bad))
    await until(lambda: not membership.ok)
    assert membership.members == parse(TWO)
    assert [told[0] for told in heard] == ["membership"]
    (tmp_path / "nodes").write_text(TWO)
    await until(lambda: membership.ok)
    assert heard[-1] == ("membership", None)


async def test_a_file_that_is_gone_is_refused_too(membership, tmp_path):
    (tmp_path / "nodes").unlink()
    await until(lambda: not membership.ok)
    assert membership.members == parse(TWO)


async def test_a_reload_takes_the_members_of_other_settings_or_none(membership, heard):
    with pytest.raises(BadSettings):
        membership.reload(Config())
    assert membership.members == parse(TWO)
    membership.reload(Config(nodes=parse(THREE)))
    assert heard[-1] == parse(THREE)


def test_members_stand_in_one_place_and_there_is_at_least_one(tmp_path):
    with pytest.raises(BadSettings, match="only one"):
        read_members(Config(nodes=parse(TWO), nodes_file=tmp_path))
    with pytest.raises(BadSettings, match="at least one"):
        read_members(Config())
    with pytest.raises(BadSettings, match="nodes_file"):
        read_members(Config(nodes_file=tmp_path))
