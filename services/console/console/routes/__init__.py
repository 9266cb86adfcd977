"""The routes, a module for each noun."""

from console.registry import Route
from console.routes import bots, commands, conversations, flows, live, operators, session


def all_routes() -> list[Route]:
    """Every route of the API."""
    nouns = (session, operators, conversations, commands, live, bots, flows)
    return [route for noun in nouns for route in noun.routes.all]
