"""Requests of foreign pages: told by Sec-Fetch-Site, else by Origin against Host, and by Host without credentials."""

import pytest

from taskpusher import errors
from taskpusher.origin import Origins

PUBLIC = "https://queue.example:8443"


def _site(fetch_site, origin, host="example.com", public_url=None):
    try:
        Origins([], public_url).check_site(fetch_site, origin, host)
    except errors.CrossSite:
        return "refused"
    return "passes"


# The cases of Go's csrf_test.go for methods that change something; those that do not are never asked here.
@pytest.mark.parametrize(
    ("fetch_site", "origin", "verdict"),
    [
        ("same-origin", None, "passes"),
        ("none", None, "passes"),
        ("cross-site", None, "refused"),
        ("same-site", None, "refused"),
        (None, None, "passes"),
        ("", None, "passes"),
        (None, "https://example.com", "passes"),
        (None, "http://example.com", "passes"),
        (None, "https://attacker.example", "refused"),
        (None, "null", "refused"),
        ("same-origin", "https://attacker.example", "passes"),
        ("cross-site", "https://example.com", "refused"),
        ("cross-site", "https://attacker.example", "refused"),
        ("what-is-next", None, "refused"),
        (None, "https://example.com:8443", "refused"),
        (None, "https://example.com.attacker.example", "refused"),
        (None, "https://example.com@attacker.example", "refused"),
        (None, "https://[", "refused"),
        (None, "example.com", "refused"),
        (None, "", "passes"),
        (None, "HTTPS://EXAMPLE.COM", "passes"),
    ],
)
def test_a_browser_is_believed_whose_page_it_asks_for(fetch_site, origin, verdict):
    assert _site(fetch_site, origin) == verdict


@pytest.mark.parametrize(
    ("fetch_site", "origin", "verdict"),
    [
        (None, PUBLIC, "passes"),
        ("cross-site", PUBLIC, "passes"),
        (None, "https://queue.example", "refused"),
        (None, "http://queue.example:8443", "refused"),
        (None, "https://attacker.example", "refused"),
        ("cross-site", None, "refused"),
    ],
)
def test_the_public_url_is_a_page_of_its_own_behind_a_proxy_that_rewrites_host(fetch_site, origin, verdict):
    assert _site(fetch_site, origin, host="localhost:9900", public_url=f"{PUBLIC}/tasks") == verdict
    assert _site(None, PUBLIC, host="localhost:9900") == "refused"  # the control: not set


@pytest.mark.parametrize(
    "host",
    [
        None,
        "localhost",
        "LOCALHOST:9900",
        "localhost.",
        "a.localhost:9900",
        "127.0.0.1:9900",
        "127.8.8.8",
        "[::1]:9900",
        "[::1]",
        "192.168.1.5:9900",
        "[fe80::1%25eth0]:9900",
        "node.lan:9900",
        "NODE.lan",
        "queue.example",
        "queue.example:1",
    ],
)
def test_its_own_names_and_every_address_are_its_own(host):
    Origins(["Node.lan"], PUBLIC).check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":9900",
        "evil.example",
        "evil.example:9900",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "evil.example@localhost:x",
        "localhost@evil.example",
        "[",
        "[::1",
        "[evil]",
        "2130706433",
        "0x7f.1",
        "a" * 8_000,
    ],
)
def test_any_other_name_is_refused_however_often_it_is_tried(host):
    origins = Origins(["node.lan"], PUBLIC)
    for _ in range(2):
        with pytest.raises(errors.HostNotAllowed) as refused:
            origins.check_host(host)
    assert len(refused.value.detail) < 300


def test_spellings_of_its_names_are_remembered_up_to_a_bound():
    origins = Origins()
    for port in range(1_000):
        origins.check_host(f"localhost:{port}")
    assert len(origins._known) <= 64
