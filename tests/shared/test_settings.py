"""Settings: which source wins, what each kind takes, and that all that is wrong is told at once."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpusher.access import Role, Token
from taskpusher.kinds import BadValue, Choice, Duration, Listed, Size, Text, Tokens, Whole, YesNo
from taskpusher.settings import BadSettings, load, setting, settings_of


@dataclass(frozen=True, kw_only=True)
class Some:
    """A setting of each kind."""

    password: str | None = setting(None, "A secret.", group="", kind=Text("TEXT", secret=True))
    tokens: tuple[Token, ...] = setting((), "Tokens.", group="", kind=Tokens())
    folder: Path = setting(Path("here"), "A folder.", group="")
    grace: float = setting(30.0, "A duration.", group="")
    limit: float | None = setting(None, "A duration or none.", group="", kind=Duration(none=True))
    size: int = setting(1024, "A size.", group="", kind=Size())
    n: int = setting(3, "A number.", group="", kind=Whole(1, 9))
    on: bool = setting(default=False, text="A switch.", group="")
    allow: str = setting("", "A list.", group="", kind=Listed("HOSTS"))


def of_file(tmp_path, text, mode=0o600, **environ):
    file = tmp_path / "some.toml"
    file.write_text(text)
    file.chmod(mode)
    return load(Some, {"config": str(file)}, environ)


def problems(*args, **kwargs):
    with pytest.raises(BadSettings) as refused:
        of_file(*args, **kwargs)
    return refused.value.problems


def secret_file(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("sources", "value", "origin"),
    [
        ("", 3, "default"),
        ("file", 4, "file"),
        ("file environment", 5, "environment TASKPUSHER_N"),
        ("file environment flag", 6, "flag"),
        ("file flag", 6, "flag"),
    ],
)
def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path, sources, value, origin):
    file = tmp_path / "some.toml"
    file.write_text("n = 4" if "file" in sources else "")
    environ = {"TASKPUSHER_CONFIG": str(file), "TASKPUSHER_N": "5" if "environment" in sources else ""}
    loaded = load(Some, {"n": 6} if "flag" in sources else {}, environ)
    assert loaded.config.n == value
    assert loaded.origins["n"] == origin or loaded.origins["n"] == f"{origin} {file}"


def test_a_secret_comes_from_flag_environment_credential_or_file_in_this_order(tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    secret_file(credentials / "password", "of the credential\n")
    file = tmp_path / "some.toml"
    secret_file(file, 'password = "of the file"')
    flags, environ = {"config": str(file)}, {}
    seen = [load(Some, flags, environ).config.password]
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    seen.append(load(Some, flags, environ).config.password)
    environ["TASKPUSHER_PASSWORD_FILE"] = secret_file(tmp_path / "b", "of the environment's file")
    seen.append(load(Some, flags, environ).config.password)
    flags["password_file"] = secret_file(tmp_path / "c", "of the flag's file")
    loaded = load(Some, flags, environ)
    seen.append(loaded.config.password)
    assert seen == ["of the file", "of the credential", "of the environment's file", "of the flag's file"]
    assert loaded.origins["password"] == f"flag --password-file, {tmp_path}/c"
    assert loaded.warnings == []


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path):
    told = problems(
        tmp_path,
        'grce = 1\nfolder = 3\ngrace = "soon"\nsize = 1.5\nn = 10\non = "yes please"\nallow = [1]\nquite-another = 1\n',
    )
    assert [problem.partition(" in ")[0] for problem in told] == [
        "grce", "quite-another", "folder", "grace", "size", "n", "on", "allow",
    ]  # fmt: skip
    assert "did you mean grace?" in told[0]
    assert "did you mean" not in told[1]
    assert "a whole number from 1 to 9" in told[5]


@pytest.mark.parametrize(
    "text", ["n = true", 'n = "3"', "n = 3.0", "n = [3]", "on = 1", "folder = true", "grace = true"]
)
def test_a_value_of_another_type_is_no_value(tmp_path, text):
    assert len(problems(tmp_path, text)) == 1


@pytest.mark.parametrize(
    "text", ["n =", "\0", "n = 1\nn = 2", "\udc80", "n = " + "9" * 5_000, "n = 0x" + "f" * 5_000, "n = " + "[" * 50_000]
)
def test_what_is_no_toml_is_told_with_its_place(tmp_path, text):
    file = tmp_path / "some.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadSettings, match="not TOML"):
        load(Some, {"config": str(file)}, {})


@pytest.mark.parametrize("variable", ["TASKPUSHER_CONFIG", "TASKPUSHER_PASSWORD_FILE", "CREDENTIALS_DIRECTORY"])
@pytest.mark.parametrize("path", ["/nowhere/at/all", "/dev/zero", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(variable, path):
    with pytest.raises(BadSettings) as refused:
        load(Some, {}, {variable: path})
    assert len(refused.value.problems) == 1


def test_a_pipe_is_no_settings_file_for_a_reload_would_wait_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadSettings, match="regular file"):
        load(Some, {"config": str(tmp_path / "pipe")}, {})


def test_a_secret_is_given_once_and_never_repeated(tmp_path):
    environ = {"TASKPUSHER_PASSWORD": "shh", "TASKPUSHER_PASSWORD_FILE": secret_file(tmp_path / "a", "shh")}
    with pytest.raises(BadSettings, match="only one"):
        load(Some, {}, environ)
    text = '[[tokens]]\nname = "ci"\nrole = "all"\nsecret = "shh"\n'
    assert "shh" not in "".join(problems(tmp_path, text))


def test_who_can_read_a_secret_is_looked_at(tmp_path):
    text = f'password_file = "{secret_file(tmp_path / "a", "x", 0o644)}"'
    assert [str(tmp_path / "a") in warning for warning in of_file(tmp_path, text, 0o644).warnings] == [True]
    assert len(of_file(tmp_path, 'password = "x"', 0o644).warnings) == 1
    assert of_file(tmp_path, "n = 1", 0o644).warnings == []


def test_the_mark_that_editors_of_windows_put_in_front_is_no_part_of_a_secret(tmp_path):
    secret_file(tmp_path / "password", "\ufeffhidden\r\n")
    assert of_file(tmp_path, '\ufeffpassword_file = "password"\r\n').config.password == "hidden"


def test_paths_of_a_file_are_relative_to_its_folder(tmp_path):
    secret_file(tmp_path / "a", "x")
    config = of_file(tmp_path, 'folder = "data"\npassword_file = "a"').config
    assert (config.folder, config.password) == (tmp_path / "data", "x")
    assert of_file(tmp_path, 'folder = "/data"').config.folder == Path("/data")
    assert load(Some, {}, {"TASKPUSHER_FOLDER": "data"}).config.folder == Path("data")


def test_tokens_are_tables_or_lines(tmp_path):
    secret_file(tmp_path / "b", "two\n")
    one = '[[tokens]]\nname = "a"\nrole = "push"\nsecret = "one"\n'
    two = '[[tokens]]\nname = "b"\nrole = "read"\nsecret_file = "b"\n'
    tables = of_file(tmp_path, one + two).config.tokens
    lines = load(Some, {}, {"TASKPUSHER_TOKENS_FILE": secret_file(tmp_path / "c", "a:push:one\nb:read:two\n")}).config
    assert tables == lines.tokens == (Token("a", Role.PUSH, "one"), Token("b", Role.READ, "two"))


@pytest.mark.parametrize(
    "text",
    [
        "tokens = 1",
        "tokens = [1]",
        'tokens = "a:push:x"',
        '[[tokens]]\nname = "a"\nrole = "push"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret = "x"\nsecret_file = "x"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret = "x"\nmore = "x"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret = 1',
        '[[tokens]]\nname = "a"\nrole = "all"\nsecret = "x"',
        '[[tokens]]\nname = ""\nrole = "push"\nsecret = "x"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret_file = "nowhere"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret = "x"\n[[tokens]]\nname = "a"\nrole = "push"\nsecret = "y"',
        '[[tokens]]\nname = "a"\nrole = "push"\nsecret = "x"\n[[tokens]]\nname = "b"\nrole = "push"\nsecret = "x"',
    ],
)
def test_a_token_that_is_not_whole_is_refused(tmp_path, text):
    assert len(problems(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration(), "30", 30.0),
        (Duration(), "0.5", 0.5),
        (Duration(), "30m", 1_800.0),
        (Duration(), "12h", 43_200.0),
        (Duration(), "7d", 604_800.0),
        (Duration(), "1.5h", 5_400.0),
        (Size(), "65536", 65_536),
        (Size(), "64K", 65_536),
        (Size(), "64M", 64 << 20),
        (Size(), "1G", 1 << 30),
        (Whole(), "1_000", 1_000),
        (YesNo(), "On", True),
        (YesNo(), "0", False),
        (Choice(("a", "b")), "b", "b"),
    ],
)
def test_a_kind_reads_what_people_write(kind, text, value):
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Duration(), ["", "-1", "inf", "nan", "1w", "1h30m", "1e999", "1e400d", "m", " 1", "٣"]),
        (Duration(zero=False), ["0", "0.0", "0d"]),
        (Size(), ["", "0", "-1", "1.5M", "1MB", "K", "1P", "9" * 5_000, "1025T", "9" * 18 + "T"]),
        (Whole(2, 4), ["", "1", "5", "2.0", "+3", "٣", "1e0"]),
        (YesNo(), ["", "maybe", "2"]),
        (Choice(("a", "b")), ["", "A", "c"]),
    ],
)
def test_a_kind_refuses_what_means_something_else(kind, texts):
    for text in texts:
        with pytest.raises(BadValue):
            kind.parse(text)


def test_none_takes_back_what_a_source_below_said(tmp_path):
    assert of_file(tmp_path, "limit = 5", TASKPUSHER_LIMIT="none").config.limit is None
    assert "grace" in problems(tmp_path, 'grace = "none"')[0]


def test_an_array_is_a_list_with_commas(tmp_path):
    assert of_file(tmp_path, 'allow = ["a.example", "10.0.0.0/8"]').config.allow == "a.example,10.0.0.0/8"


@given(st.integers(1, 1 << 50))
def test_a_size_is_shown_as_it_is_read(size):
    assert Size().parse(Size().show(size)) == size


@given(st.integers(0, 10**9).map(lambda n: n / 8))
def test_a_duration_is_shown_as_it_is_read(seconds):
    assert Duration().parse(Duration().show(seconds)) == pytest.approx(seconds, rel=1e-5)


def test_what_there_is_of_a_secret_is_all_that_is_shown():
    password = settings_of(Some)[0]
    assert [password.show(value) for value in (None, "", "x")] == ["none", "none", "set"]
