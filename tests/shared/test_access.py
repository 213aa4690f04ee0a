"""Who may do what: Basic, bearer tokens, roles."""

import pytest

from taskpusher import errors
from taskpusher.access import ANYBODY, CLUSTER, Access, Caller, Role, Token, speaking_for, spoken_for

from .serving import basic

TOKENS = (
    Token("ci", Role.PUSH, "s3cret-p"),
    Token("board", Role.READ, "s3cret-r"),
    Token("ops", Role.ADMIN, "s3cret-a"),
)


@pytest.fixture
def access() -> Access:
    return Access("joe:se:cret ä", TOKENS)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic "])
def test_the_right_user_is_let_in_however_the_scheme_is_spelled(access, scheme):
    caller = access.caller(basic("joe:se:cret ä", scheme))
    assert (caller.name, caller.role) == ("joe", Role.ADMIN)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token.name)
def test_a_token_is_let_in_however_the_scheme_is_spelled(access, scheme, token):
    caller = access.caller(f"{scheme} {token.secret}")
    assert (caller.name, caller.role) == (token.name, token.role)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Bearer",
        "Bearer ",
        "Basic !!!",
        basic("joe:wrong"),
        basic("joe:se:cret"),
        basic("Joe:se:cret ä"),
        basic(":"),
        basic("joe:se:cret ä", "Bearer"),
        basic("joe:se:cret ä") + "x",
        "Basic \u00e4",
        "Basic \u20ac",
        "Basic \udcff",
        "joe:se:cret ä",
        "Basic s3cret-a",
        "Bearer s3cret-",
        "Bearer s3cret-a, Bearer s3cret-r",
        "Bearer S3CRET-A",
        "s3cret-a",
        "ops",
        "Bearer " + "a" * 8_000,
    ],
)
def test_any_other_header_is_refused(access, authorization):
    with pytest.raises(errors.Unauthorized) as refused:
        access.caller(authorization)
    assert "s3cret" not in refused.value.detail


def test_only_the_schemes_that_can_succeed_are_offered():
    def offered(basicauth, *tokens):
        with pytest.raises(errors.Unauthorized) as refused:
            Access(basicauth, tokens).caller(None)
        return [challenge.split()[0] for challenge in refused.value.challenges]

    assert offered("a:b", *TOKENS) == ["Basic", "Bearer"]
    assert offered("a:b") == ["Basic"]
    assert offered(None, *TOKENS) == ["Bearer"]


def test_without_credentials_anybody_is_admin():
    assert Access(None).caller("Bearer x") is ANYBODY
    assert not Access(None).needed


def test_replaced_credentials_are_the_only_ones_from_then_on(access):
    access.replace(None, [Token("new", Role.READ, "fresh")])
    assert access.caller("Bearer fresh").name == "new"
    for old in (basic("joe:se:cret ä"), "Bearer s3cret-a", "bearer s3cret-a"):
        with pytest.raises(errors.Unauthorized):
            access.caller(old)
    access.replace(None, ())
    assert access.caller(None) is ANYBODY


@pytest.mark.parametrize("secret", ["", " ", "a b", "ä", "a\n", "=", "a=b", '"a"'])
def test_a_secret_that_no_header_can_carry_is_no_token(secret):
    with pytest.raises(ValueError, match="secret of token ops"):
        Token("ops", Role.ADMIN, secret)


@pytest.mark.parametrize("name", ["", "a\x1b[31m", "a" * 65, "a\n"])
def test_a_name_that_no_log_should_show_is_no_token(name):
    with pytest.raises(ValueError, match="printable"):
        Token(name, Role.ADMIN, "x")


def test_two_tokens_of_one_secret_are_refused():
    with pytest.raises(ValueError, match="same secret"):
        Access(None, [Token("a", Role.READ, "x"), Token("b", Role.ADMIN, "x")])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Bearer  "])
def test_who_has_the_cluster_token_is_the_cluster(scheme):
    access = Access(None, TOKENS, "s3cret-c")
    assert access.caller(f"{scheme} s3cret-c") is CLUSTER
    assert access.caller("Bearer s3cret-a") is not CLUSTER
    assert (access.needed, access.changes_by_cluster) == (True, True)
    with pytest.raises(errors.Unauthorized):
        access.caller("Basic s3cret-c")
    access.replace(None, TOKENS)
    with pytest.raises(errors.Unauthorized):
        access.caller(f"{scheme} s3cret-c")
    assert not access.changes_by_cluster


def test_a_cluster_token_alone_keeps_everybody_else_out():
    access = Access(None, (), "s3cret-c")
    with pytest.raises(errors.Unauthorized):
        access.caller(None)


def test_a_cluster_token_that_is_a_token_as_well_is_refused():
    with pytest.raises(ValueError, match="same secret"):
        Access(None, TOKENS, "s3cret-a")


@pytest.mark.parametrize("name", ["joe", "Jö 💥", "a%20b", "a, b; c", "x" * 300, "\x1b[31m\r\nX-A: b", None])
@pytest.mark.parametrize("role", list(Role))
def test_a_router_says_whom_it_speaks_for(name, role):
    told = speaking_for(Caller(name, role))
    assert all(value.isascii() and value.isprintable() for value in told.values())
    assert spoken_for(told) == Caller(name, role)


def test_a_router_that_speaks_for_nobody_is_the_cluster():
    assert spoken_for({}) is CLUSTER


@pytest.mark.parametrize("role", [None, "", "Admin", "root", "admin "])
def test_a_role_that_there_is_not_is_refused(role):
    with pytest.raises(errors.Forbidden, match="push, read, admin"):
        spoken_for({"TaskPusher-Caller": "joe"} | ({"TaskPusher-Role": role} if role is not None else {}))


def test_a_secret_is_not_shown_with_its_token():
    assert "s3cret" not in repr(TOKENS)


@pytest.mark.parametrize(
    ("call", "roles"),
    [
        ("POST /add", "push admin"),
        ("GET /job/x", "push read admin"),
        ("HEAD /job/x", "push read admin"),
        ("GET /job/x/wait", "push read admin"),
        ("GET /job/x/why", "read admin"),
        ("GET /job/", "read admin"),
        ("GET /job/x/wait/", "read admin"),
        ("GET /job//wait", "read admin"),
        ("GET /add", "read admin"),
        ("GET /jobs/waiting", "read admin"),
        ("GET /what/comes/next", "read admin"),
        ("POST /add/", "admin"),
        ("POST /Add", "admin"),
        ("POST /%61dd", "admin"),
        ("POST /job/x", "admin"),
        ("POST /job/x/wait", "admin"),
        ("POST /job/x/cancel", "admin"),
        ("DELETE /job/x", "admin"),
        ("PATCH /job/x", "admin"),
        ("PUT /queues/x", "admin"),
        ("OPTIONS /add", "admin"),
        ("get /job/x", "admin"),
        ("POST /what/comes/next", "admin"),
    ],
)
def test_a_role_may_do_what_is_written_down_for_it_and_nothing_else(call, roles):
    method, _, path = call.partition(" ")
    assert " ".join(role for role in Role if role.may(method, path)) == roles
