"""Published versions at hand: found at once, waited for when they are on their way, and never for long."""

import asyncio
from typing import Any

from flow_engine.flows import FORGET_MISSING, Flows
from schemas.bots import FlowPublished
from schemas.flows import Flow


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def published(ref: str, text: str = "Hi") -> FlowPublished:
    blocks: dict[str, Any] = {"start": {"kind": "start"}, "hi": {"kind": "message", "text": text}}
    document = {"id": "salon", "name": "Salon", "blocks": blocks, "wires": [{"block": "start", "to": "hi"}]}
    return FlowPublished(id=f"flow:{ref}", ref=ref, bot="salon", document=Flow.model_validate(document))


def put(flows: Flows, *refs: str) -> None:
    for ref in refs:
        flows.apply(ref, published(ref, text=ref))


async def test_a_version_is_there_as_it_was_published_and_gone_when_it_was_withdrawn():
    flows = Flows(in_memory=10, clock=Clock())
    put(flows, "salon@1", "salon@2")
    assert flows.get("salon@2") == published("salon@2", text="salon@2").document
    flows.apply("salon@2", None)
    assert flows.get("salon@2") is None
    assert len(flows) == 1


async def test_versions_beyond_those_kept_ready_are_read_again_when_they_are_needed():
    flows = Flows(in_memory=2, clock=Clock())
    refs = [f"salon@{number}" for number in range(1, 6)]
    put(flows, *refs)
    for ref in [*refs, *refs]:
        assert flows.get(ref).blocks["hi"].text == ref
    assert len(flows._ready) == 2


async def test_a_version_on_its_way_is_waited_for():
    flows = Flows(in_memory=2, clock=Clock())
    waiting = asyncio.create_task(flows.wait("salon@2", 30))
    await asyncio.sleep(0)
    put(flows, "salon@1")
    await asyncio.sleep(0)
    assert not waiting.done()
    put(flows, "salon@2")
    assert (await waiting).blocks["hi"].text == "salon@2"


async def test_a_version_that_did_not_come_is_not_waited_for_again_for_a_while_but_found_when_it_comes():
    clock = Clock()
    flows = Flows(in_memory=2, clock=clock)
    assert await flows.wait("salon@2", 0.01) is None
    assert await asyncio.wait_for(flows.wait("salon@2", 3600), 1) is None
    clock.now += FORGET_MISSING
    waiting = asyncio.create_task(flows.wait("salon@2", 3600))
    await asyncio.sleep(0)
    assert not waiting.done()
    put(flows, "salon@2")
    assert await waiting is not None
    assert await flows.wait("salon@2", 0) is not None
