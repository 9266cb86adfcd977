"""One turn of a flow, as a pure function: no clock, no chance, no I/O, and no exception for any flow and session."""

from collections import ChainMap
from typing import Final, Literal

from flow_engine.answers import read_answer
from flow_engine.conditions import port_of
from flow_engine.words import keyword_block
from schemas.conversations import Notice, TakeoverRequested, TurnCompleted
from schemas.flows import (
    FAILED,
    MAX_TEXT,
    NEXT,
    PLAIN_PAYLOAD,
    Block,
    Choice,
    Condition,
    Delay,
    Flow,
    FlowButton,
    FlowCard,
    GoTo,
    LetHumanTakeover,
    Message,
    Question,
    SetAttribute,
    Start,
    choice_payload,
    fill,
    parse_jump,
)
from schemas.handover import MAX_GOODBYE, RequestedBy
from schemas.messages import (
    BUTTON_TEXT,
    CARD_TITLE,
    QUICK_REPLY_TITLE,
    Button,
    Card,
    CustomerInput,
    Media,
    OutMessage,
    QuickReply,
)
from schemas.sessions import MAX_ATTRIBUTE, MAX_ATTRIBUTES, Session
from schemas.texts import cut, split, units
from schemas.turns import Resume, TurnAsked

STEP_LIMIT: Final = 100  # blocks entered in one turn
MAX_NOTICES: Final = 20
MAX_PIECES: Final = 4  # messages that one text becomes
MAX_SAID: Final = 300_000  # bytes of a turn's messages; with the rest the record has to stay below 900 kB
SMALL: Final = 20  # messages without cards, which are below that bound whatever they say
OWN: Final = {
    "email": QuickReply(title="E-mail", payload=PLAIN_PAYLOAD, kind="email"),
    "phone": QuickReply(title="Phone", payload=PLAIN_PAYLOAD, kind="phone"),
}
"""What a question may suggest. The titles are for a channel that does not know the customer's own."""

TurnEnd = TurnCompleted | TakeoverRequested
Code = Literal["step_limit", "missing_block", "bad_template", "person_barred"]


def flow_of(turn: TurnAsked) -> str:
    """The version that the turn needs: a session under way stays on its own, a new beginning takes the published one."""
    session = turn.session
    if session is None or session.waits_for == "start" or turn.input.reason == "start":
        return turn.flow
    return session.flow


def take_turn(flow: Flow, turn: TurnAsked) -> TurnEnd:
    """The one event that ends `turn`. `flow` is the version that `flow_of(turn)` names."""
    walk = _Walk(flow, turn)
    walk.begin()
    return walk.end()


class _Walk:
    """A turn under way: where the flow stands, and what has been said so far."""

    def __init__(self, flow: Flow, turn: TurnAsked) -> None:
        before = turn.session or Session(flow=turn.flow)
        self._flow = flow
        self._turn = turn
        self._at = before.at
        self._waits_for = before.waits_for
        self._attempts = before.attempts
        self._delay_turn = before.delay_turn
        self._attributes = dict(before.attributes)
        profile = turn.profile
        known = {"first_name": profile.first_name, "last_name": profile.last_name, "name": profile.name}
        self._values = ChainMap(self._attributes, known)
        self._messages: list[OutMessage] = []
        self._notices: list[Notice] = []
        self._delay: float | None = None
        self._person: RequestedBy | None = None
        self._entered: set[tuple[str, int]] = set()
        self._steps = 0
        self._said = 0  # bytes, of what may be long
        self._changes = 0  # of attributes: entering a block twice without one between would go round for ever
        self._replied_by_default = False

    # --- why the turn is taken

    def begin(self) -> None:
        asked = self._turn.input
        match asked.reason:
            case "start":
                self._run(self._start())
            case "delay":
                if self._waits_for == "delay" and self._at is not None:
                    self._run(self._flow.target(self._at, NEXT))
            case "resume":
                self._go_on(asked.resume or Resume())
            case "message":
                self._hear(asked.message or CustomerInput(), asked.resume)

    def _hear(self, said: CustomerInput, resume: Resume | None) -> None:
        pressed = parse_jump(said.payload)
        if pressed is not None and pressed in self._flow.blocks:
            self._run(pressed)
        elif resume is None and (question := self._open_question()) is not None:
            self._answer(question, said)
        elif (block := keyword_block(self._flow.keywords, said.text)) is not None:
            self._run(block)
        elif not self._go_on_at(resume):
            self._reply_by_default()

    def _go_on_at(self, resume: Resume | None) -> bool:
        """Whether the customer's message has a place to begin at: Start, or where a takeover that expired left the flow."""
        if self._waits_for == "start":
            self._run(self._start())
            return True
        return resume is not None and self._go_on(resume)

    def _go_on(self, resume: Resume) -> bool:
        """After a takeover: at the block's port, or where the flow stopped. Whether anything was there."""
        block = resume.block if resume.block is not None else self._at
        if resume.block is not None or self._waits_for == "person":
            return block is not None and self._leave(block, resume.port.value)
        if (question := self._open_question()) is not None:
            self._ask(question, question.text)
            return True
        if self._waits_for == "delay" and block is not None:  # its time ran while a person had the conversation
            self._run(block)
        return False

    def _leave(self, block: str, port: str) -> bool:
        """Go on after a takeover block. `next` takes what has no wire of its own."""
        target = self._flow.target(block, port) or self._flow.target(block, NEXT)
        self._rest(block if self._exists(block) else None)
        self._run(target)
        return target is not None

    # --- walking

    def _start(self) -> str | None:
        if self._flow.start is None:
            self._notice("missing_block", "", "The flow has no Start block")
        return self._flow.start

    def _run(self, block: str | None) -> None:
        """Walk from `block` until the flow waits for something or has run out."""
        self._rest(self._at)
        step = block
        while step is not None and self._may_enter(step):
            self._at = step
            step = self._enter(step, self._flow.blocks[step])

    def _rest(self, at: str | None) -> None:
        self._at, self._waits_for, self._attempts, self._delay_turn = at, "input", 0, None

    def _may_enter(self, block: str) -> bool:
        if not self._exists(block):
            return False
        visit = (block, self._changes)
        if self._steps >= STEP_LIMIT or visit in self._entered:
            self._notice(
                "step_limit", block, f"The flow went round without waiting and was cut after {self._steps} blocks"
            )
            return False
        self._entered.add(visit)
        self._steps += 1
        return True

    def _exists(self, block: str) -> bool:
        if block in self._flow.blocks:
            return True
        self._notice("missing_block", block, f"The flow has no block {block!r}")
        return False

    def _enter(self, block_id: str, block: Block) -> str | None:
        """Do what the block says. The block to go on at; None: the turn ends here."""
        match block:
            case Start():
                return self._flow.target(block_id, NEXT)
            case Message():
                self._say_message(block_id, block)
                return self._flow.target(block_id, NEXT)
            case Question():
                self._ask(block, block.text)
                return None
            case Condition():
                return self._flow.target(block_id, port_of(block, self._values))
            case SetAttribute():
                self._keep(block.attribute, fill(block.value, self._values))
                return self._flow.target(block_id, NEXT)
            case GoTo():
                return block.target
            case Delay():
                self._waits_for, self._delay_turn, self._delay = "delay", self._turn.turn, block.seconds
                return None
            case LetHumanTakeover():
                self._request_person(block_id, block)
                return None

    def _request_person(self, block_id: str, block: LetHumanTakeover) -> None:
        if not self._turn.may_ask_person:
            self._notice("person_barred", block_id, "The click that ended a takeover does not begin one")
            if not self._messages:
                self._reply_by_default()
            return
        self._waits_for = "person"
        self._person = RequestedBy(
            auto_return=block.auto_return,
            notify_admin=block.notify_admin,
            emails=block.emails,
            goodbye_message=self._filled(block_id, block.goodbye_message, MAX_GOODBYE),
            back_to_bot_button=self._filled(block_id, block.back_to_bot_button, QUICK_REPLY_TITLE),
            back_to_bot_message=self._filled(block_id, block.back_to_bot_message, MAX_GOODBYE),
            block=block_id,
            block_name=block.name,
        )

    def _reply_by_default(self) -> None:
        """Answer what nothing else answers, once in a turn. A delay that runs goes on unless the reply leads elsewhere."""
        if self._replied_by_default:
            return
        self._replied_by_default = True
        reply = self._flow.default_reply
        if reply.block is None:
            for piece in self._pieces("", reply.text, MAX_TEXT) or [""]:
                self._say(OutMessage(text=piece))
            if self._waits_for != "delay":
                self._rest(self._at)
            return
        stood = (self._at, self._waits_for, self._attempts, self._delay_turn)
        self._run(reply.block)
        if self._waits_for == "input" and stood[1] == "delay":
            self._at, self._waits_for, self._attempts, self._delay_turn = stood

    # --- questions

    def _open_question(self) -> Question | None:
        """The question that waits for its answer."""
        if self._waits_for != "answer" or self._at is None:
            return None
        block = self._flow.blocks.get(self._at)
        if isinstance(block, Question):
            return block
        self._notice("missing_block", self._at, f"The flow has no question {self._at!r}")
        self._rest(None)
        return None

    def _ask(self, question: Question, text: str) -> None:
        block = self._at or ""
        replies = [
            QuickReply(title=title, payload=choice_payload(block, choice))
            for choice, title in self._choice_titles(block, question).items()
        ]
        if question.suggest and question.check in {"email", "phone"}:
            replies.append(OWN[question.check])
        *before, last = self._pieces(block, text, MAX_TEXT) or [""]
        typing = question.typing
        for piece in before:
            self._say(OutMessage(text=piece, typing=typing, block=block))
            typing = 0.0
        self._say(OutMessage(text=last, quick_replies=tuple(replies), typing=typing, block=block))
        self._waits_for = "answer"

    def _choice_titles(self, block: str, question: Question) -> dict[str, str]:
        return {choice.id: title for choice in question.choices if (title := self._title(block, choice))}

    def _answer(self, question: Question, said: CustomerInput) -> None:
        block = self._at or ""
        answer = read_answer(block, question, self._choice_titles(block, question), said)
        if answer is not None:
            self._keep(question.attribute, answer.value)
            self._run(self._flow.target(block, answer.port) or self._flow.target(block, NEXT))
        elif (jump := keyword_block(self._flow.keywords, said.text)) is not None:
            self._run(jump)
        else:
            self._ask_again(block, question)

    def _ask_again(self, block: str, question: Question) -> None:
        self._attempts += 1
        if question.max_attempts is None or self._attempts < question.max_attempts:
            self._ask(question, question.retry_text or question.text)
            return
        target = self._flow.target(block, FAILED)
        self._run(target)
        if target is None:
            self._reply_by_default()

    # --- saying and keeping

    def _say_message(self, block_id: str, block: Message) -> None:
        """Each kind of content in a message of its own, as channels take them; what can be pressed goes with the last."""
        buttons = self._buttons(block_id, block.buttons)
        pieces = self._pieces(block_id, block.text, BUTTON_TEXT if buttons else MAX_TEXT)
        messages = [OutMessage(image_url=block.image_url, block=block_id)] if block.image_url is not None else []
        if block.media is not None:
            media = Media(kind=block.media.kind, url=block.media.url)
            messages.append(OutMessage(media=media, block=block_id))
        messages += [OutMessage(text=piece, block=block_id) for piece in pieces]
        if pieces and buttons:
            messages[-1] = messages[-1].changed(buttons=buttons)
        cards = tuple(card for number, each in enumerate(block.cards) if (card := self._card(block_id, number, each)))
        if cards:
            messages.append(OutMessage(cards=cards, block=block_id))
        if not messages:
            self._notice("bad_template", block_id, "Nothing was left to say once the attributes were filled in")
            return
        replies = tuple(
            QuickReply(title=title, payload=reply.payload(self._flow.target(block_id, reply.id)))
            for reply in block.quick_replies
            if (title := self._title(block_id, reply))
        )
        messages[-1] = messages[-1].changed(quick_replies=replies)
        messages[0] = messages[0].changed(typing=block.typing)
        for message in messages:
            self._say(message)

    def _buttons(self, block_id: str, buttons: tuple[FlowButton, ...]) -> tuple[Button, ...]:
        return tuple(
            Button(title=title, payload=button.payload(self._flow.target(block_id, button.id)))
            if button.has_port
            else Button(title=title, url=button.url, phone=button.phone)
            for button in buttons
            if (title := self._title(block_id, button))
        )

    def _card(self, block_id: str, number: int, card: FlowCard) -> Card | None:
        title = self._filled(block_id, card.title, CARD_TITLE)
        if not title:
            self._notice("bad_template", block_id, f"The title of card {number + 1} was empty and it was left out")
            return None
        return Card(
            title=title,
            subtitle=self._filled(block_id, card.subtitle, CARD_TITLE),
            image_url=card.image_url,
            url=card.url,
            buttons=self._buttons(block_id, card.buttons),
        )

    def _say(self, message: OutMessage) -> None:
        if message.says_something:
            self._add(message)
        elif message.block:
            self._notice("bad_template", message.block, "Nothing was left to say once the attributes were filled in")

    def _add(self, message: OutMessage) -> None:
        if message.cards or len(self._messages) >= SMALL:
            self._said += len(message.model_dump_json())
        if self._said > MAX_SAID:
            self._notice("step_limit", message.block, "The turn says too much for one; what comes last was left out")
            return
        self._messages.append(message)

    def _pieces(self, block: str, text: str, limit: int) -> list[str]:
        """The filled-in text as the messages that it takes; what would be too many is cut off."""
        filled = fill(text, self._values).strip()
        pieces = split(filled, limit)
        if len(pieces) > MAX_PIECES:
            self._notice(
                "bad_template", block, f"A text of {units(filled)} characters was cut to {MAX_PIECES} messages"
            )
        elif len(pieces) > 1:
            self._notice(
                "bad_template", block, f"A text of {units(filled)} characters was said in {len(pieces)} messages"
            )
        return pieces[:MAX_PIECES]

    def _title(self, block: str, choice: Choice) -> str:
        title = self._filled(block, choice.title, QUICK_REPLY_TITLE)
        if not title:
            self._notice("bad_template", block, f"The title of {choice.id!r} was empty and it was left out")
        return title

    def _filled(self, block: str, text: str, limit: int) -> str:
        return self._cut(block, fill(text, self._values).strip(), limit)

    def _cut(self, block: str, text: str, limit: int) -> str:
        length = units(text)
        if length <= limit:
            return text
        self._notice("bad_template", block, f"A text of {length} characters was cut to {limit}")
        return cut(text, limit)

    def _keep(self, attribute: str, value: str) -> None:
        kept = self._cut(self._at or "", value.strip(), MAX_ATTRIBUTE)
        if kept == self._attributes.get(attribute, ""):
            return
        if attribute not in self._attributes and len(self._attributes) >= MAX_ATTRIBUTES:
            self._notice(
                "bad_template", self._at or "", f"{attribute!r} was not kept: {MAX_ATTRIBUTES} attributes are set"
            )
            return
        self._changes += 1
        if kept:
            self._attributes[attribute] = kept
        else:
            self._attributes.pop(attribute, None)

    def _notice(self, code: Code, block: str, text: str) -> None:
        notice = Notice(code=code, block=block, text=text)
        if len(self._notices) < MAX_NOTICES and notice not in self._notices:
            self._notices.append(notice)

    # --- the event

    def end(self) -> TurnEnd:
        turn = self._turn
        session = Session(
            flow=flow_of(turn),
            at=self._at,
            waits_for=self._waits_for,
            attempts=self._attempts,
            delay_turn=self._delay_turn,
            attributes=self._attributes,
        )
        if self._person is not None:
            return TakeoverRequested(
                id=f"{turn.turn}:done",
                conversation=turn.conversation,
                turn=turn.turn,
                epoch=turn.epoch,
                messages=tuple(self._messages),
                session=session,
                block=self._person,
                notices=tuple(self._notices),
            )
        return TurnCompleted(
            id=f"{turn.turn}:done",
            conversation=turn.conversation,
            turn=turn.turn,
            epoch=turn.epoch,
            messages=tuple(self._messages),
            session=session,
            delay=self._delay,
            notices=tuple(self._notices),
        )
