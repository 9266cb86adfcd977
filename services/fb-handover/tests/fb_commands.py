"""Commands and rows of the tests. All about one page and its app."""

from datetime import UTC, datetime

from fb_handover.order import Context, Rules
from fb_handover.outgoing import Row, State, Step, first_step
from schemas.bots import MessengerChannel
from schemas.commands import ExtendThread, PassThread, ReadProfile, ReadThread, SendMessage, Silence, TakeThread
from schemas.messages import Button, OutMessage, Person, QuickReply, Speaker

PAGE = "104821769032215"
APP = "640571102938471"
INBOX = "263902037430900"
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def conversation(psid: str = "7733") -> str:
    return f"messenger:{PAGE}:{psid}"


def says(text="Hello", *, name="c-1", psid="7733", epoch=1, message=None, person=False, **more):
    """A message; `person`: an operator's, which takes control back when it is refused."""
    speaker = {"speaker": Speaker.OPERATOR, "operator": Person(id="o1", name="Ola")} if person else {}
    return SendMessage(
        id=name,
        conversation=conversation(psid),
        epoch=epoch,
        seq=7,
        at=AT,
        message=message or OutMessage(text=text),
        retake=person,
        **({"speaker": Speaker.BOT} | speaker | more),
    )


def passes_thread(name="c-pass", psid="7733", epoch=1):
    return PassThread(id=name, conversation=conversation(psid), epoch=epoch, target=INBOX)


def takes_thread(name="c-take", psid="7733", epoch=1):
    return TakeThread(id=name, conversation=conversation(psid), epoch=epoch)


def extends_thread(name="c-extend", psid="7733", epoch=1, seconds=3600):
    return ExtendThread(id=name, conversation=conversation(psid), epoch=epoch, seconds=seconds)


def reads_thread(name="c-owner", psid="7733", epoch=1):
    return ReadThread(id=name, conversation=conversation(psid), epoch=epoch)


def reads_profile(name="c-profile", psid="7733", epoch=1):
    return ReadProfile(id=name, conversation=conversation(psid), epoch=epoch)


def silence(epoch, name="c-silence", psid="7733"):
    return Silence(id=name, conversation=conversation(psid), epoch=epoch)


def row(command, **more):
    return Row(**({"position": 1, "command": command, "state": State.WAITING, "step": first_step(command)} | more))


def begun(command, **more):
    return row(command, **({"state": State.SENDING, "step": Step.SEND, "attempts": 1} | more))


class HighestJitter:
    """Each wait is as long as it may be."""

    def uniform(self, a: float, b: float, /) -> float:
        return b


def context(**rules):
    return Context(Rules(**rules), HighestJitter(), AT)


CHANNEL = MessengerChannel(page_id=PAGE, app_id=APP, app_secret="x", verify_token="x", page_token="x")
BUTTONS = (Button(title="Shop", url="https://shop.example/"), Button(title="Help", payload="help"))
REPLIES = (QuickReply(title="Yes", payload="yes"), QuickReply(title="No", payload="no"))
