"""The table of special addresses and the lists of the operator: every form of an address is judged alike."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpusher_node.runner.addresses import BadRule, Policy, embedded

EXAMPLES = settings(deadline=None, database=None)

OPEN = Policy()
PRIVATE = Policy(deny_private=True)

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
LINK_LOCAL = st.integers(0, 2**16 - 1).map(lambda n: IPv4Address((169 << 24 | 254 << 16) + n))


def _at(prefix, bits_behind):
    return lambda v4: IPv6Address(int(IPv6Address(prefix)) | int(v4) << bits_behind)


def _local_nat64(length):
    def write(v4):
        """By RFC 6052, 2.2: around an octet of zeros."""
        before = 64 - length
        high, low = int(v4) >> (32 - before), int(v4) & ((1 << (32 - before)) - 1)
        return IPv6Address(int(IPv6Address("64:ff9b:1::")) | high << 64 | low << (56 - (32 - before)))

    return write


FORMS = {
    "mapped": _at("::ffff:0:0", 0),
    "compatible": _at("::", 0),
    "translated": _at("::ffff:0:0:0", 0),
    "nat64": _at("64:ff9b::", 0),
    "local-nat64-48": _local_nat64(48),
    "local-nat64-56": _local_nat64(56),
    "local-nat64-64": _local_nat64(64),
    "local-nat64-96": _at("64:ff9b:1::", 0),
    "6to4": _at("2002::", 80),
    "teredo-server": _at("2001::", 64),
    "teredo-client": lambda v4: _at("2001::", 0)(int(v4) ^ 0xFFFFFFFF),
    "isatap": _at("2606:4700::5efe:0:0", 0),
    "isatap-universal": _at("2606:4700::200:5efe:0:0", 0),
}


@pytest.mark.parametrize("form", FORMS)
@EXAMPLES
@given(V4.filter(lambda v4: int(v4) > 1))  # ::0.0.0.1 is ::1
def test_every_form_of_an_address_is_seen_through(form, v4):
    assert v4 in embedded(FORMS[form](v4))


@pytest.mark.parametrize("form", FORMS)
@EXAMPLES
@given(LINK_LOCAL)
def test_no_form_of_a_link_local_address_is_called(form, v4):
    assert OPEN.refusal("a", str(FORMS[form](v4))) is not None


@pytest.mark.parametrize("form", FORMS)
@EXAMPLES
@given(V4)
def test_what_is_refused_is_refused_in_every_form(form, v4):
    if PRIVATE.refusal("a", str(v4)) is not None:
        assert PRIVATE.refusal("a", str(FORMS[form](v4))) is not None


@EXAMPLES
@given(V4 | V6)
def test_what_python_calls_private_is_refused_with_deny_private(address):
    # python 3.11 errs on the other side: it calls addresses global that are not
    if not address.is_global and PRIVATE.refusal("a", str(address)) is None:
        assert address in ip_network("::ffff:0:0/96") or address in ip_network("192.0.0.0/24")


@EXAMPLES
@given(V4 | V6)
def test_deny_private_refuses_no_less_than_without_it(address):
    if OPEN.refusal("a", str(address)) is not None:
        assert PRIVATE.refusal("a", str(address)) is not None


@EXAMPLES
@given(V4 | V6)
def test_whatever_is_allowed_the_deny_list_wins(address):
    policy = Policy(deny_private=True, allow="0.0.0.0/0,::/0,a", deny=str(address))
    assert policy.refusal("a", str(address)) is not None


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "224.0.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
    ],
)
def test_what_python_takes_for_global_is_refused(address):
    assert PRIVATE.refusal("a", address) is not None


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "192.52.193.1", "192.175.48.6", "2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_what_is_public_may_be_called(address):
    assert PRIVATE.refusal("a", address) is None


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("169.254.169.254", "it is link-local, which no setting allows"),
        ("fe80::1%eth0", "it is link-local, which no setting allows"),
        ("100.100.100.200", "it is cloud metadata, which no setting allows"),
        ("10.0.0.1", "it is private, and the setting deny_private is on"),
        ("::ffff:127.0.0.1", "holds 127.0.0.1, which is not called: it is loopback"),
        ("255.255.255.255", "it is broadcast"),
        ("400::1", "it is reserved"),
    ],
)
def test_a_refusal_names_the_address_and_the_rule(address, rule):
    refusal = PRIVATE.refusal("a", address)
    assert rule in refusal
    assert str(ip_address(address.partition("%")[0])) in refusal


@pytest.mark.parametrize(
    ("entry", "host", "named"),
    [
        ("a.example", "a.example", True),
        ("A.Example.", "a.EXAMPLE", True),
        ("a.example", "a.example.", True),
        ("a.example", "b.a.example", False),
        ("a.example", "xa.example", False),
        (".a.example", "b.a.example", True),
        (".a.example", "c.b.a.example", True),
        (".a.example", "a.example", False),
        (".a.example", "xa.example", False),
        ("10.0.0.0/8", "x", True),
        ("10.0.0.1", "x", True),
        ("10.0.0.2", "x", False),
        ("::/0", "x", False),
    ],
)
def test_an_entry_names_a_host_all_below_it_or_a_network(entry, host, named):
    assert (Policy(deny=entry).refusal(host, "10.0.0.1") is not None) is named
    assert (Policy(deny_private=True, allow=entry).refusal(host, "10.0.0.1") is None) is named


def test_what_is_allowed_by_its_own_address_is_not_refused_for_a_form_of_it():
    assert Policy(deny_private=True, allow="::1").refusal("localhost", "::1") is None
    assert Policy(deny_private=True, allow="10.0.0.0/8").refusal("x", "::ffff:10.0.0.1") is None


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.1/8", "10.0.0", "1.2.3.256", "0x7f.1", "*.a.example", "http://a", "a:80", "[::1]", "a..b", ".", "ä"],
)
def test_an_entry_that_would_name_nothing_is_no_entry(entry):
    for lists in ({"allow": entry}, {"deny": f"a, {entry}"}):
        with pytest.raises(BadRule, match="networks"):
            Policy(**lists)
