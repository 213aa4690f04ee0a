"""uids and names of stores."""

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher import uid as uids

NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
NAME_RULE = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@given(NAMES)
def test_a_uid_names_its_store_after_the_first_dash(name):
    uid = uids.mint(name)
    assert uid[32] == "-"
    assert uids.name_of(uid) == name


def test_a_uid_begins_with_a_uuid_of_version_7():
    parsed = uuid.UUID(hex=uids.mint("a")[:32])
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_uids_are_distinct_and_never_go_back():
    minted = [uids.mint("a") for _ in range(10_000)]
    assert minted == sorted(set(minted))


def test_a_uid_tells_when_it_was_minted():
    before_ms = time.time_ns() // 1_000_000
    minted_ms = uids.minted_ms(uids.mint("a"))
    assert before_ms <= minted_ms <= time.time_ns() // 1_000_000


@given(st.text(st.sampled_from("ab09-_.AZ\n ä"), max_size=34))
def test_a_name_is_1_to_32_lower_case_letters_digits_and_inner_dashes(text):
    assert uids.is_name(text) is (NAME_RULE.fullmatch(text) is not None)


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "a" * 32])
def test_names_at_the_edge_are_names(name):
    assert uids.is_name(name)


@pytest.mark.parametrize("name", ["", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "a" * 33, "a\n", "ä", "٣"])
def test_what_breaks_the_rule_is_no_name(name):
    assert not uids.is_name(name)


def test_a_random_name_is_five_characters_and_a_name():
    for name in (uids.random_name() for _ in range(100)):
        assert len(name) == 5
        assert uids.is_name(name)


def test_random_names_differ():
    assert len({uids.random_name() for _ in range(50)}) > 40


UID = uids.mint("a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "-a",
        UID[:32],
        UID[:33],
        UID[:31] + "-a",
        UID + "\n",
        UID + "-",
        UID.replace("-", "_"),
        UID[:32].upper() + "-a",
        UID[:12] + "4" + UID[13:],
        UID[:16] + "7" + UID[17:],
        "g" + UID[1:],
        " " + UID,
        UID[:32] + "-A",
        str(uuid.UUID(hex=UID[:32])) + "-a",
    ],
)
def test_what_is_no_uid_has_no_name(text):
    assert uids.name_of(text) is None


@given(st.text(max_size=80))
def test_any_text_is_a_uid_or_not_without_complaint(text):
    name = uids.name_of(text)
    assert name is None or text[32:] == f"-{name}"
