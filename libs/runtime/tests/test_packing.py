import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_world import Said

from runtime.errors import RecordTooLarge
from runtime.packing import MAX_RECORD, Packed, dump, load, pack
from runtime.records import Outgoing

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(
    st.lists(
        st.builds(
            lambda t, k, v, h: Packed(t, k.encode(), v.encode(), [(n, x.encode()) for n, x in h]),
            texts,
            texts,
            texts,
            st.lists(st.tuples(texts, texts), max_size=5),
        ),
        max_size=5,
    )
)
def test_outbox_body_gives_back_every_byte(packed):
    assert load(dump(packed)) == packed


def test_source_is_left_to_the_publisher():
    (packed,) = pack([Outgoing("said", Said(id="1", who="mia"), "00-1")])
    names = [name for name, _ in packed.headers]
    assert "ce_source" not in names
    assert {"ce_id", "ce_type", "traceparent"} <= set(names)


def test_record_that_the_broker_would_refuse_is_refused_before_it_is_stored():
    with pytest.raises(RecordTooLarge, match=f"more than {MAX_RECORD}"):
        pack([Outgoing("said", Said(id="1", who="mia", text="x" * MAX_RECORD))])
