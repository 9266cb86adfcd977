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
from graphapi.errors import LINES
from graphapi.usage import NONE, Usage, read


def refused(code, subcode=None, **more):
    error = {"message": "(#1) Not taken", "type": "OAuthException", "code": code, "fbtrace_id": "A1"} | more
    return {"error": error | ({} if subcode is None else {"error_subcode": subcode})}


RETRY, WAIT, PAUSE, PAUSE_APP = "retry", "wait", "pause page", "pause app"
DEAD, TAGS, OTHERS, REFUSE, CONFIGURE = "stop page", "stop tags", "not owner", "refuse", "configuration"
TABLE = [
    # code, subcode, status, what it does
    (1, None, 400, RETRY),
    (2, None, 400, RETRY),
    (2, 99, 400, RETRY),
    (1200, None, 500, RETRY),
    (4, None, 400, PAUSE_APP),
    (17, None, 400, PAUSE),
    (32, None, 400, PAUSE),
    (613, None, 400, PAUSE),
    (613, 1234, 400, PAUSE),
    (80001, None, 400, PAUSE),
    (80006, None, 400, PAUSE),
    (613, 2018338, 400, TAGS),
    (10, 2018278, 400, REFUSE),
    (10, 2534022, 400, REFUSE),
    (10, 2018065, 400, REFUSE),
    (10, 2018108, 400, REFUSE),
    (10, 2018300, 400, OTHERS),
    (100, 2534037, 400, OTHERS),
    (100, 2018300, 400, OTHERS),
    (10, 2018321, 400, WAIT),
    (100, 2018321, 400, WAIT),
    (10, 1893063, 400, PAUSE),
    (10, None, 400, CONFIGURE),
    (3, None, 400, CONFIGURE),
    (200, None, 403, CONFIGURE),
    (200, 2018028, 403, CONFIGURE),
    (100, 2018164, 400, CONFIGURE),
    (27, None, 400, CONFIGURE),
    (100, 2018001, 400, REFUSE),
    (100, 2534014, 400, REFUSE),
    (100, 2018008, 400, REFUSE),
    (100, 2018047, 400, REFUSE),
    (100, 2018074, 400, REFUSE),
    (100, 2018109, 400, REFUSE),
    (100, 2018294, 400, REFUSE),
    (100, 2018218, 400, REFUSE),
    (100, 2018247, 400, REFUSE),
    (100, None, 400, REFUSE),
    (190, None, 400, DEAD),
    (190, 460, 400, DEAD),
    (190, 463, 400, DEAD),
    (190, 467, 401, DEAD),
    (200, 1545041, 400, REFUSE),
    (551, None, 400, REFUSE),
    (551, 1545041, 400, REFUSE),
    (551, 7, 400, REFUSE),
    (230, None, 403, REFUSE),
    (504, None, 400, REFUSE),
    (10303, None, 400, REFUSE),
    (99999, 1, 400, REFUSE),
]
"""Every line of the table, and codes that are in none."""


def what(verdict):
    match verdict:
        case NotOwner():
            return OTHERS
        case Permanent():
            return str(verdict.does)
        case Later(pauses=None):
            return WAIT if verdict.wait else RETRY
        case Later():
            return f"pause {verdict.pauses}"


@pytest.mark.parametrize(("code", "subcode", "status", "does"), TABLE)
def test_each_refusal_has_its_consequence_and_says_why(code, subcode, status, does):
    verdict = classify(status, refused(code, subcode))
    assert what(verdict) == does
    assert (verdict.code, verdict.subcode) == (code, subcode)
    assert verdict.reason
    assert getattr(verdict, "dead_token", False) is (code == 190)
    assert getattr(verdict, "perhaps_done", False) is (status == 500)


def test_each_line_of_the_table_is_looked_at():
    assert set(LINES) <= {(code, subcode) for code, subcode, *_ in TABLE}


@pytest.mark.parametrize("words", ["HUMAN_AGENT is not approved", "The Human Agent feature is not approved"])
def test_a_refusal_that_names_human_agent_says_what_to_ask_facebook_for(words):
    verdict = classify(403, refused(10, message=words))
    assert what(verdict) == CONFIGURE
    assert "App Review" in verdict.reason
    assert "Human Agent" in verdict.reason


def test_a_limit_brings_the_time_that_facebook_names():
    usage = read({"X-Business-Use-Case-Usage": '{"1": [{"estimated_time_to_regain_access": 7}]}', "Retry-After": "30"})
    verdict = classify(400, refused(613), usage)
    assert isinstance(verdict, Later)
    assert (verdict.usage.regain_after, verdict.wait) == (420.0, 30.0)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [None, {}, refused(1200), refused(100), "down"])
def test_a_servers_fault_is_tried_again_and_may_have_been_accepted(status, body):
    verdict = classify(status, body)
    assert isinstance(verdict, Later)
    assert verdict.perhaps_done


def test_who_has_the_thread_counts_more_than_the_status():
    assert classify(500, refused(10, 2018300)) == NotOwner(10, 2018300)


@pytest.mark.parametrize("body", [None, {}, refused(99999)])
def test_too_many_requests_pause_the_page_whatever_the_body(body):
    assert what(classify(429, body)) == PAUSE


def test_an_error_that_calls_itself_transient_is_tried_again():
    assert isinstance(classify(400, refused(99999, is_transient=True)), Later)


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


# --- the headers of limits


@pytest.mark.parametrize(
    ("headers", "usage"),
    [
        ({}, NONE),
        (
            {
                "X-Business-Use-Case-Usage": json.dumps(
                    {
                        "1": [
                            {"type": "messenger", "call_count": 100, "total_cputime": 25, "total_time": 25}
                            | {"estimated_time_to_regain_access": 3}
                        ],
                        "2": [{"call_count": 12, "estimated_time_to_regain_access": 0}],
                    }
                )
            },
            Usage(percent=100.0, regain_after=180.0),
        ),
        ({"X-App-Usage": '{"call_count": 3, "total_cputime": 96.5, "total_time": 1}'}, Usage(percent=96.5)),
        ({"X-Page-Usage": '{"call_count": "97"}'}, Usage(percent=97.0)),
        ({"Retry-After": "17"}, Usage(wait=17.0)),
        ({"Retry-After": "Tue, 24 Nov 2026 09:00:00 GMT"}, NONE),
        ({"X-Business-Use-Case-Usage": "not JSON"}, NONE),
        ({"X-Business-Use-Case-Usage": '{"1": {"call_count": 100}}'}, NONE),
        ({"X-Business-Use-Case-Usage": '{"1": [null, {"call_count": null}, {"call_count": -5}]}'}, NONE),
        (
            {"X-Business-Use-Case-Usage": '{"1": [{"estimated_time_to_regain_access": 1e8}]}'},
            Usage(regain_after=86400.0),
        ),
    ],
)
def test_headers_tell_how_full_the_limits_are_and_when_calls_are_taken_again(headers, usage):
    assert read(headers) == usage


@given(
    st.dictionaries(
        st.sampled_from(["X-Business-Use-Case-Usage", "X-App-Usage", "Retry-After"]), st.text() | JSON.map(json.dumps)
    )
)
def test_no_header_makes_us_raise(headers):
    read(headers)


@given(status=st.integers(200, 599), body=JSON | GRAPHLIKE)
def test_no_answer_makes_us_raise(status, body):
    verdict = classify(status, json.loads(json.dumps(body)))
    control(verdict)
    owner(verdict)
    profile(verdict)
    if isinstance(verdict, Accepted):
        message_id(verdict)
