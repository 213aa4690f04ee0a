"""Secrets are hidden in headers, URLs and texts, whatever is done to their names."""

from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskpusher.masking import mask_headers, mask_text, mask_url

EXAMPLES = settings(deadline=None, database=None)

SECRET = "S3CR3T"
M = "[masked]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/b?token=x", f"https://a/b?token={M}"),
        ("https://a/b?a=1&KEY=x&b=2&key=y", f"https://a/b?a=1&KEY={M}&b=2&key={M}"),
        ("https://a/b?api_key=x&accessToken=y", f"https://a/b?api_key={M}&accessToken={M}"),
        ("https://a/b?X-Amz-Signature=x", f"https://a/b?X-Amz-Signature={M}"),
        ("https://a/b?%74o%6Ben=x&p%41ssword=y", f"https://a/b?%74o%6Ben={M}&p%41ssword={M}"),
        ("https://a/b?to=x;token=y;z&c=1", f"https://a/b?to=x;token={M}&c=1"),
        ("https://a/b?token=x?y=z&c=1", f"https://a/b?token={M}&c=1"),
        ("https://a/b?token=x=y==", f"https://a/b?token={M}"),
        ("https://a/b?token[]=x&token[1]=y", f"https://a/b?token[]={M}&token[1]={M}"),
        ("https://a/b#access_token=x&b=1", f"https://a/b#access_token={M}&b=1"),
        ("https://a/b;key=x/c", f"https://a/b;key={M}"),
        ("https://a/?next=https://b/?token=x", f"https://a/?next=https://b/?token={M}"),
        ("https://a/?next=https%3A%2F%2Fb%2F%3Ftoken%3Dx", f"https://a/?next={M}"),
        ("https://a/?next=https%3A%2F%2Fu%3Ap%40b%2F&c=1", f"https://a/?next={M}&c=1"),
        ("https://u:p@a/b", f"https://{M}@a/b"),
        ("https://u:p@w@a:8/b@c", f"https://{M}@a:8/b@c"),
        ("//u@a/", f"//{M}@a/"),
        ("/callback?token=x", f"/callback?token={M}"),
        ("https://a/b?token", "https://a/b?token"),
        ("https://a/token/b?x=@#f", "https://a/token/b?x=@#f"),
        ("https://a/b?c=1&d=e%20f&g", "https://a/b?c=1&d=e%20f&g"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert mask_url(url) == shown


def test_more_names_can_be_given_and_their_case_does_not_count():
    names = ("Pin", "my name")
    assert (
        mask_url("https://a/?pIN=1&p%69n=2&pint=3&my+name=4", names)
        == f"https://a/?pIN={M}&p%69n={M}&pint=3&my+name={M}"
    )
    assert mask_headers([("PIN", "1"), ("pint", "2")], names) == [("PIN", M), ("pint", "2")]


@pytest.mark.parametrize(
    "name",
    ["Authorization", "COOKIE", "set-cookie", "Proxy-Authorization", "Proxy-Anything", "X-Api-Key", "X-Auth-Token"],
)
def test_secret_headers_are_hidden(name):
    assert mask_headers([(name, SECRET)]) == [(name, M)]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Content-Type", "X-Author", "Cook"])
def test_other_headers_are_shown(name):
    assert mask_headers([(name, "x")]) == [(name, "x")]


def test_what_is_secret_in_the_url_of_a_header_is_hidden():
    assert mask_headers([("Location", "/a?token=x"), ("Referer", "https://u:p@a/")]) == [
        ("Location", f"/a?token={M}"),
        ("Referer", f"https://{M}@a/"),
    ]


def test_what_is_secret_in_the_urls_of_a_text_is_hidden():
    text = "no answer of 'http://a/?key=x' (http://u:p@b/), key=1"
    assert mask_text(text) == f"no answer of 'http://a/?key={M} (http://{M}@b/), key=1"


def encoded(name, mask):
    """Return a name some of whose characters are percent-encoded."""
    return "".join(f"%{ord(c):02x}" if hide else c for c, hide in zip(name, mask, strict=False))


WORDS = st.sampled_from(["token", "KEY", "Secret", "pAssword", "signature", "x_token", "keys", "client-secret"])


@EXAMPLES
@given(
    name=WORDS.flatmap(lambda word: st.lists(st.booleans(), min_size=len(word)).map(lambda mask: encoded(word, mask))),
    before=st.lists(st.text("ab=%;?&+/@", max_size=5)),
    after=st.lists(st.text("ab=%;?&+/@", max_size=5)),
    value=st.text("ab=%;?+/@", max_size=5).map(lambda text: SECRET + text + SECRET),
)
@example(name="token", before=["//"], after=[], value=f"{SECRET}@{SECRET}")
def test_no_url_shows_the_value_of_a_secret(name, before, after, value):
    url = "http://a/b?" + "&".join([*before, f"{name}={value}", *after])
    assert SECRET not in mask_url(url)
    assert SECRET not in mask_text(f"it says {url}")


@EXAMPLES
@given(st.text(max_size=60))
def test_any_text_can_be_masked_and_twice_is_once(text):
    for mask in (mask_url, mask_text):
        assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    "text", ["?token" * 20_000, "?a=" + quote("?token" * 20_000), "//" * 60_000, "http://" * 20_000, "@" * 100_000]
)
def test_hostile_texts_take_no_time_that_matters(text):
    mask_url(text)
    mask_text(text)
    mask_headers([("A", text)])
