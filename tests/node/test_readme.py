"""The README of the node: it names no test and no place that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "node" / "README.md").read_text()


def test_every_test_that_the_table_of_faults_names_is_there():
    defined = [
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    ]
    named = re.findall(r"`(test_\w+)`", README)
    assert len(named) > 60
    assert [name for name in named if defined.count(name) != 1] == []


def test_every_row_of_a_fault_names_a_test():
    _, _, faults = README.partition("\n## Faults\n")
    rows = [line for line in faults.splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
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
