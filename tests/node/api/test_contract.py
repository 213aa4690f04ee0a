"""The contract: it is a good document, it names every route and nothing else, and the node keeps to it."""

import asyncio
import json
import os
import sys
from pathlib import Path

from click.testing import CliRunner
from openapi_spec_validator import validate

from taskpusher import serving
from taskpusher.connections import GuardedRunner
from taskpusher_node.api import shapes
from taskpusher_node.api.openapi import DOCUMENT
from taskpusher_node.cli import openapi

from .harness import Api, Target

JOE = {"Authorization": "Basic am9lOnNlY3JldA=="}
HOOKS = Path(__file__).parent / "contract_hooks.py"
CLOSING = ["/drain"]  # after these, adds are 503 until they are taken back; they have their own tests


async def test_the_document_is_openapi(api):
    answer = await api.ask("GET", "/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    validate(answer.body)
    assert answer.body["openapi"].startswith("3.1")


def test_the_command_prints_the_document():
    result = CliRunner().invoke(openapi)
    assert (result.exit_code, json.loads(result.output)) == (0, json.loads(DOCUMENT))


async def test_every_route_is_in_the_document_and_nothing_else(tmp_path, monkeypatch):
    """A route that is missing here: declare its handler with @operation, and its part in api/openapi.py."""
    described = {
        (method.upper(), path) for path, operations in json.loads(DOCUMENT)["paths"].items() for method in operations
    }
    apps = []
    monkeypatch.setattr(serving, "GuardedRunner", lambda app, *a, **b: GuardedRunner(apps.append(app) or app, *a, **b))
    async with Api(tmp_path):
        routes = apps[-1].router.routes()
    routed = {(route.method, route.resource.canonical) for route in routes if route.method != "HEAD"}
    assert described == routed


def test_every_operation_says_what_it_is_for():
    for path, operations in json.loads(DOCUMENT)["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"].endswith("."), (method, path)
            assert all(response["description"] for response in operation["responses"].values()), (method, path)


def test_no_body_has_fields_that_are_not_named():
    """As every handler refuses them."""
    document = json.loads(DOCUMENT)
    schemas = document["components"]["schemas"]
    bodies = [
        content["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    named = {schema["$ref"].rpartition("/")[2] for schema in bodies if "$ref" in schema}
    assert {"LimitFields", "QueueJson", "EditRequest", "HeartbeatFields"} <= named
    assert [name for name in sorted(named) if schemas[name].get("additionalProperties") is not False] == []


# -- the node keeps to it


async def _schemathesis(api: Api, target: Target, uids: list[str], *arguments: str) -> tuple[int, str]:
    """Run it against a node, its data the same every time; returns its exit code and what it says."""
    run = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis", "run", f"{api.url}/openapi.json", "--auth", "joe:secret",
        "--generation-deterministic", "--continue-on-failure", "--no-color", "--no-shrink",
        # what a schema cannot say (a uid of the last day, a time at most ten years ahead) is refused all the same
        "--exclude-checks", "positive_data_acceptance", *arguments,
        env=os.environ | {
            "SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent), "UIDS": " ".join(uids),
            "TARGETS": f"{target.url}/ok {target.url}/fail",
        },
        cwd=api.config.store.parent,  # it keeps what it found where it stands
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await run.communicate()
    return run.returncode, said.decode()[:5_000]


async def _seed(api: Api, target: Target) -> list[str]:
    """Bring jobs into every state; returns their uids."""
    jobs = [{"url": f"{target.url}/{path}"} for path in ("ok", "fail") for _ in range(5)]
    jobs += [{"url": f"{target.url}/ok", "delay": 3_600, "meta": {"a": 1}} for _ in range(10)]
    jobs += [{"url": f"{target.url}/hang"}, {"url": f"{target.url}/fail", "max_attempts": 5, "backoff": [3_600]}]
    answer = await api.ask("POST", "/add", json=jobs, headers=JOE)
    uids = [job["uid"] for job in answer.body]
    for uid in uids[10:13]:
        await api.ask("POST", f"/job/{uid}/cancel", headers=JOE)
    for uid in uids[:10]:
        await api.ask("GET", f"/job/{uid}/wait", headers=JOE)
    return uids


async def test_no_answer_is_outside_the_contract(tmp_path, target):
    async with Api(tmp_path, basicauth="joe:secret", max_wait=0.05) as api:
        uids = await _seed(api, target)
        called = len(target.jobs)
        closing = [argument for path in CLOSING for argument in ("--exclude-path", path)]
        code, said = await _schemathesis(api, target, uids, "--max-examples", "8", *closing)
        assert code == 0, said
        assert len(target.jobs) - called > 10  # it added jobs, and they ran


async def test_an_answer_outside_the_contract_is_found(tmp_path, target, monkeypatch):
    monkeypatch.setattr(shapes, "queue", lambda view: {"name": view.name, "paused": "no"})
    async with Api(tmp_path, basicauth="joe:secret") as api:
        code, said = await _schemathesis(api, target, ["x"], "--include-path", "/queues", "--max-examples", "5")
        assert (code, "Response violates schema" in said) == (1, True), said


async def test_a_fault_of_the_node_is_found(tmp_path, target, monkeypatch, faults):
    faults.append("handler")
    monkeypatch.setattr(shapes, "queue", lambda _: 1 / 0)
    async with Api(tmp_path, basicauth="joe:secret") as api:
        code, said = await _schemathesis(api, target, ["x"], "--include-path", "/queues", "--max-examples", "5")
        assert (code, "Server error" in said) == (1, True), said
