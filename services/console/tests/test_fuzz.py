"""Whatever is sent to whatever route: a refusal in our shape, never a fault of ours."""

import json
import random

import pytest
from console_world import Story
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.registry import Nothing
from console.routes import all_routes

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [route for route in all_routes() if route.operation_id not in {"live", "signOut", "signIn"}]
WORDS = [
    "",
    "0",
    "-1",
    "a",
    "shop",
    "main",
    "messenger:1029:7733",
    "1029",
    "\ud7ff",
    "%",
    "*",
    "x" * 2000,
    "1e400",
    "null",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(WORDS),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def body_of(route, data):
    """Random fields under the names that the route knows, and some that it does not."""
    names = [*getattr(route.body, "model_fields", ("id", "name", "blocks", "wires")), "other"]
    return data.draw(st.one_of(values, st.dictionaries(st.sampled_from(names), values, max_size=5)))


async def test_no_input_makes_the_console_fail(console):
    admin = await console.signed_in("ana", "admin")
    await admin.post("/bots", {"id": "shop", "name": "Shop"})
    await console.feed(*Story().customer("hi").events)
    asked = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def draw(data):
        route = data.draw(st.sampled_from(ROUTES))
        parts = {name: data.draw(st.sampled_from(WORDS[1:8])) for name in route.path_model.model_fields}
        query = {
            name: data.draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=20)))
            for name in route.query.model_fields
            if data.draw(st.booleans())
        }
        body = None if route.body is Nothing else json.dumps(body_of(route, data)).encode()
        match = data.draw(st.sampled_from(['"1"', "*", '"x"', "99", ""]))
        asked.append((route.method, route.path.format(**parts), query, body, match))

    draw()
    random.Random(1).shuffle(asked)
    for method, path, query, body, match in asked:
        headers = {"If-Match": match, "Content-Type": "application/json"}
        answer = await admin.ask(method, path, raw=body or b"", headers=headers, **query)
        assert answer.status < 500, (method, path, query, body, answer.body)
        if answer.status >= 400:
            assert answer.body["code"], answer
            assert answer.body["request_id"]
