"""The text that names the members of a cluster: what it may look like, and what is refused in whose words."""

import pytest

from taskpusher.kinds import BadValue
from taskpusher_router.members import MEMBERS_MAX, Member, parse, read


def test_members_stand_on_lines_or_beside_each_other_with_comments():
    text = """
    # two in the cellar
    n1=http://10.0.0.1:9900 n2=HTTP://Cellar.Example:80/,weight=0.5  # slow
    n3=https://n3.example,weight=0
    n4=http://[2001:DB8:0::1]:9900
    """
    assert parse(text) == (
        Member("n1", "http://10.0.0.1:9900", 1.0),
        Member("n2", "http://cellar.example:80", 0.5),
        Member("n3", "https://n3.example:443", 0.0),
        Member("n4", "http://[2001:db8::1]:9900", 1.0),
    )


def test_a_range_counts_in_step_in_name_and_url():
    assert parse("tp-{0..2}=http://tp-{0..2}.tp:9900,weight=2") == tuple(
        Member(f"tp-{n}", f"http://tp-{n}.tp:9900", 2.0) for n in range(3)
    )
    assert [member.url for member in parse("n{08..11}=http://n{08..11}.tp:9900")] == [
        f"http://n{n}.tp:9900" for n in ("08", "09", "10", "11")
    ]
    assert parse("n{9001..9001}=http://localhost:{9001..9001}") == (Member("n9001", "http://localhost:9001"),)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "weights"),
        ("n1", "not n1"),
        ("n1=", "not n1="),
        ("=http://a:1", "not =http://a:1"),
        ("n1=http://a:1,weight=", "not n1=http://a:1,weight="),
        ("n1=http://a:1,weight=-1", "weight=-1"),
        ("n1=http://a:1,weight=nan", "weight=nan"),
        ("n1=http://a:1,weight=1e3", "weight=1e3"),
        ("n1=http://a:1,weight=0.0001", "weight=0.0001"),
        ("n1=http://a:1,wait=1", "wait=1"),
        ("n1=http://a:1,n2=http://b:1", "not n1=http://a:1,n2=http://b:1"),
        ("n1=http://a:1?x=1", "x=1"),
        ("N1=http://a:1", "name of N1=http://a:1 must"),
        ("n1-=http://a:1", "name of n1-="),
        (f"{'n' * 33}=http://a:1", "name of nnn"),
        ("n1=a:1", "URL of n1=a:1"),
        ("n1=ftp://a:1", "URL of n1=ftp"),
        ("n1=http://", "URL of n1="),
        ("n1=http://user@a:1", "URL of n1="),
        ("n1=http://a:1/path", "URL of n1="),
        ("n1=http://a:1#top", "URL of n1="),
        ("n1=http://a:", "URL of n1="),
        ("n1=http://a:0", "port of n1="),
        ("n1=http://a:65536", "port of n1="),
        ("n1=http://[1:2]:80", "address of n1="),
        ("n1=http://a:1 n1=http://b:1", "two have the name n1"),
        ("n1=http://a n2=http://A:80/", "two have the URL http://a:80"),
        ("n{0..1}=http://a:1", "one range"),
        ("n1=http://a{0..1}:1", "one range"),
        ("n{0..1}=http://a{0..2}:1", "one range"),
        ("n{1..0}=http://a{1..0}:1", "ends before"),
        ("n{0..999999999}=http://a{0..999999999}:1", f"at most {MEMBERS_MAX}"),
        ("n1=http://a:1,weight=0", "weights"),
        ("n1=http://a:1,weight=1001", "weights"),
    ],
)
def test_what_names_no_members_is_refused_with_the_rule_and_the_place(text, word):
    with pytest.raises(BadValue) as refusal:
        parse(text)
    assert word in str(refusal.value)


def test_members_are_written_as_they_are_read():
    text = "n1=http://a:80 n2=https://b:443,weight=0.001 n3=http://[2001:db8::1]:9900,weight=0"
    assert " ".join(map(str, parse(text))) == text


def test_a_file_names_members_or_is_refused_by_its_name(tmp_path):
    path = tmp_path / "nodes"
    with pytest.raises(BadValue, match="nodes: No such file"):
        read(path)
    for content, word in (
        (b"n1=http://a\nn2", "nodes must be members like .* not n2"),
        (b"\xff", "must be UTF-8"),
        (b"#" * (1 << 21), "at most 1,048,576 characters"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadValue, match=word):
            read(path)
    path.write_text("# größer\nn1=http://a:80\n", "utf-8")
    assert read(path) == (Member("n1", "http://a:80"),)
