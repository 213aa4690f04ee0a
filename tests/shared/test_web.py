"""What every HTTP answer has in common."""

import json

from taskpusher import __version__, errors
from taskpusher.web import last_words, problem_response


def test_a_problem_with_fields_names_them_all():
    document = errors.InvalidField([("a", "x"), ("b", "y")]).document()
    assert document["errors"] == [{"path": "a", "rule": "x"}, {"path": "b", "rule": "y"}]
    assert (document["type"], document["status"], document["detail"]) == ("invalid-field", 422, "a: x; b: y")


def test_the_last_words_on_a_connection_are_a_whole_problem():
    head, _, body = last_words(errors.Busy("later", retry_after_s=3)).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    told = dict(line.split(": ") for line in lines)
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert told["TaskPusher-Version"] == __version__
    assert (told["Connection"], told["Retry-After"], told["Content-Length"]) == ("close", "3", str(len(body)))
    assert (told["Content-Type"], json.loads(body)["type"]) == ("application/problem+json", "busy")


def test_a_request_that_came_too_slowly_ends_its_connection():
    assert problem_response(errors.TooSlow("x")).keep_alive is False
    assert problem_response(errors.NotFound("x")).keep_alive is None
