"""Laws that hold for every flow, every session and every input."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flow_engine.interpreter import STEP_LIMIT, flow_of, take_turn
from schemas.conversations import TakeoverRequested, TurnCompleted
from schemas.flows import Flow, check, choice_payload, jump_payload
from schemas.messages import BUTTON_TEXT, Profile
from schemas.sessions import MAX_ATTRIBUTE, MAX_ATTRIBUTES, Session
from schemas.turns import TurnAsked

BLOCKS = tuple(f"b{i}" for i in range(6))
ATTRIBUTES = ("email", "level", "first_name", "x")
PORTS = ("next", "failed", "else", "operator", "customer", "expired", "page_inbox", "r0", "r1", "c0", "k0")

words = st.sampled_from(
    ["", "hi", "help", "a@example.com", "7", "Monday", "{{level}}", "{{x|y}}!", "{{", "  ", "\n", "营业"]
)
texts = st.builds("".join, st.lists(st.one_of(words, st.text(max_size=20)), max_size=4))
long_texts = st.one_of(texts, st.sampled_from(["{{level}}" * 200, "x" * 1999]))
titles = st.sampled_from(["Monday", "Help", "{{level}}", "{{x|none}}", "x" * 20])
blocks = st.sampled_from(BLOCKS)
attributes = st.sampled_from(ATTRIBUTES)


def choices(prefix: str, least: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(titles, min_size=least, max_size=3, unique=True).map(
        lambda found: [{"id": f"{prefix}{i}", "title": title} for i, title in enumerate(found)]
    )


comparisons = st.fixed_dictionaries(
    {
        "attribute": attributes,
        "test": st.sampled_from(["equals", "not equals", "contains", "greater", "less", "is set"]),
        "value": st.sampled_from(["1", "7", "{{x}}"]),
    }
)
a_block = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("message"),
            "text": st.one_of(st.just("Hello {{x}}"), long_texts),
            "image_url": st.sampled_from([None, "https://example.com/a.png"]),
            "quick_replies": choices("r", 0),
            "buttons": choices("k", 0),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("question"),
            "text": st.sampled_from(["?", "{{x}}"]),
            "attribute": attributes,
            "check": st.sampled_from(["text", "email", "number"]),
            "max_attempts": st.sampled_from([None, 1, 3]),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("question"),
            "text": st.just("Which?"),
            "attribute": attributes,
            "check": st.just("choice"),
            "choices": choices("c", 1),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("condition"),
            "branches": st.lists(comparisons, min_size=1, max_size=2).map(
                lambda found: [{"id": "r0", "comparisons": found}]
            ),
        }
    ),
    st.fixed_dictionaries({"kind": st.just("set_attribute"), "attribute": attributes, "value": long_texts}),
    st.fixed_dictionaries({"kind": st.just("go_to"), "target": blocks}),
    st.fixed_dictionaries({"kind": st.just("delay"), "seconds": st.sampled_from([0.5, 60, 2592000])}),
    st.fixed_dictionaries(
        {
            "kind": st.just("human_takeover"),
            "goodbye_message": long_texts.map(lambda text: text[:1900]),
            "back_to_bot_button": titles,
            "auto_return": st.sampled_from([None, 1]),
        }
    ),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly flows that pass the check; in one of four something is broken, as in a document that was never checked."""
    found = draw(st.fixed_dictionaries(dict.fromkeys(BLOCKS, a_block)))
    flow = Flow.model_validate({"id": "any", "name": "Any", "blocks": {"start": {"kind": "start"}, **found}})
    broken = draw(st.integers(0, 3)) == 0
    ports = [
        (block_id, port)
        for block_id, block in flow.blocks.items()
        for port in (PORTS if broken else dict.fromkeys(block.ports()))
    ]
    ways = draw(st.lists(st.one_of(blocks, blocks, st.none()), min_size=len(ports), max_size=len(ports)))
    if broken:
        del found[draw(blocks)]
    return {
        "id": "any",
        "name": "Any",
        "blocks": {"start": {"kind": "start"}, **found},
        "wires": [
            {"block": block, "port": port, "to": to}
            for (block, port), to in zip(ports, ways, strict=True)
            if to is not None
        ],
        "keywords": [
            {"words": ["help", "营业"], "match": match, "to": draw(blocks)}
            for match in draw(st.lists(st.sampled_from(["exact", "contains"]), max_size=2))
        ],
        "default_reply": {
            "text": draw(st.sampled_from(["", "Pardon {{x}}?"])),
            "block": draw(st.one_of(st.none(), blocks)),
        },
    }


sessions = st.builds(
    Session,
    flow=st.sampled_from(["any@1", "any@2"]),
    at=st.one_of(st.none(), blocks, st.just("gone")),
    waits_for=st.sampled_from(["start", "answer", "delay", "person", "input"]),
    attempts=st.integers(0, 5),
    delay_turn=st.sampled_from([None, "t0"]),
    attributes=st.one_of(
        st.dictionaries(attributes, st.sampled_from(["7", "x", "x" * MAX_ATTRIBUTE])),
        st.just({f"a{i}": "x" for i in range(MAX_ATTRIBUTES)}),
    ),
)
payloads = st.one_of(
    st.none(),
    st.text(max_size=10),
    blocks.map(jump_payload),
    st.builds(choice_payload, blocks, st.sampled_from(["c0", "c1"])),
    st.just(jump_payload("gone")),
)
messages = st.fixed_dictionaries(
    {"kind": st.sampled_from(["text", "quick_reply", "postback"]), "text": texts, "payload": payloads}
)
resumes = st.fixed_dictionaries(
    {
        "block": st.one_of(st.none(), blocks, st.just("gone")),
        "port": st.sampled_from(["next", "operator", "customer", "expired", "page_inbox"]),
    }
)
inputs = st.fixed_dictionaries(
    {
        "reason": st.sampled_from(["message", "message", "message", "resume", "delay", "start"]),
        "message": st.one_of(st.none(), messages),
        "resume": st.one_of(st.none(), resumes),
    }
)


@st.composite
def turns(draw: st.DrawFn) -> TurnAsked:
    return TurnAsked.model_validate(
        {
            "id": "t1:1",
            "conversation": "messenger:1:2",
            "bot": "any",
            "turn": "t1",
            "epoch": draw(st.integers(0, 9)),
            "flow": "any@2",
            "session": draw(st.one_of(st.none(), sessions)),
            "input": draw(inputs),
            "profile": draw(st.sampled_from([Profile(), Profile(first_name="Mia", last_name="x" * 200)])),
            "may_ask_person": draw(st.sampled_from([True, True, False])),
        }
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), turns())
def test_every_turn_of_every_flow_ends_in_one_valid_event_that_is_the_same_each_time(document, turn):
    flow = Flow.model_validate(document)
    end = take_turn(flow, turn)

    assert isinstance(end, (TurnCompleted, TakeoverRequested))
    assert (end.id, end.turn, end.epoch, end.conversation) == ("t1:done", turn.turn, turn.epoch, turn.conversation)
    written = end.model_dump_json(exclude_none=True)
    assert type(end).model_validate_json(written) == end
    assert Session.model_validate_json(end.session.model_dump_json()) == end.session
    assert (
        take_turn(Flow.model_validate_json(flow.model_dump_json()), turn).model_dump_json(exclude_none=True) == written
    )

    assert end.session.flow == flow_of(turn)
    assert len(end.messages) <= 2 * STEP_LIMIT
    for message in end.messages:
        assert message.text or message.image_url
        assert not (message.text and message.image_url)
        assert len(message.text) < (BUTTON_TEXT + 1 if message.buttons else 2000)
        assert not message.buttons or message.text
    before = turn.session.attributes if turn.session else {}
    assert len(end.session.attributes) <= max(len(before), MAX_ATTRIBUTES)
    assert all(len(value) <= MAX_ATTRIBUTE for value in end.session.attributes.values())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), turns())
def test_what_a_session_waits_for_is_always_there(document, turn):
    flow = Flow.model_validate(document)
    end = take_turn(flow, turn)
    session = end.session
    if isinstance(end, TakeoverRequested):
        assert turn.may_ask_person
        assert (session.waits_for, session.at) == ("person", end.block.block)
        assert flow.blocks[end.block.block].kind == "human_takeover"
        return
    if end.delay is not None:
        assert (session.waits_for, session.delay_turn) == ("delay", turn.turn)
        assert flow.blocks[session.at].kind == "delay"
    elif session.waits_for == "delay":  # a delay that was under way already
        assert turn.session is not None
        assert session.delay_turn == turn.session.delay_turn
    if session.waits_for == "answer" and session != turn.session:
        assert flow.blocks[session.at].kind == "question"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.lists(messages, min_size=1, max_size=8))
def test_a_conversation_of_any_length_goes_on_from_each_session_to_the_next(document, said):
    flow = Flow.model_validate(document)
    session = None
    for number, message in enumerate(said):
        turn = TurnAsked.model_validate(
            {
                "id": f"t{number}:1",
                "conversation": "messenger:1:2",
                "bot": "any",
                "turn": f"t{number}",
                "epoch": 0,
                "flow": "any@2",
                "session": session,
                "input": {"reason": "message", "message": message},
            }
        )
        end = take_turn(flow, turn)
        assert "missing_block" not in {notice.code for notice in end.notices} or check(document).flow is None
        session = end.session
        assert session.waits_for != "start" or not flow.blocks


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "name", "blocks", "wires", "kind", "block", "to", "start", "text"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=30),
        st.dictionaries(st.sampled_from(["id", "name", "blocks", "wires"]), json_like, max_size=4),
    )
)
def test_a_check_of_anything_gives_problems_and_never_raises(document):
    checked = check(document)
    assert (checked.flow is None) == bool(checked.errors)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_a_flow_that_passed_the_check_survives_its_record(document):
    checked = check(document)
    if checked.flow is not None:
        assert check(checked.flow.model_dump_json().encode()) == checked
