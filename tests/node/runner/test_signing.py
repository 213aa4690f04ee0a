"""Signatures by Standard Webhooks, against the example of its specification."""

import base64

import pytest

from taskpusher_node.runner.signing import BadSecret, parse_secrets, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification_is_signed_as_it_says():
    headers = signed_headers(parse_secrets(SECRET), ID, 1614265330, b'{"test": 2432232314}')
    assert headers == {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}


def test_while_secrets_are_rotated_there_is_a_signature_for_each():
    other = base64.b64encode(b"x" * 32).decode()
    keys = parse_secrets(f"{SECRET}, {other}")
    signatures = signed_headers(keys, ID, 1614265330, b'{"test": 2432232314}')["webhook-signature"].split()
    assert len(signatures) == 2
    assert signatures[0] == SIGNATURE


def test_no_secret_is_no_key():
    assert parse_secrets("") == []


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_!!!!", base64.b64encode(b"x" * 23).decode()])
def test_what_is_no_secret_is_refused(secret):
    with pytest.raises(BadSecret):
        parse_secrets(secret)
