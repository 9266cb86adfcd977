"""What somebody can do about a message that was not delivered: a word for programs, a sentence for people."""

from collections.abc import Mapping
from typing import Final

NEXT_STEPS: Final[Mapping[str, str]] = {
    "wait_for_customer": "Wait until the customer writes again; from then on there are 24 hours to answer.",
    "human_agent": "Answer again: within 7 days of the customer's last message a person's answer goes out with the "
    "Human Agent tag, if Publishing Configuration has it switched on.",
    "get_human_agent": "Ask for the Human Agent feature in the app's App Review at Facebook; until it is approved, switch "
    "Human Agent off in Publishing Configuration.",
    "app_review": "Ask for the missing permission in the app's App Review at Facebook, and connect the page again.",
    "page_quality": "Look at Page Quality in Facebook: the page is restricted until Facebook lifts it.",
    "reconnect_page": "Connect the page again in Publishing Configuration: its token is no longer valid.",
    "nothing": "Nothing can be done from here: the customer does not take messages of the page.",
    "try_later": "Send it again later.",
    "check_and_retry": "See whether the customer got it, then send it again or leave it.",
    "check_address": "Check that the file's address is open to everybody and sends a file, then send it again.",
    "other_file": "Send another kind of file: a picture, a sound, a video, or a document.",
    "smaller_file": "Send a file of at most 25 MB, or a link to it.",
    "own_file": "Send the file by its address.",
    "connect_page_inbox": "Connect the Page Inbox as a receiver in the page's settings at Facebook; see Publishing Configuration.",
    "answer_there": "Answer in the app that has the conversation, such as the Page Inbox, or have it given back there.",
    "shorten": "Change the message: a part of it is longer than Facebook takes, or not of the form that it wants.",
    "ask_ops": "Tell whoever runs the system; the reason names Facebook's own number.",
}


def sentence(next_step: str) -> str:
    """Empty for a word that is not known, which a newer writer may use."""
    return NEXT_STEPS.get(next_step, "")
