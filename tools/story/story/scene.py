"""One customer's conversation, seen from all sides: her phone, Facebook's staff, our operator."""

from collections.abc import Callable
from dataclasses import dataclass, field

from story.answers import Chat, Command, Conversation, Entry, Line
from story.doors import PATIENCE, Console, Facebook, MailCatcher, eventually
from story.regime import DEMONSTRATION, PAGE_INBOX, Regime
from story.seed import PAGE
from story.telling import Step, Timeline, note_state

QUIET = 1.0  # seconds in which the bot would have spoken, had it wanted to: many times its usual answer


@dataclass(slots=True)
class Stage:
    console: Console
    facebook: Facebook
    mail: MailCatcher
    page: str = PAGE
    regime: Regime = DEMONSTRATION


@dataclass(slots=True)
class Scene:
    """`key` is the conversation's id."""

    stage: Stage
    psid: str
    name: str
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def key(self) -> str:
        return f"messenger:{self.stage.page}:{self.psid}"

    # --- the customer and staff

    async def says(self, text: str) -> None:
        await self.stage.facebook.says(self.stage.page, self.psid, text)

    async def picks(self, title: str) -> None:
        await self.stage.facebook.picks(self.stage.page, self.psid, title)

    async def staff(self, gesture: str, text: str | None = None) -> None:
        await self.stage.facebook.staff(self.stage.page, self.psid, gesture, None if text is None else {"text": text})

    async def chat(self) -> Chat:
        return await self.stage.facebook.chat(self.stage.page, self.psid)

    async def bot_lines(self) -> list[Line]:
        """What our app said to her, the bot or an operator."""
        return [line for line in (await self.chat()).lines if line.side == "app"]

    async def hears(self, text: str, after: int = 0) -> Line:
        """Wait for a line of ours that contains `text`, past the first `after` lines."""

        async def look() -> list[Line]:
            return [line for line in (await self.bot_lines())[after:] if text in (line.text or "")]

        return (await eventually(f"{self.name} hears {text!r}", look, bool))[0]

    async def rests(self) -> None:
        """Wait until the thread is where it is to be while a person has the conversation: in Main, or still with us."""
        await (self.is_theirs() if self.stage.regime.rests_in_main else self.is_not_theirs())

    async def is_theirs(self) -> None:
        await self._thread("the conversation is the Page Inbox's", lambda owner: owner == PAGE_INBOX)

    async def is_not_theirs(self) -> None:
        """Ours, or nobody's: then everybody may write."""
        await self._thread("the conversation is not the Page Inbox's", lambda owner: owner != PAGE_INBOX)

    async def told_why(self) -> None:
        """Wait until the operator sees why the conversation stays in Main."""
        await eventually("why it stays in Main", self.state, lambda state: state.thread.reason != "")

    async def _thread(self, what: str, fits: Callable[[str | None], bool]) -> None:
        await eventually(what, self.chat, lambda chat: fits(chat.conversation.owner))

    # --- the operator

    async def state(self) -> Conversation:
        seen = await self.stage.console.conversation(self.key)
        if seen is None:
            raise LookupError(self.key)
        return seen

    async def becomes(self, owner: str, within: float = PATIENCE, *, epoch_above: int = -1) -> Conversation:
        async def look() -> Conversation | None:
            return await self.stage.console.conversation(self.key)

        seen = await eventually(
            f"{owner} has the conversation",
            look,
            lambda found: found is not None and found.owner == owner and found.epoch > epoch_above,
            within,
        )
        if seen is None:
            raise LookupError(self.key)
        return seen

    async def entry(self, kind: str, text: str = "", after: int = 0) -> Entry:
        """Wait for an entry of the transcript."""

        async def look() -> list[Entry]:
            found = await self.stage.console.entries(self.key, after)
            return [entry for entry in found if entry.kind == kind and text in entry.text]

        return (await eventually(f"{kind} {text!r} in the transcript", look, bool))[0]

    async def take_over(self, **more: object) -> Command:
        return await self._command("takeover", **more)

    async def reply(self, text: str, **more: object) -> Command:
        return await self._command("replies", seq=(await self.state()).seq, text=text, **more)

    async def hand_back(self, **more: object) -> Command:
        return await self._command("hand-back", **more)

    async def set_expiry(self, seconds: int) -> Command:
        return await self._command("expiry", expiry=seconds)

    async def _command(self, what: str, **body: object) -> Command:
        return await self.stage.console.command(self.key, what, {"epoch": (await self.state()).epoch, **body})

    async def tell(self, step: Step) -> None:
        """Put what is new in the transcript, and the state as it is now, into the step."""
        step.timeline += self.timeline.take(await self.stage.console.entries(self.key, self.timeline.seq))
        seen = await self.stage.console.conversation(self.key)
        if seen is not None:
            note_state(step, seen)
