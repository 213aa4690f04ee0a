"""When a pause or a hold ends by itself, as it is asked for: `for` seconds, `until` a time, or neither."""

from aiohttp import web
from multidict import MultiDict

from taskpusher import codec, errors

from ..request import RUN_AT_MAX_MS


async def read_until_ms(request: web.Request, now_ms: int) -> int | None:
    """Return the time that the query or the form of a request asks for; raises InvalidField."""
    return _until_ms(await _fields(request), now_ms)


async def _fields(request: web.Request) -> MultiDict[str]:
    """Return the fields of the query and of a form together."""
    fields: MultiDict[str] = MultiDict(request.query)
    if request.body_exists and request.content_type != "application/x-www-form-urlencoded":
        raise errors.UnsupportedMediaType("send for or until in the query or as a form")
    fields.extend([(name, str(value)) for name, value in (await request.post()).items()])
    return fields


def _until_ms(query: MultiDict[str], now_ms: int) -> int | None:
    problems = [(name[:100], "unknown field") for name in query if name not in ("for", "until")]
    problems += [(name, "given more than once") for name in set(query) if len(query.getall(name)) > 1]
    if "for" in query and "until" in query:
        problems.append(("until", "for or until, not both"))
    until_ms = None
    try:
        if "for" in query:
            until_ms = now_ms + round(float(query["for"]) * 1000)
        elif "until" in query:
            until_ms = codec.parse_time(query["until"])
    except (ValueError, OverflowError):
        until_ms = now_ms
    if until_ms is not None and not now_ms < until_ms <= now_ms + RUN_AT_MAX_MS:
        field = "for" if "for" in query else "until"
        rule = "seconds above 0" if field == "for" else "an RFC 3339 time in the future"
        problems.append((field, f"{rule}, at most ten years ahead"))
    if problems:
        raise errors.InvalidField(problems)
    return until_ms
