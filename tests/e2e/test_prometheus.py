"""A real Prometheus scrapes a real node under load, and its queries answer."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import pytest

from .processes import NodeProcess, RouterProcess, free_port, until

CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
- job_name: taskpusher
  static_configs: [{targets: %s}]
"""
QUERIES = (
    "sum by (queue) (rate(taskpusher_jobs_added_total[10s])) > 0",
    "sum by (outcome) (taskpusher_jobs_finished_total) > 0",
    'sum(taskpusher_attempts_total{result="success"}) / sum(taskpusher_attempts_total) > 0',
    "histogram_quantile(0.95, sum by (le) (rate(taskpusher_attempt_duration_seconds_bucket[10s]))) > 0",
    "histogram_quantile(0.99, sum by (le, route) (rate(taskpusher_http_request_duration_seconds_bucket[10s]))) > 0",
    "rate(taskpusher_store_commit_jobs_sum[10s]) / rate(taskpusher_store_commit_jobs_count[10s]) > 0",
    'taskpusher_build_info * on (instance) group_left (node) taskpusher_node_info{node!=""} == 1',
    "taskpusher_ready == 1",
    "up == 1",
)
ROUTER_QUERIES = (
    'taskpusher_router_node_up{node="n1"} == 1',
    'taskpusher_router_node_up{node="n2"} == 0',
    "sum(taskpusher_router_ring_share_ratio) > 0.999",
    'sum by (node) (rate(taskpusher_router_upstream_requests_total{op="add",result="2xx"}[10s])) > 0',
    'taskpusher_router_upstream_requests_total{node="n2",result="not_reached"} > 0',
    "histogram_quantile(0.99, sum by (le, node) (rate(taskpusher_router_upstream_duration_seconds_bucket[10s]))) > 0",
    "rate(taskpusher_router_coalesced_jobs_sum[10s]) / rate(taskpusher_router_coalesced_jobs_count[10s]) >= 1",
    "taskpusher_router_unknown_outcomes_total == 0",
    'taskpusher_router_partial_responses_total{route="/stats"} > 0',
    "taskpusher_router_membership_last_reload_successful == 1",
    'rate(taskpusher_http_requests_total{route="/add",status="201"}[10s]) > 0',
    "count(up == 1) == 2",
)


class Prometheus:
    """A process of its own, on a free port and a folder that goes with the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self, *urls: str) -> None:
        """Start it on some daemons, and wait until it listens."""
        targets = [url.removeprefix("http://") for url in urls]
        (self._folder / "prometheus.yml").write_text(CONFIG % json.dumps(targets))
        log = self._folder / "log"
        with log.open("wb") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                "prometheus",
                f"--config.file={self._folder}/prometheus.yml",
                f"--storage.tsdb.path={self._folder}/data",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
                stderr=stderr,
            )
        async with asyncio.timeout(20):
            while not self.url:
                assert self._process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
                said = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
                self.url = next((f"http://{line['address']}" for line in said if line.get("msg") == "Listening on"), "")

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def ask(self, http: aiohttp.ClientSession, query: str) -> list[dict]:
        """Return the answer to a query."""
        async with http.post(f"{self.url}/api/v1/query", data={"query": query}) as answer:
            return (await answer.json())["data"]["result"] if answer.status == 200 else []  # 503 until it is ready

    async def answers(self, http: aiohttp.ClientSession, queries: Iterable[str]) -> None:
        """Wait until each query has an answer."""
        unanswered = list(queries)
        async with asyncio.timeout(30):
            while unanswered:
                unanswered = [query for query in unanswered if not await self.ask(http, query)]
                await asyncio.sleep(0.1)


@pytest.fixture
async def prometheus(tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    prometheus = Prometheus(folder)
    yield prometheus
    await prometheus.stop()


async def _load(http: aiohttp.ClientSession, node: NodeProcess, target_url: str) -> None:
    while True:
        for path, queue in (("/ok", "default"), ("/ok", "mail")):
            async with http.post(f"{node.url}/add", data={"url": target_url + path, "queue": queue}) as answer:
                assert answer.status == 201
        await asyncio.sleep(0.01)


async def test_a_prometheus_scrapes_a_node_under_load_and_its_queries_answer(node, http, target, prometheus):
    await node.start()
    loading = asyncio.create_task(_load(http, node, target.url))
    try:
        await prometheus.start(node.url)
        await prometheus.answers(http, QUERIES)
        assert not loading.done()
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    assert await prometheus.ask(http, "taskpusher_nothing") == []
    await until(http, node, waiting=0, running=0)
    async with http.get(f"{prometheus.url}/api/v1/targets") as answer:
        [scraped] = (await answer.json())["data"]["activeTargets"]
    assert (scraped["health"], scraped["lastError"]) == ("up", "")


async def test_a_prometheus_scrapes_a_router_beside_its_nodes(tmp_path, http, target, prometheus):
    node = await NodeProcess(tmp_path, "--name=n1").start()
    (tmp_path / "router").mkdir()
    members = f"--node=n1={node.url}", f"--node=n2=http://127.0.0.1:{free_port()}"
    router = await RouterProcess(tmp_path / "router", *members).start()
    loading = asyncio.create_task(_load(http, router, target.url))
    try:
        await prometheus.start(router.url, node.url)
        async with http.get(f"{router.url}/stats") as answer:
            assert (await answer.json())["missing"] == ["n2"]
        await prometheus.answers(http, ROUTER_QUERIES)
        assert not loading.done()
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        await router.kill()
        await node.kill()
