"""What waits for the broker, without one."""

from aiokafka.producer.message_accumulator import BatchBuilder

from runtime.lanes import Call, Lane
from runtime.packing import Packed

SOURCE = ("ce_source", b"test")


def records(count: int) -> list[Packed]:
    return [Packed("conversations", b"mia", b"x" * 100, []) for _ in range(count)]


def a_batch() -> BatchBuilder:
    """As many as fit: three."""
    return BatchBuilder(500, 0)


async def test_call_that_is_larger_than_a_batch_is_done_when_its_last_record_is():
    lane, call = Lane("conversations", 0), Call()
    call.submit(lane, records(5))
    for done in (False, True):
        lane.fill(a_batch(), SOURCE)
        lane.finish(None)
        assert call.done.done() == done
    assert call.error is None
    assert not lane.waiting


async def test_batch_that_fails_fails_no_call_without_a_record_in_it():
    lane, inside, behind = Lane("conversations", 0), Call(), Call()
    inside.submit(lane, records(3))
    behind.submit(lane, records(1))
    lane.fill(a_batch(), SOURCE)
    error = OSError("refused")
    lane.finish(error)
    assert inside.error is error
    assert not behind.done.done()
    lane.fill(a_batch(), SOURCE)
    lane.finish(None)
    assert behind.done.done()
    assert behind.error is None


async def test_call_of_which_a_part_failed_sends_no_more_of_that_part():
    lane, call = Lane("conversations", 0), Call()
    call.submit(lane, records(5))
    lane.fill(a_batch(), SOURCE)
    lane.finish(OSError("refused"))
    assert call.done.done()
    assert not lane.waiting


async def test_call_with_several_parts_waits_for_all_even_when_the_first_fails():
    lanes, call = [Lane("conversations", number) for number in range(2)], Call()
    for lane in lanes:
        call.submit(lane, records(1))
        lane.fill(a_batch(), SOURCE)
    lanes[0].finish(OSError("refused"))
    assert not call.done.done()
    lanes[1].finish(None)
    assert call.done.done()
    assert call.error is not None


async def test_call_that_gave_up_is_not_in_a_later_batch_and_its_neighbour_is():
    lane, gone, stays = Lane("conversations", 0), Call(), Call()
    gone.submit(lane, records(1))
    stays.submit(lane, records(1))
    gone.expire()
    assert gone.withdraw() == [lane]
    builder = a_batch()
    lane.fill(builder, SOURCE)
    assert builder.record_count() == 1
    lane.finish(None)
    assert stays.done.done()
    assert gone.late
