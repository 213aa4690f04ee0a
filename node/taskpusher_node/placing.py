"""Which of the fields that place a job among others go together. Pure."""

from collections.abc import Iterator

UNORDERED = ("priority", "delay", "run_at")  # say otherwise when a job is called than its line does


def broken_order(*, key: str | None, given: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (field, rule that it breaks) of an ordered job; `given` are the values of UNORDERED."""
    if key is None:
        yield "ordered", "only with a key"
    for name, value in given.items():
        if value is not None:
            yield name, "not with ordered: jobs of its key run in order of arrival"
