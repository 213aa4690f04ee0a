"""POST /backup: off unless a folder is set; one name, one folder."""

import asyncio
import re
from pathlib import Path

from .harness import Api, error, paths

URL = "http://a.example/x"


async def test_without_a_folder_no_backup_is_made_and_the_answer_says_what_to_do(api):
    answer = await api.ask("POST", "/backup")
    assert error(answer) == (409, "backup-refused")
    assert "backup_dir" in answer.body["detail"]


async def test_a_backup_is_named_after_the_store_and_the_time_unless_it_is_given_a_name(tmp_path):
    async with Api(tmp_path, backup_dir=tmp_path / "b") as api:
        await api.add(URL, delay=60)
        first = (await api.ask("POST", "/backup")).body
        second = (await api.ask("POST", "/backup", params={"name": "mine"})).body
        assert re.fullmatch(r"n1-\d{8}T\d{6}", Path(first["path"]).name)
        assert second["path"] == str(tmp_path / "b" / "mine")
        assert (second["jobs"], second["bytes"] > 1_000) == (1, True)
        assert error(await api.ask("POST", "/backup", params={"name": "mine"})) == (409, "backup-refused")


async def test_a_name_stays_in_the_folder(tmp_path):
    async with Api(tmp_path, backup_dir=tmp_path / "b") as api:
        for name in ("../x", "a/b", ".", "..", ".hidden", "a\0", "a\n", "é", "x" * 101, " "):
            assert paths(await api.ask("POST", "/backup", params={"name": name})) == ["name"]
        assert paths(await api.ask("POST", "/backup?nam=x")) == ["nam"]
        assert not (tmp_path / "b").exists()


async def test_the_node_answers_while_a_backup_is_made(tmp_path):
    async with Api(tmp_path, backup_dir=tmp_path / "b") as api:
        for _ in range(3):
            jobs = [{"url": URL, "delay": 60, "method": "POST", "body": "x" * 500}] * 1_000
            assert (await api.ask("POST", "/add", json=jobs)).status == 201
        backup = asyncio.create_task(api.ask("POST", "/backup"))
        asked = 0
        while not backup.done():
            assert (await api.ask("GET", "/health")).status == 200
            asked += 1
        assert (backup.result().body["jobs"], asked > 1) == (3_000, True)
