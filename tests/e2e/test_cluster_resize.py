"""A fourth node joins under load: nothing is lost or doubled, and what does not move keeps its order and its keys."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

from .processes import COMMAND

KEYS = 100


def moving(old: Path, new: Path, keys: list[str]) -> set[str]:
    """Return which of the keys `taskpusher ring diff` names."""
    command = [*COMMAND, "ring", "diff", old, new, "--keys=-", "--output=json"]
    ended = subprocess.run(command, input="\n".join(keys), capture_output=True, text=True, check=True)
    moved = json.loads(ended.stdout)["keys"]
    assert {one["to"] for one in moved} == {"n4"}
    return {one["key"] for one in moved}


async def test_a_node_that_joins_takes_its_share_of_keys_and_all_others_stay_as_they_were(cluster, load, tmp_path):
    old = shutil.copy(cluster.members, tmp_path / "old")
    async with load:
        await load.more()
        first = await load.by_keys(KEYS)
        joined = cluster.new_node()
        await joined.start()
        cluster.write_members(cluster.nodes)
        for router in cluster.routers:
            router.signal(signal.SIGHUP)
            await load.more()  # the first time with a router that knows of it and one that may not
        await cluster.until_members()
        again = await load.by_keys(KEYS)
        await load.more()
    lines = {add.line for add in load.account.adds if add.line is not None}
    moved = moving(old, cluster.members, [*(f"i:{key}" for key in first), *(f"k:{line}" for line in lines)])
    moved_keys = {key for key in first if f"i:{key}" in moved}
    assert moved_keys, "the control: for these nothing is promised until the old owner has run dry"
    assert {key for key in first if first[key] != again[key]} == moved_keys
    faults = await load.faults(moved=frozenset(line for line in lines if f"k:{line}" in moved))
    assert set(faults.pop("doubled")) == {first[key][0] for key in moved_keys}
    assert faults == {}
    assert load.account.answered > 0.99, load.account.keyless
    assert any(job["node"] == "n4" for job in await cluster.jobs())
