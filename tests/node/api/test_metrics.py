"""What a scrape tells: every metric with its labels, few values of each, and no look at the jobs."""

import asyncio
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskpusher.exposition import HttpTally, _Seen
from taskpusher_node import metrics
from taskpusher_node.retry import RESULTS
from taskpusher_node.store.rocksdb import book
from taskpusher_node.store.tallies import OTHER_QUEUES

from .harness import Api

LINES_MAX = 2_000
EXPECTED = {
    "build_info": ("gauge", {"version", "python", "rocksdb"}),
    "node_info": ("gauge", {"node"}),
    "jobs": ("gauge", {"queue", "state"}),
    "jobs_added": ("counter", {"queue"}),
    "jobs_rejected": ("counter", {"reason"}),
    "jobs_finished": ("counter", {"queue", "outcome"}),
    "jobs_requeued": ("counter", {"reason"}),
    "jobs_handed_off": ("gauge", set()),
    "jobs_deleted": ("counter", {"reason"}),
    "jobs_deduplicated": ("counter", set()),
    "settles_fenced": ("counter", set()),
    "attempts": ("counter", {"queue", "result"}),
    "attempt_duration_seconds": ("histogram", {"queue"}),
    "job_wait_seconds": ("histogram", {"queue"}),
    "retries_scheduled": ("counter", {"queue"}),
    "queue_oldest_waiting_seconds": ("gauge", {"queue"}),
    "queue_paused": ("gauge", {"queue"}),
    "slots_busy": ("gauge", set()),
    "dispatch_held": ("counter", {"reason"}),
    "targets_held": ("gauge", set()),
    "limits": ("gauge", set()),
    "slots_limit": ("gauge", set()),
    "event_loop_lag_seconds": ("histogram", set()),
    "http_requests": ("counter", {"method", "route", "status"}),
    "http_request_duration_seconds": ("histogram", {"method", "route"}),
    "http_connections": ("gauge", set()),
    "store_commit_duration_seconds": ("histogram", set()),
    "store_commit_jobs": ("histogram", set()),
    "store_errors": ("counter", {"op"}),
    "store_stalls": ("counter", set()),
    "store_healthy": ("gauge", set()),
    "store_size_bytes": ("gauge", {"kind"}),
    "store_disk_free_bytes": ("gauge", set()),
    "store_recoveries": ("counter", {"kind"}),
    "ready": ("gauge", set()),
    "draining": ("gauge", set()),
}


class Scrape:
    """What one scrape told."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of all samples that have these labels."""
        samples = [sample for family in self.families.values() for sample in family.samples]
        return [s.value for s in samples if s.name == f"taskpusher_{name}" and labels.items() <= s.labels.items()]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one sample."""
        [value] = self.values(name, **labels)
        return value

    def label_values(self, label: str) -> set[str]:
        """Return every value that a label has anywhere."""
        samples = [sample for family in self.families.values() for sample in family.samples]
        return {sample.labels[label] for sample in samples if label in sample.labels}


async def scrape(api: Api) -> Scrape:
    async with api._http.get(f"{api.url}/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Scrape(await answer.text())


@pytest.fixture
async def busy(api, target) -> Api:
    """A node on which everything of EXPECTED happened."""
    for path in ("/ok", "/fail"):
        uid = await api.add(target.url + path)
        await api.get(f"/job/{uid}/wait")
    assert (await api.ask("DELETE", f"/job/{uid}")).status == 204
    uid = await api.add(f"{target.url}/fail", max_attempts=2, backoff={"initial": 60}, queue="mail")
    await api.until(uid, "scheduled")
    assert (await api.ask("POST", "/add", data={"ur": "x"})).status == 422
    await scrape(api)
    return api


async def test_every_metric_is_there_with_its_type_and_labels(busy):
    told = await scrape(busy)
    seen = {
        name.removeprefix("taskpusher_"): (family.type, {name for s in family.samples for name in s.labels} - {"le"})
        for name, family in told.families.items()
    }
    assert seen == EXPECTED
    assert "_created" not in told.text
    assert all(family.documentation.endswith(".") for family in told.families.values())


async def test_promtool_has_nothing_to_say(busy):
    text = (await scrape(busy)).text
    done = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_numbers_are_what_happened(busy):
    told = await scrape(busy)
    assert told.value("jobs_added_total", queue="default") == 2
    assert told.value("jobs_added_total", queue="other") == 1
    assert told.value("jobs_finished_total", queue="default", outcome="completed") == 1
    assert told.value("jobs_finished_total", queue="default", outcome="error") == 1
    assert told.value("attempts_total", queue="default", result="success") == 1
    assert told.value("attempts_total", queue="default", result="status_5xx") == 1
    assert told.value("attempt_duration_seconds_count", queue="default") == 2
    assert told.value("job_wait_seconds_count", queue="other") == 1
    assert told.value("retries_scheduled_total", queue="other") == 1
    assert told.value("jobs_rejected_total", reason="invalid-field") == 1
    assert told.value("jobs_deleted_total", reason="hand") == 1
    assert told.value("jobs", queue="other", state="scheduled") == 1
    assert told.value("http_requests_total", method="POST", route="/add", status="201") == 3
    assert told.value("http_request_duration_seconds_count", method="GET", route="/job/{uid}/wait") == 2
    assert told.value("store_commit_jobs_sum") >= 5
    assert (told.value("ready"), told.value("draining"), told.value("store_healthy")) == (1, 0, 1)
    assert told.values("event_loop_lag_seconds_bucket", le="+Inf") == told.values("event_loop_lag_seconds_count")
    assert told.value("store_recoveries_total", kind="clean") == 1
    assert sum(told.values("store_recoveries_total")) == 1
    assert told.label_values("result") == set(RESULTS)


async def test_a_queue_that_stands_still_is_told_with_its_oldest_job(api):
    await api.ask("POST", "/queues/default/pause")
    await api.add("http://a.example/")
    await asyncio.sleep(0.02)
    told = await scrape(api)
    assert told.value("queue_paused", queue="default") == 1
    assert 0 < told.value("queue_oldest_waiting_seconds", queue="default") < 20
    assert told.value("queue_oldest_waiting_seconds", queue="other") == 0


async def test_a_node_in_trouble_says_so(api):
    await api.ask("POST", "/drain")
    commit = api.node._dispatcher._store._commit
    commit._set_stalled(on=True)
    told = await scrape(api)
    assert (told.value("ready"), told.value("draining"), told.value("store_healthy")) == (0, 1, 0)
    commit._set_stalled(on=False)


async def test_jobs_of_a_bulk_are_rejected_one_by_one(api):
    lines = [{"url": "http://a.example/", "delay": 60}, {"url": "nonsense"}, {"url": "x"}]
    assert (await api.ask("POST", "/add", json=lines)).status == 207
    ndjson = {"Content-Type": "application/x-ndjson"}
    async with api._http.post(f"{api.url}/add", data=b'{"url": 1}\n', headers=ndjson) as answer:
        assert b'"failed":1' in await answer.read()
    await api.ask("POST", "/drain")
    assert (await api.ask("POST", "/add", json=lines)).status == 503
    told = await scrape(api)
    assert told.value("jobs_rejected_total", reason="invalid-field") == 3
    assert told.value("jobs_rejected_total", reason="draining") == 1


async def _add_to_queues(api, names):
    jobs = [{"url": "http://a.example/", "delay": 60, "queue": name} for name in names]
    answer = await api.ask("POST", "/add", json=jobs)
    assert answer.status == 201, answer


async def test_a_declared_queue_is_told_by_its_name_before_anything_happens_to_it(api):
    await api.ask("PUT", "/queues/mail")
    assert (await scrape(api)).value("jobs_added_total", queue="mail") == 0
    await _add_to_queues(api, ["mail", "letters"])
    told = await scrape(api)
    assert [told.value("jobs_added_total", queue=queue) for queue in ("mail", "other")] == [1, 1]
    assert told.value("jobs", queue="mail", state="scheduled") == 1


HOSTILE = ["other", "__name__", "le", "-", "...", *(f"{n:064d}" for n in range(990))]


@pytest.mark.parametrize("guarded", [True, False])
async def test_hostile_queues_share_one_label(api, monkeypatch, guarded):
    if not guarded:
        for module in (metrics, book):
            monkeypatch.setattr(module, "tally_name", lambda queue, **_: queue)
    await _add_to_queues(api, HOSTILE)
    told = await scrape(api)
    bounded = told.label_values("queue") == {"default", OTHER_QUEUES} and told.text.count("\n") < LINES_MAX
    assert bounded is guarded
    assert sum(told.values("jobs", state="scheduled")) == sum(told.values("jobs_added_total")) == len(HOSTILE)


@pytest.mark.parametrize("guarded", [True, False])
async def test_hostile_paths_and_methods_are_one_route(api, monkeypatch, guarded):
    if not guarded:
        each_its_own = lambda self, *_: self._by_labels.setdefault(("GET", str(len(self._by_labels))), _Seen())  # noqa: E731
        monkeypatch.setattr(HttpTally, "_first", each_its_own)
    for n in range(50):
        await api.ask("GET", f"/{n}/%22%0a\\{{x=%22")
        await api.ask("PUT", "/add")
        await api.ask("GET", f"/job/{n}")
        await api.raw(b"BREW%d /add HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % n)
        await api.raw(b"PROPFIND /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    told = await scrape(api)
    labels = told.label_values("method"), told.label_values("route")
    assert (labels == ({"GET", "PUT", "other"}, {"/job/{uid}", "other"})) is guarded
    assert sum(told.values("http_requests_total", status="404")) == 100


async def test_every_route_fits_beside_hostile_queues(api):
    await _add_to_queues(api, HOSTILE)
    for resource in api.node._serving._runner.app.router.resources():
        for route in resource:
            path = resource.canonical.replace("{", "").replace("}", "")
            if path not in ("/drain", "/backup"):
                async with api._http.request(route.method, api.url + path) as answer:
                    await answer.read()
    told = await scrape(api)
    assert len(told.label_values("route")) > 15
    assert told.text.count("\n") < LINES_MAX


async def test_metrics_need_credentials(tmp_path):
    async with Api(tmp_path, basicauth="joe:secret") as api:
        assert (await api.ask("GET", "/metrics")).status == 401
