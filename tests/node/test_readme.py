"""The READMEs: they name no test and no place that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README, ROUTER = ((ROOT / part / "README.md").read_text() for part in ("node", "router"))


def rows_of(text: str, title: str, header: str) -> list[str]:
    """Return the rows of the tables of a section, without their headers."""
    _, _, section = text.partition(f"\n## {title}\n")
    section, _, _ = section.partition("\n## ")
    return [line for line in section.splitlines() if line.startswith("| ") and not line.startswith(f"| {header} ")]


def test_every_test_that_the_tables_of_promises_and_faults_name_is_there():
    defined = [
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    ]
    named = re.findall(r"`(test_\w+)`", README + ROUTER)
    assert len(named) > 200
    assert [name for name in named if defined.count(name) != 1] == []


@pytest.mark.parametrize(
    ("text", "title", "header", "least"),
    [(README, "Promises", "promise", 40), (README, "Faults", "fault", 40), (ROUTER, "Promises", "promise", 15)],
    ids=["promises of a node", "faults", "promises of a cluster"],
)
def test_every_row_of_a_promise_or_a_fault_names_a_test(text, title, header, least):
    rows = rows_of(text, title, header)
    assert len(rows) > least
    assert [row for row in rows if "`test_" not in row.split("|")[-2]] == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "node/README.md", "router/README.md", "loadtest/README.md"]
)
def test_every_link_and_every_section_that_a_text_points_to_is_there(name):
    file = ROOT / name
    text = file.read_text()
    links = re.findall(r"\]\(([^)]*)\)|(?:src|srcset)=\"([^\"]*)\"", text)
    for link in filter(lambda link: not link.startswith("https://"), map("".join, links)):
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target.read_text()), link
    assert [title for title in re.findall(r"[Ss]ee \*([^*]+)\*", text) if title not in titles_of(text)] == []


def titles_of(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


def anchors_of(text: str) -> set[str]:
    return {title.lower().replace(" ", "-") for title in titles_of(text)}
