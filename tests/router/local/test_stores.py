"""How many stores a folder has, and what of it keeps nodes from starting."""

import pytest

from taskpusher_router.local import stores


@pytest.fixture
def folder(tmp_path):
    for name in ("n1", "n2", "n3", "n04", "nodes", "backups"):
        (tmp_path / name).mkdir()
    (tmp_path / "n9").write_text("no folder")
    return tmp_path


def test_there_are_as_many_as_the_highest_number(folder):
    assert stores.count(folder, 3) == 3
    (folder / "n2").rmdir()
    assert stores.count(folder, 8) == 3


def test_there_are_none_where_there_is_no_folder(tmp_path):
    assert stores.count(tmp_path / "new", 4) == 0


def test_fewer_nodes_than_stores_are_refused_with_what_to_do(folder):
    with pytest.raises(stores.Unfit) as refused:
        stores.count(folder, 1)
    wrong, advice = refused.value.args
    assert "the jobs of n2, n3" in wrong
    assert "--nodes 3" in advice


def test_the_store_of_a_lone_node_is_refused(tmp_path):
    (tmp_path / "CURRENT").write_text("MANIFEST-000001\n")
    with pytest.raises(stores.Unfit, match="lone node"):
        stores.count(tmp_path, 4)
