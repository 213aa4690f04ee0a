"""The text of a position in a listing."""

import pytest

from taskpusher.position import Position

ID = "019ab4c1f3a27d31a1b2c3d4e5f60718"


def test_a_position_is_its_time_and_a_uid():
    position = Position(1_764_000_000_123, ID, "n-1")
    assert str(position) == f"1764000000123~{ID}-n-1"
    assert Position.parse(str(position)) == position


def test_positions_are_in_order_of_time_then_id_then_name():
    names = [Position(1, ID, "b"), Position(1, ID, "a"), Position(1, ID[:-1] + "7", "c"), Position(0, ID, "z")]
    assert sorted(names) == names[::-1]


@pytest.mark.parametrize(
    "text", ["", ID, f"{ID}-n1", f"~{ID}-n1", f"1~{ID}", f"1~{ID}-N", f"-1~{ID}-n1", f"²~{ID}-n1", f"{10**18}~{ID}-n1"]
)
def test_any_other_text_is_none(text):
    with pytest.raises(ValueError, match=r".*"):
        Position.parse(text)
