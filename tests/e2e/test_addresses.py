"""Addresses that must not be reached, called for real in a network namespace without a way out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import add, until

NAMESPACE = f"taskpusher-{os.getpid()}"

# never, by nobody's setting
METADATA = [
    "http://169.254.169.254/",
    "http://169.254.0.1/",
    "http://169.254.170.2/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[64:ff9b:1:a9fe:a9:fe00::]/",
    "http://[64:ff9b:1:a9:fe:a9fe::]/",
    "http://[64:ff9b:1:0:a9:fea9:fe00:0]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:a9fe:a9fe::1]/",
    "http://[2001:0:808:808::5601:5601]/",
    "http://[2606:4700::5efe:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:ec2::23]/",
    "http://[fd00:ec2:0:0:0:0:0:0254]/",
    "http://[fd20:ce::254]/",
    "http://[fd00:42::42]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://[::ffff:100.100.100.200]/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0XA9FEA9FE/",
    "http://metadata.test/",
    "http://METADATA.test./",
    "http://mapped.test/",
    "http://translated.test/",
]
# these are numbers that aiohttp takes for no address, before there is one to check
NUMBERS = [
    "http://2852039166/",
    "http://169.16689662/",
    "http://0251.0376.0251.0376/",
    "http://025177524776/",
    "http://2130706433/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://00000177.0.0.1/",
]
# with deny_private
PRIVATE = [
    "http://127.0.0.1/",
    "http://127.255.0.1/",
    "http://localhost/",
    "http://0x7f.1/",
    "http://0.0.0.0/",
    "http://0x0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://192.0.0.8/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://240.0.0.1/",
    "http://[fd00::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::808:808]/",
    "http://[2002:a00:1::1]/",
    "http://[2001:0:808:808::1]/",
    "http://private.test/",
]
# the kernel connects to none of these
NOWHERE = ["http://[fe80::1]/", "http://224.0.0.1/", "http://[ff02::1]/", "http://255.255.255.255/"]
PUBLIC = ["http://8.8.8.8/", "http://[2606:4700:4700::1111]/", "http://[64:ff9b::8.8.8.8]/", "http://[::ffff:8.8.8.8]/"]


@pytest.fixture(scope="module")
def namespace():
    """A namespace in which every address of IPv4 and IPv6 is its own, and with no interface but loopback."""
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    resolver = Path("/etc/netns") / NAMESPACE

    def run(*command, **options):
        return subprocess.run([*sudo, *command], check=True, **options)

    run("ip", "netns", "add", NAMESPACE)
    try:
        run("mkdir", "-p", resolver)
        run("tee", resolver / "resolv.conf", input=b"nameserver 127.0.0.53\n", stdout=subprocess.DEVNULL)
        for command in (
            "link set lo up",
            "addr add 8.8.8.8/32 dev lo",
            "addr add 2606:4700:4700::1111/128 dev lo nodad",
            "route add local 0.0.0.0/0 dev lo",
            "-6 route add local ::/0 dev lo",
        ):
            run("ip", "-n", NAMESPACE, *command.split())
        yield run
    finally:
        run("ip", "netns", "del", NAMESPACE)
        run("rm", "-r", resolver)


def calls(namespace, urls, *, unchecked=False, **settings):
    """Return what became of a call of each URL, by URL."""
    given = {"urls": urls, "settings": settings, "unchecked": unchecked}
    ended = namespace(
        *("ip", "netns", "exec", NAMESPACE, sys.executable, Path(__file__).with_name("canary.py")),
        input=json.dumps(given).encode(),
        stdout=subprocess.PIPE,
    )
    return dict(zip(urls, json.loads(ended.stdout), strict=True))


def reached(told):
    return {url for url, call in told.items() if call["reached"]}


def test_metadata_and_link_local_are_reached_by_no_name_and_no_number(namespace):
    told = calls(namespace, METADATA + NUMBERS[:4])
    assert reached(told) == set()
    assert {call["kind"] for call in told.values()} == {"denied"}, told


def test_no_setting_allows_metadata(namespace):
    everything = {"deny_private": True, "allow": "0.0.0.0/0 ::/0 metadata.test"}
    assert reached(calls(namespace, METADATA, **everything)) == set()


def test_deny_private_reaches_what_is_public_and_nothing_else(namespace):
    told = calls(namespace, METADATA + NUMBERS + PRIVATE + NOWHERE + PUBLIC, deny_private=True)
    assert reached(told) == set(PUBLIC)
    assert {url for url, call in told.items() if call["kind"] != "denied"} == set(PUBLIC)


def test_without_the_check_the_same_calls_do_reach_these_addresses(namespace):
    told = calls(namespace, METADATA + NUMBERS + PRIVATE + NOWHERE, unchecked=True)
    assert reached(told) == set(METADATA + NUMBERS + PRIVATE)


def test_what_is_not_denied_is_reached(namespace):
    assert reached(calls(namespace, PRIVATE)) == set(PRIVATE)


def test_of_the_addresses_of_a_name_only_those_that_may_be_called_are_tried(namespace):
    (call,) = calls(namespace, ["http://mixed.test/"]).values()
    assert call == {"kind": "answered", "error": None, "reached": ["8.8.8.8"]}


def test_a_name_that_is_bound_anew_to_a_denied_address_does_not_reach_it(namespace):
    first, second = "http://rebound.test/1", "http://rebound.test/2"
    told = calls(namespace, [first, second])
    assert (told[first]["reached"], told[second]["kind"], told[second]["reached"]) == (["8.8.8.8"], "denied", [])
    assert "169.254.169.254" in told[second]["error"]
    assert calls(namespace, [first, second], unchecked=True)[second]["reached"] == ["169.254.169.254"]


def test_a_redirect_to_a_denied_address_does_not_reach_it(namespace):
    urls = [f"http://8.8.8.8/to?{url}" for url in METADATA + NUMBERS]
    told = calls(namespace, urls)
    assert {(call["kind"], *call["reached"]) for call in told.values()} == {("denied", "8.8.8.8")}, told
    unchecked = calls(namespace, urls, unchecked=True)
    assert all(len(call["reached"]) == 2 for call in unchecked.values())


def test_the_lists_name_hosts_and_networks(namespace):
    lists = {"deny_private": True, "allow": "private.test,192.168.0.0/16", "deny": "8.8.0.0/16 192.168.1.0/24"}
    urls = [*PUBLIC, "http://private.test/", "http://10.0.0.1/", "http://192.168.2.1/", "http://192.168.1.1/"]
    told = calls(namespace, urls, **lists)
    assert reached(told) == {PUBLIC[1], "http://private.test/", "http://192.168.2.1/"}
    assert "deny has 8.8.0.0/16" in told[PUBLIC[3]]["error"]


@pytest.mark.parametrize("flags", [["--deny-private"], ["--deny=127.0.0.0/8"], []])
async def test_a_node_ends_a_denied_job_at_once(node, target, http, flags):
    await node.start(*flags)
    uid = await add(http, node, url=f"{target.url}/ok", max_attempts=9)
    if not flags:
        await until(http, node, completed=1)
        return
    await until(http, node, error=1)
    async with http.get(f"{node.url}/job/{uid}") as answer:
        job = await answer.json()
    assert (job["error"]["kind"], job["tries"], job["unreached"], job["attempt"]) == ("denied", 0, 0, 1)
    assert "127.0.0.1 is not called" in job["error"]["message"]
    assert target.calls.total() == 0
