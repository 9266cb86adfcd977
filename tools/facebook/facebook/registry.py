"""The apps, pages and customers that the box knows now, with the look-ups the Graph API needs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from facebook.errors import BadToken, NoSuchPerson
from facebook.pages import FIELDS, App, BoxFile, Customer, Page


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a page access token speaks for."""

    page: Page
    app: App


class UnknownName(LookupError):
    """The control API was given a name that is not registered. `field` is the parameter that names it."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"{field} {value} is not registered")
        self.field = field


class AmbiguousCustomer(LookupError):
    """The PSID exists on several pages."""

    def __init__(self, psid: str) -> None:
        super().__init__(f"psid {psid} is a customer of several pages: add ?page=")


@dataclass
class Registry:
    apps: dict[str, App] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    customers: dict[str, dict[str, Customer]] = field(default_factory=dict)
    # By page and app, and by app: an event is sent where both list its field.
    subscriptions: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    app_fields: dict[str, frozenset[str]] = field(default_factory=dict)

    def load(self, box_file: BoxFile) -> None:
        for app in box_file.apps:
            self.put_app(app)
        for page in box_file.pages:
            self.put_page(page.page)
            for customer in page.customers:
                self.put_customer(page.id, customer)

    def put_app(self, app: App) -> None:
        self.apps[app.id] = app
        self.app_fields.setdefault(app.id, FIELDS)

    def put_page(self, page: Page) -> None:
        """Raises UnknownName for a token of an app that is not registered."""
        for app_id in page.tokens:
            self.app(app_id, "tokens")
        self.pages[page.id] = page
        self.customers.setdefault(page.id, {})
        for app_id in page.tokens:
            self.subscriptions.setdefault((page.id, app_id), FIELDS)

    def put_customer(self, page_id: str, customer: Customer) -> None:
        self.page(page_id)
        self.customers[page_id][customer.psid] = customer

    def app(self, app_id: str, field: str = "app") -> App:
        app = self.apps.get(app_id)
        if app is None:
            raise UnknownName(field, app_id)
        return app

    def page(self, page_id: str) -> Page:
        page = self.pages.get(page_id)
        if page is None:
            raise UnknownName("page", page_id)
        return page

    def page_of(self, psid: str, page_id: str | None) -> Page:
        """The page whose customer `psid` is. Raises UnknownName, AmbiguousCustomer."""
        if page_id is not None:
            page = self.page(page_id)
            self.customer(page.id, psid)
            return page
        found = [page for page in self.pages.values() if psid in self.customers[page.id]]
        if not found:
            raise UnknownName("psid", psid)
        if len(found) > 1:
            raise AmbiguousCustomer(psid)
        return found[0]

    def customer(self, page_id: str, psid: str) -> Customer:
        customer = self.customers[page_id].get(psid)
        if customer is None:
            raise UnknownName("psid", psid)
        return customer

    def person(self, page_id: str, psid: str) -> Customer:
        """As `customer`, for the Graph API. Raises NoSuchPerson."""
        customer = self.customers[page_id].get(psid)
        if customer is None:
            raise NoSuchPerson
        return customer

    def caller(self, token: str) -> Caller:
        """Raises BadToken."""
        for page in self.pages.values():
            for app_id, known in page.tokens.items():
                if known.get_secret_value() == token:
                    return Caller(page, self.apps[app_id])
        raise BadToken

    def app_caller(self, app_id: str, token: str) -> App:
        """The app whose app access token (`id|secret`) this is. Raises BadToken."""
        app = self.apps.get(app_id)
        if app is None or token != f"{app.id}|{app.secret.get_secret_value()}":
            raise BadToken
        return app

    def subscribers(self, page: Page) -> Iterator[tuple[App, frozenset[str]]]:
        """The apps subscribed to the page, with the fields that the page lists for them."""
        for app_id in page.tokens:
            fields = self.subscriptions.get((page.id, app_id), frozenset())
            if fields:
                yield self.apps[app_id], fields

    def listeners(self, page: Page) -> Iterator[tuple[App, frozenset[str]]]:
        """The apps that get webhooks of the page, with the fields that both the page and the app list."""
        for app, fields in self.subscribers(page):
            if heard := fields & self.app_fields[app.id]:
                yield app, heard

    def subscribe(self, page_id: str, app_id: str, fields: frozenset[str]) -> None:
        """Replaces the fields; none: the app gets no webhooks of the page."""
        self.subscriptions[page_id, app_id] = fields
