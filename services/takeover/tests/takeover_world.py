"""A conversation in a test: events go in with a log time, what came of them can be asked."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from schemas.base import BaseEvent
from schemas.bots import BotSettings, MessengerChannel, TakeoverSettings
from schemas.commands import SendMessage
from schemas.conversations import (
    CustomerMessage,
    Echo,
    MessageRefused,
    MessageSent,
    OperatorAssigns,
    OperatorDeactivated,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    ProfileRead,
    TakeoverRequested,
    ThreadControl,
    ThreadMoved,
    TurnCompleted,
)
from schemas.handover import RequestedBy, back_payload
from schemas.messages import CustomerInput, OutMessage, Person, Profile
from schemas.sessions import Session
from schemas.turns import TurnAsked
from takeover.decide import by_rules, decide, first_contact
from takeover.effects import Effect

PAGE = "1001"
APP = "555"
INBOX = "263902037430900"
MIA = f"messenger:{PAGE}:7001"
ANA = Person(id="ana", name="Ana")
BEN = Person(id="ben", name="Ben")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
E = TypeVar("E", bound=BaseEvent)


def bot_settings(*, notification: bool = True, default_app: bool = True, **changes: Any) -> BotSettings:
    channel = MessengerChannel(
        page_id=PAGE,
        app_id=APP,
        app_secret="x",
        verify_token="x",
        page_token="x",
        messenger_inbox_notification=notification,
        has_default_app=default_app,
        automatic_replies=("We are closed.",),
        bot_apps=("888",),
    )
    return BotSettings(
        **{
            "id": "bot:1",
            "bot": "salon",
            "version": 1,
            "name": "Salon",
            "flow": "salon@1",
            "takeover": TakeoverSettings(back_to_bot_message="Bot again."),
            "messenger": (channel,),
            **changes,
        }
    )


def block(**changes: Any) -> RequestedBy:
    return RequestedBy(
        **{
            "block": "ask-person",
            "auto_return": 300,
            "notify_admin": True,
            "emails": ("ana@example.com",),
            "goodbye_message": "A colleague will be with you.",
            "back_to_bot_button": "Back to bot",
            "back_to_bot_message": "I am back.",
            **changes,
        }
    )


class World:
    """One conversation with its log. Time passes only by `wait`."""

    def __init__(self, settings: BotSettings | None = None, *, known: bool = True) -> None:
        self.settings = settings or bot_settings()
        self.state = first_contact(MIA, "salon")
        self.known = known
        self.log: list[tuple[datetime, Any]] = []
        if known:
            self.state.profile = Profile(first_name="Mia")
        self.now = START
        self.effects: list[Effect] = []
        self.last: tuple[Effect, ...] = ()
        self.count = 0

    def wait(self, seconds: float) -> "World":
        self.now += timedelta(seconds=seconds)
        return self

    def fold(self, event: Any) -> tuple[Effect, ...]:
        self.log.append((self.now, event))
        decision = decide(self.state, event, self.now, self.settings)
        assert decision == by_rules(self.state, event, self.now, self.settings)
        self.state, self.last = decision
        self.is_valid()
        self.effects += self.last
        self.now += timedelta(milliseconds=1)
        return self.last

    def is_valid(self) -> None:
        """What the rules made without validation is what validation makes of its JSON: nothing missing, no wrong type."""
        for event in (effect.event for effect in self.last):
            assert type(event).model_validate_json(event.model_dump_json()) == event
        assert type(self.state).from_json(self.state.to_json()) == self.state

    def of(self, kind: type[E]) -> list[E]:
        """What the last event led to, of one type."""
        return [effect.event for effect in self.last if isinstance(effect.event, kind)]

    def all(self, kind: type[E]) -> list[E]:
        return [effect.event for effect in self.effects if isinstance(effect.event, kind)]

    def one(self, kind: type[E]) -> E:
        found = self.of(kind)
        assert len(found) == 1, f"{kind.__name__}: {found} in {self.last}"
        return found[0]

    def texts(self) -> list[str]:
        """What the last event made us say to the customer."""
        return [message.message.text for message in self.of(SendMessage)]

    def _id(self, word: str) -> str:
        self.count += 1
        return f"{word}{self.count}"

    def common(self, word: str) -> dict[str, Any]:
        return {"id": self._id(word), "conversation": MIA, "occurred_at": self.now}

    # --- what happens

    def says(self, text: str = "hi", **changes: Any) -> tuple[Effect, ...]:
        channel = changes.pop("channel", "messaging")
        when = {name: changes.pop(name) for name in ("occurred_at", "caught_up", "mid") if name in changes}
        return self.fold(
            CustomerMessage(**{**self.common("m"), **when}, channel=channel, input=CustomerInput(text=text, **changes))
        )

    def clicks_back(self, episode: str | None = None) -> tuple[Effect, ...]:
        current = episode or self.state.episode.id
        return self.says("Back to bot", kind="quick_reply", payload=back_payload(current))

    def turn(self) -> TurnAsked:
        return self.all(TurnAsked)[-1]

    def answers(self, *texts: str, turn: TurnAsked | None = None, **changes: Any) -> tuple[Effect, ...]:
        asked = turn or self.turn()
        return self.fold(
            TurnCompleted(
                **{
                    **self.common("t"),
                    "turn": asked.turn,
                    "epoch": asked.epoch,
                    "messages": tuple(OutMessage(text=text) for text in texts or ("Hello!",)),
                    "session": Session(flow="salon@1", at="menu", waits_for="input"),
                    **changes,
                }
            )
        )

    def asks_person(self, *texts: str, turn: TurnAsked | None = None, **changes: Any) -> tuple[Effect, ...]:
        asked = turn or self.turn()
        return self.fold(
            TakeoverRequested(
                **self.common("t"),
                turn=asked.turn,
                epoch=asked.epoch,
                messages=tuple(OutMessage(text=text) for text in texts),
                session=Session(flow="salon@1", at="ask-person", waits_for="person"),
                block=block(**changes),
            )
        )

    def requested(self, **changes: Any) -> "World":
        self.says("person please")
        self.asks_person(**changes)
        return self

    def bot_has(self) -> "World":
        self.says()
        self.answers()
        return self

    def takes_over(self, who: Person = ANA, **changes: Any) -> tuple[Effect, ...]:
        return self.fold(
            OperatorTakesOver(**{**self.common("c"), "operator": who, "epoch": self.state.epoch, **changes})
        )

    def replies(self, text: str = "Hello, Ana here.", who: Person = ANA, **changes: Any) -> tuple[Effect, ...]:
        seen = {"epoch": self.state.epoch, "seq": self.state.seq}
        return self.fold(OperatorReplies(**{**self.common("c"), **seen, "operator": who, "text": text, **changes}))

    def sets_expiry(self, who: Person = ANA, **changes: Any) -> tuple[Effect, ...]:
        return self.fold(
            OperatorSetsExpiry(**{**self.common("c"), "operator": who, "epoch": self.state.epoch, **changes})
        )

    def hands_back(self, who: Person = ANA, **changes: Any) -> tuple[Effect, ...]:
        return self.fold(
            OperatorHandsBack(**{**self.common("c"), "operator": who, "epoch": self.state.epoch, **changes})
        )

    def assigns(self, who: Person = ANA, **changes: Any) -> tuple[Effect, ...]:
        fields = {"operator": who, "epoch": self.state.epoch, "to": BEN, **changes}
        return self.fold(OperatorAssigns(**{**self.common("c"), **fields}))

    def is_deactivated(self, who: Person) -> tuple[Effect, ...]:
        return self.fold(OperatorDeactivated(**self.common("d"), operator=who))

    def staff_replies(self, text: str = "Staff here.", **changes: Any) -> tuple[Effect, ...]:
        fields = {"channel": "standby", "app_id": INBOX, "text": text, **changes}
        return self.fold(Echo(**{**self.common("e"), **fields}))

    def thread(self, action: str, **changes: Any) -> tuple[Effect, ...]:
        return self.fold(ThreadControl(**{**self.common("x"), "action": action, **changes}))

    def moved_to_main(self) -> tuple[Effect, ...]:
        return self.thread("take", new_owner=INBOX, previous_owner=APP)

    def moved_to_done(self) -> tuple[Effect, ...]:
        return self.thread("pass", new_owner=APP, previous_owner=INBOX)

    def facebook_does_all(self) -> "World":
        """Every thread command and message under way is confirmed, in order."""
        from schemas.commands import PassThread, TakeThread

        reported = {event.command for event in self.confirmed}
        for event in [effect.event for effect in self.effects]:
            if event.id in reported:
                continue
            if isinstance(event, SendMessage):
                self._confirm(MessageSent, event, seq=event.seq, mid=f"mid-{event.seq}", passed=event.then_pass)
            elif isinstance(event, PassThread):
                self._confirm(ThreadMoved, event, owner=event.target)
            elif isinstance(event, TakeThread):
                self._confirm(ThreadMoved, event, owner=APP)
        return self

    @property
    def confirmed(self) -> list[Any]:
        if not hasattr(self, "_confirmed"):
            self._confirmed: list[Any] = []
        return self._confirmed

    def _confirm(self, kind: type[Any], command: Any, **fields: Any) -> None:
        event = kind(**self.common("r"), command=command.id, epoch=command.epoch, **fields)
        self.confirmed.append(event)
        self.fold(event)

    def refused(self, command: SendMessage, kind: str = "not_owner") -> tuple[Effect, ...]:
        return self.fold(
            MessageRefused(
                **self.common("r"),
                command=command.id,
                epoch=command.epoch,
                seq=command.seq,
                kind=kind,
                code=10,
                subcode=2018300,
                reason="another app controls the thread",
            )
        )

    def named(self, first_name: str = "Mia") -> tuple[Effect, ...]:
        return self.fold(
            ProfileRead(
                **self.common("p"),
                command=self.state.naming.command,
                epoch=self.state.epoch,
                profile=Profile(first_name=first_name),
            )
        )
