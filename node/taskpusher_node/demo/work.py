"""What a shop has to do: each kind of work is a method that returns jobs as POST /add takes them."""

import random
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any
from uuid import uuid4

Job = dict[str, Any]

BROKEN = 300  # invoices at the start: as many fail

_SENT_TWICE = 0.1  # as by an application that got no answer
_CUSTOMERS = 40
_PRODUCTS = 25


class Work:
    """Thinks up jobs for the sites of the sample application, whose URLs it is given."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._orders = count(1_000)
        self._dice = random.Random()  # noqa: S311 - no secret is drawn
        shares: dict[Callable[[], list[Job]], int] = {
            self.mail: 30,
            self.thumbnail: 20,
            self.posting: 14,
            self.index: 10,
            self.stock: 9,
            self.crm: 6,
            self.invoice: 4,
            self.report: 2,
            self.reminder: 2,
            self.newsletter: 1,
            self.parcel: 1,
            self.webhook: 1,
            self.film: 1,
        }
        self._kinds, self._weights = list(shares), list(shares.values())

    def to_begin_with(self) -> list[Job]:
        """Return what fills the page: together they fit into one array."""
        counts = {
            self.invoice: BROKEN,
            self.mail: 220,
            self.thumbnail: 60,
            self.posting: 60,
            self.stock: 40,
            self.newsletter: 40,
            self.reminder: 30,
            self.index: 20,
            self.parcel: 15,
            self.report: 8,
            self.film: 6,
            self.webhook: 6,
        }
        return [job for kind, n in counts.items() for _ in range(n) for job in kind()]

    def some(self, n: int) -> list[Job]:
        """Return the jobs of so many strokes of work, of every kind by its share."""
        return [job for kind in self._dice.choices(self._kinds, self._weights, k=n) for job in kind()]

    def invoice(self) -> list[Job]:
        """Invoices: their endpoint is broken."""
        order = next(self._orders)
        return [self._post("shop/invoice", "invoices", body={"order": order}, meta={"order": order}, timeout=1)]

    def mail(self) -> list[Job]:
        """Mails: what a customer waits for goes first, each is stored once, credentials are not shown."""
        waited_for = self._dice.random() < 0.2  # noqa: PLR2004
        mail = self._post(
            "shop/mail",
            "mail",
            body={"template": "password" if waited_for else "order-shipped"},
            headers={"Authorization": "Bearer of-the-demo"},
            priority=50 if waited_for else 0,
            idempotency_key=str(uuid4()),
            max_attempts=3,
            ttl=3_600,
        )
        return [mail, mail] if self._dice.random() < _SENT_TWICE else [mail]

    def thumbnail(self) -> list[Job]:
        """Thumbnails: no customer has all of the media server."""
        customer = f"customer-{self._dice.randint(1, 5)}"
        limit = {"key": customer, "concurrency": 2, "rate": 3, "per": 1}
        return [self._post("media/thumbnail", "images", priority=-10, limit=limit)]

    def film(self) -> list[Job]:
        """Films: the media server accepts them and says how far they are; the shop is told of the end."""
        told = {"url": f"{self._urls['shop']}/film-ready", "on": ["completed", "error"]}
        return [self._post("media/recode", "films", callback=told, max_attempts=2, backoff=[10])]

    def posting(self) -> list[Job]:
        """Postings: those of one account in order of arrival."""
        return [self._post("shop/posting", "ledger", key=f"account-{self._dice.randint(1, 12)}", ordered=True)]

    def index(self) -> list[Job]:
        """The search index: however often a product changes, it is indexed a few seconds after the last change."""
        product = f"product-{self._dice.randint(1, _PRODUCTS)}"
        return [self._post("shop/index", "search", unique=product, on_conflict="replace", delay=5, method="PUT")]

    def stock(self) -> list[Job]:
        """Stock: the partner's endpoint fails now and then, and is tried again."""
        return [self._post("partner/stock", "stock", max_attempts=5, backoff={"initial": 1, "max": 10})]

    def crm(self) -> list[Job]:
        """The customer base: its endpoint asks to be called later when it has too much to do."""
        return [self._post("partner/crm", "crm")]

    def report(self) -> list[Job]:
        """Reports: slow, and few at once."""
        return [self._job("partner/report?month=2026-10", "reports", timeout=30)]

    def reminder(self) -> list[Job]:
        """Reminders: due later, and cancelled when the customer comes back."""
        return [self._post("shop/reminder", "reminders", delay=self._dice.randint(60, 7_200))]

    def newsletter(self) -> list[Job]:
        """Newsletters: their queue is paused."""
        return [self._post("shop/newsletter", "newsletter", body="Autumn is here.")]

    def parcel(self) -> list[Job]:
        """Parcels: the warehouse is held by hand."""
        return [self._post("warehouse/parcel", "parcels")]

    def webhook(self) -> list[Job]:
        """Webhooks of a customer: nobody listens there."""
        return [self._post("webhooks/order-shipped", "webhooks")]

    def _post(self, where: str, queue: str, **fields: Any) -> Job:
        return self._job(where, queue, **{"method": "POST", **fields})

    def _job(self, where: str, queue: str, **fields: Any) -> Job:
        site, _, path = where.partition("/")
        meta = {"customer": self._dice.randint(1, _CUSTOMERS), **fields.pop("meta", {})}
        return {"url": f"{self._urls[site]}/{path}", "queue": queue, "meta": meta, **fields}
