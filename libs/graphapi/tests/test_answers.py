"""The table of Facebook's answers: each row has a consequence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphapi.answers import (
    Accepted,
    Later,
    NotOwner,
    Owner,
    Permanent,
    Unknown,
    classify,
    control,
    message_id,
    owner,
    profile,
)


def refused(code, subcode=None, **more):
    error = {"message": "(#1) Not taken", "type": "OAuthException", "code": code, "fbtrace_id": "A1"} | more
    return {"error": error | ({} if subcode is None else {"error_subcode": subcode})}


LATER = [1, 2, 4, 17, 32, 613, 1200, 80001, 80006]
RATE = {4, 17, 32, 613, 80001, 80006}
NOT_OWNER = [(10, 2018300), (100, 2534037), (100, 2018300)]
PERMANENT = [
    (10, 2018278),
    (10, 2534022),
    (10, 2018065),
    (10, 2018108),
    (10, 1893063),
    (10, None),
    (100, 2018001),
    (100, 2534014),
    (100, 2018164),
    (100, None),
    (100, 2018008),
    (100, 2018047),
    (100, 2018074),
    (100, 2018109),
    (100, 2018294),
    (190, None),
    (190, 460),
    (190, 463),
    (190, 467),
    (200, None),
    (200, 2018028),
    (200, 1545041),
    (3, None),
    (551, None),
    (551, 1545041),
    (230, None),
    (27, None),
    (504, None),
    (10303, None),
    (99999, 1),
]


@pytest.mark.parametrize("code", LATER)
def test_a_code_of_the_temporary_kind_is_tried_again(code):
    verdict = classify(400, refused(code))
    assert isinstance(verdict, Later)
    assert verdict.rate is (code in RATE)
    assert not verdict.perhaps_done


@pytest.mark.parametrize(("code", "subcode"), NOT_OWNER)
def test_a_refusal_of_a_non_owner_is_its_own_class(code, subcode):
    assert classify(400, refused(code, subcode)) == NotOwner(code, subcode)


@pytest.mark.parametrize(("code", "subcode"), PERMANENT)
def test_every_other_code_is_permanent_and_says_why(code, subcode):
    verdict = classify(400, refused(code, subcode))
    assert isinstance(verdict, Permanent)
    assert (verdict.code, verdict.subcode) == (code, subcode)
    assert verdict.reason
    assert verdict.dead_token is (code == 190)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [None, {}, refused(1200), refused(100), "down"])
def test_a_servers_fault_is_tried_again_and_may_have_been_accepted(status, body):
    verdict = classify(status, body)
    assert isinstance(verdict, Later)
    assert verdict.perhaps_done


def test_who_has_the_thread_counts_more_than_the_status():
    assert classify(500, refused(10, 2018300)) == NotOwner(10, 2018300)


@pytest.mark.parametrize("body", [None, {}, refused(99999)])
def test_too_many_requests_is_tried_again_whatever_the_body(body):
    verdict = classify(429, body)
    assert isinstance(verdict, Later)
    assert verdict.rate


def test_an_error_that_calls_itself_transient_is_tried_again():
    assert isinstance(classify(400, refused(99999, is_transient=True)), Later)


def test_a_lead_flow_that_holds_the_chat_ends_by_itself():
    assert isinstance(classify(400, refused(10, 2018321)), Later)


def test_an_error_body_with_status_200_is_an_error():
    assert classify(200, refused(10, 2018300)) == NotOwner(10, 2018300)


def test_codes_as_texts_count():
    assert classify(400, refused("10", "2018300")) == NotOwner(10, 2018300)
    assert isinstance(classify(400, refused("613")), Later)


@pytest.mark.parametrize("code", [None, True, 1.5, "ten", [], {}])
def test_an_error_without_a_readable_code_is_judged_by_its_status(code):
    assert isinstance(classify(400, refused(code)), Permanent)
    assert isinstance(classify(503, refused(code)), Later)


def test_an_error_that_is_a_text_is_an_error():
    verdict = classify(400, {"error": "invalid_request"})
    assert isinstance(verdict, Permanent)
    assert "invalid_request" in verdict.reason


@pytest.mark.parametrize("error", [None, False])
def test_an_empty_error_is_none(error):
    assert isinstance(classify(200, {"recipient_id": "1", "message_id": "m", "error": error}), Accepted)


@pytest.mark.parametrize("body", [None, [], "ok", 1])
def test_a_success_that_cannot_be_read_is_unknown(body):
    assert isinstance(classify(200, body), Unknown)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_without_json_is_permanent(status):
    assert isinstance(classify(status, None), Permanent)


@pytest.mark.parametrize("status", [301, 302, 408])
def test_a_proxy_in_between_loses_no_message(status):
    assert isinstance(classify(status, None), Later)


def test_a_dead_token_never_shows_facebooks_words_which_may_hold_it():
    verdict = classify(400, refused(190, message="Malformed access token EAAG123"))
    assert isinstance(verdict, Permanent)
    assert "EAAG123" not in verdict.reason
    assert "token" in verdict.reason


def test_facebooks_words_are_cut_and_cleaned():
    verdict = classify(400, refused(99999, message="a\nb\x00c" + "x" * 5000))
    assert isinstance(verdict, Permanent)
    assert len(verdict.reason) < 300
    assert verdict.reason.isprintable()


def test_the_message_id_of_an_answer():
    accepted = classify(200, {"recipient_id": "7", "message_id": "m_1"})
    assert isinstance(accepted, Accepted)
    assert message_id(accepted) == "m_1"


@pytest.mark.parametrize("body", [{}, {"recipient_id": 7}, {"message_id": None}])
def test_an_accepted_message_may_come_without_its_id(body):
    accepted = classify(200, body)
    assert isinstance(accepted, Accepted)
    assert message_id(accepted) == ""


@pytest.mark.parametrize("success", [False, "false", None, 0])
def test_a_thread_call_that_did_not_succeed_is_refused(success):
    assert isinstance(control(classify(200, {"success": success})), Permanent)


@pytest.mark.parametrize("body", [{"success": True}, {"success": "true"}, {}])
def test_a_thread_call_that_succeeded(body):
    assert isinstance(control(classify(200, body)), Accepted)


@pytest.mark.parametrize("app_id", [263902037430900, "263902037430900"])
def test_an_owner_is_read_as_number_and_as_text(app_id):
    answer = {"data": [{"thread_owner": {"app_id": app_id, "expiration": 1758872800}}]}
    assert owner(classify(200, answer)) == Owner(known=True, app_id="263902037430900")


def test_no_owner_means_idle():
    assert owner(classify(200, {"data": []})) == Owner(known=True, app_id=None)


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"thread_owner": {"expiration": 1758872800}}]},
        {"data": [{}]},
        {"data": None},
        {},
        refused(100),
    ],
)
def test_an_owner_that_is_not_told_is_not_known(answer):
    assert owner(classify(200, answer)) == Owner(known=False)


def test_a_profile_is_what_is_told():
    told = profile(classify(200, {"first_name": "Mia", "last_name": None, "profile_pic": "https://x/y", "id": "7"}))
    assert (told.first_name, told.last_name, told.profile_pic) == ("Mia", "", "https://x/y")


def test_a_profile_that_is_refused_is_empty():
    assert profile(classify(400, refused(100, 2018218))).first_name == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
GRAPHLIKE = st.fixed_dictionaries(
    {},
    optional={
        "error": JSON
        | st.fixed_dictionaries(
            {}, optional={"code": JSON, "error_subcode": JSON, "message": JSON, "is_transient": JSON}
        ),
        "message_id": JSON,
        "success": JSON,
        "data": JSON,
        "first_name": JSON,
    },
)


@given(status=st.integers(200, 599), body=JSON | GRAPHLIKE)
def test_no_answer_makes_us_raise(status, body):
    verdict = classify(status, json.loads(json.dumps(body)))
    control(verdict)
    owner(verdict)
    profile(verdict)
    if isinstance(verdict, Accepted):
        message_id(verdict)
