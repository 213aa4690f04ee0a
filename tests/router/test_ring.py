"""The ring: who owns what, to the letter; fair shares; and that a member more takes what it needs and no more."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from taskpusher_router import ring as module
from taskpusher_router.ring import POINTS, Ring, hashed_text, moved

TEXTS = ["l:customer-3", "k:order-7", "k:straße", "u:report", "i:4711", "019ab4c1f3a27d31a1b2c3d4e5f60718", ""]
EQUAL = {"n1": 1.0, "n2": 1.0, "n3": 1.0}
WEIGHTED = {"n1": 1.0, "n2": 0.5, "n3": 2.0, "n4": 0.0}

NAMES = st.sampled_from(["n{}", "tp-{}", "node-{}-eu"])  # fixed, so that no day has its own luck
SIZES = st.integers(3, 64)
WEIGHTS = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), st.sampled_from([0, 0.005, 0.05, 0.1, 0.3]), min_size=1, max_size=8
).filter(lambda weights: any(weights.values()))


def equal(pattern, size):
    return {pattern.format(n): 1.0 for n in range(size)}


def test_hashes_are_xxh3_of_64_bits():
    assert xxh3_64_intdigest(b"n1#0") == 0x517C1227C97404AF
    assert xxh3_64_intdigest(b"n1#1999") == 0x83FBEB587488EF02
    assert xxh3_64_intdigest(b"k:order-7") == 0xECA4BE4678BF7341
    points = Ring(EQUAL).points
    assert (len(points), points[0], points[-1]) == (6_000, 0x000133331E20DAF4, 0xFFFA87333AE06F4A)


@pytest.mark.parametrize(
    ("weights", "orders"),
    [
        (EQUAL, ["n2 n1 n3", "n3 n2 n1", "n1 n2 n3", "n1 n3 n2", "n2 n1 n3", "n2 n3 n1", "n2 n1 n3"]),
        (WEIGHTED, ["n1 n3 n2", "n3 n1 n2", "n3 n1 n2", "n1 n3 n2", "n3 n1 n2", "n3 n1 n2", "n2 n1 n3"]),
    ],
)
def test_every_text_has_its_owner_and_its_order_for_ever(weights, orders):
    ring = Ring(weights)
    assert [" ".join(ring.order(text)) for text in TEXTS] == orders
    assert [ring.owner(text) for text in TEXTS] == [order.partition(" ")[0] for order in orders]


def test_what_places_a_job_is_its_limit_before_its_key_before_what_is_unique_before_what_repeats():
    assert hashed_text("a", "b", "c", "d", "e") == "l:a"
    assert hashed_text(None, "b", "c", "d", "e") == "k:b"
    assert hashed_text(None, None, "c", "d", "e") == "u:c"
    assert hashed_text(None, None, None, "", "e") == "i:"
    assert hashed_text(None, None, None, None, "e") == "e"


@settings(max_examples=20)
@given(NAMES, SIZES)
@example("n{}", 3)
@example("n{}", 64)
def test_each_of_3_to_64_members_has_its_share_within_a_tenth(pattern, size):
    shares = Ring(equal(pattern, size)).shares()
    assert len(shares) == size
    assert all(0.9 < share * size < 1.1 for share in shares.values())


@settings(max_examples=10)
@given(SIZES)
def test_a_share_is_that_of_the_weight_within_a_tenth(size):
    weights = {f"n{n}": [1.0, 2.0, 3.0, 1.5][n % 4] for n in range(size)}
    shares = Ring(weights).shares()
    assert all(0.9 < shares[name] * sum(weights.values()) / weights[name] < 1.1 for name in weights)


def test_a_share_of_all_hashes_is_a_share_of_keys():
    ring = Ring(equal("n{}", 4))
    owners = [ring.owner(f"k:order-{n}") for n in range(100_000)]
    assert all(abs(owners.count(name) / 100_000 - share) < 0.01 for name, share in ring.shares().items())


@settings(max_examples=20)
@given(NAMES, SIZES)
@example("n{}", 3)
@example("n{}", 64)
def test_one_more_takes_at_most_a_fifth_more_than_its_share_and_nothing_else_moves(pattern, size):
    one_more = Ring(equal(pattern, size + 1))
    new = pattern.format(size)
    moves = moved(Ring(equal(pattern, size)), one_more)
    assert {to for _, to in moves} == {new}
    assert sum(moves.values()) <= 1.2 / (size + 1)
    assert sum(moves.values()) == pytest.approx(one_more.shares()[new])


@given(WEIGHTS, st.data())
def test_what_one_takes_goes_back_when_it_is_gone(weights, data):
    name = data.draw(st.sampled_from(sorted(weights)))
    rest = {other: weight for other, weight in weights.items() if other != name}
    if not any(rest.values()):
        return
    with_it, without = Ring(weights), Ring(rest)
    back = moved(with_it, without)
    assert all(owner == name for owner, _ in back)
    assert moved(without, with_it) == {(to, owner): share for (owner, to), share in back.items()}
    assert sum(back.values()) == pytest.approx(with_it.shares()[name])


@given(WEIGHTS, WEIGHTS, st.lists(st.text(st.characters(codec="utf-8")), max_size=50))
def test_a_text_whose_owner_changes_is_among_what_moves(old, new, texts):
    rings = Ring(old), Ring(new)
    moves = moved(*rings)
    changed = {(rings[0].owner(text), rings[1].owner(text)) for text in texts}
    assert {pair for pair in changed if pair[0] != pair[1]} <= set(moves)
    assert moved(rings[0], rings[0]) == {}


@given(WEIGHTS, st.text(st.characters(codec="utf-8")))
def test_the_order_has_each_that_has_a_weight_once_its_owner_first(weights, text):
    ring = Ring(weights)
    order = list(ring.order(text))
    assert sorted(order) == sorted(name for name, weight in weights.items() if weight)
    assert order[0] == ring.owner(text) == ring.owner(text.encode())
    shares = ring.shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert {name for name, share in shares.items() if share} == set(order)


@given(WEIGHTS, st.text(st.characters(codec="utf-8")), st.randoms())
def test_the_order_in_which_members_are_named_says_nothing(weights, text, randoms):
    shuffled = list(weights.items())
    randoms.shuffle(shuffled)
    assert list(Ring(dict(shuffled)).order(text)) == list(Ring(weights).order(text))


@given(WEIGHTS, st.binary(max_size=20), st.sampled_from([7, 100, 1 << 64]))
def test_the_first_point_at_or_after_a_hash_owns_it_and_of_two_the_smaller_name(weights, text, hashes):
    def few(data):
        return xxh3_64_intdigest(data) % hashes

    points = {}
    for name in sorted(weights, reverse=True):
        points |= {few(f"{name}#{i}".encode()): name for i in range(round(POINTS * weights[name]))}
    wanted = points[min((point for point in points if point >= few(text)), default=min(points))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "xxh3_64_intdigest", few)  # real hashes of 64 bits never meet
        assert Ring(weights).owner(text) == wanted


def test_a_ring_without_weight_is_refused():
    for weights in ({}, {"n1": 0.0}):
        with pytest.raises(ValueError, match="weight"):
            Ring(weights)
