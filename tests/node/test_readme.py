"""The README of the node: it names no test and no place that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "node" / "README.md").read_text()


def rows_of(title: str, header: str) -> list[str]:
    """Return the rows of the tables of a section, without their headers."""
    _, _, section = README.partition(f"\n## {title}\n")
    section, _, _ = section.partition("\n## ")
    return [line for line in section.splitlines() if line.startswith("| ") and not line.startswith(f"| {header} ")]


def test_every_test_that_the_tables_of_promises_and_faults_name_is_there():
    defined = [
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    ]
    named = re.findall(r"`(test_\w+)`", README)
    assert len(named) > 200
    assert [name for name in named if defined.count(name) != 1] == []


@pytest.mark.parametrize(("title", "header"), [("Promises", "promise"), ("Faults", "fault")])
def test_every_row_of_a_promise_or_a_fault_names_a_test(title, header):
    rows = rows_of(title, header)
    assert len(rows) > 40
    assert [row for row in rows if "`test_" not in row.split("|")[-2]] == []


def test_every_link_and_every_section_that_a_text_points_to_is_there():
    titles = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(([^)]*)\)", README)
    files = [link for link in links if not link.startswith(("#", "https://"))]
    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
    assert [file for file in files if not (ROOT / "node" / file).exists()] == []
    assert [title for title in re.findall(r"[Ss]ee \*([^*]+)\*", README) if title not in titles] == []
