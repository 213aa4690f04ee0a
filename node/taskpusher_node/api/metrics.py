"""GET /metrics: what Prometheus scrapes."""

from aiohttp import web

from taskpusher.contract import Text, operation
from taskpusher.exposition import Exposition
from taskpusher.web import bytes_response


class MetricsApi:
    """Answers scrapes."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    @operation("GET", "/metrics", answers={200: Text("text/plain", "Every metric, in the text format of Prometheus.")})
    async def metrics(self, _: web.Request) -> web.Response:
        """Answer with every metric."""
        return bytes_response(*self._exposition.render())
