"""Laws of a command's life, over any sequence of answers, silences and echoes."""

from dataclasses import replace

from fb_commands import BUTTONS, CHANNEL, context, passes_thread, reads_profile, reads_thread, row, says, takes_thread
from hypothesis import given, settings
from hypothesis import strategies as st

from fb_handover import graph_body, order
from fb_handover.order import Act, Listen, Look, Looked, Met, Shut, Transition
from fb_handover.outgoing import State, Step
from graphapi.answers import Accepted, Later, NotOwner, Permanent, Unknown
from graphapi.errors import Consequence
from schemas.conversations import (
    CommandSuppressed,
    MessageRefused,
    MessageSent,
    ProfileRead,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
)
from schemas.messages import OutMessage

LONGEST = 200  # steps: far more than any command needs
many = settings(max_examples=150, deadline=None)

verdicts = st.sampled_from(
    [
        Accepted({"message_id": "m_1", "success": True}),
        Later("busy"),
        Later("HTTP 500", perhaps_done=True),
        Permanent("No.", 10, 2018278),
        Permanent("No.", 100, None),
        Permanent("Blocked.", 27, None),
        NotOwner(10, 2018300),
        Unknown("cut off"),
        Later("limit", pauses="page"),
        Later("slowly", wait=20.0),
        Permanent("The token.", 190, None, Consequence.STOP_PAGE),
    ]
)
messages = st.sampled_from(
    [
        OutMessage(text="Hello"),
        OutMessage(text="Hm", typing=1.0),
        OutMessage(text="Look", image_url="https://x.example/a.png"),
        OutMessage(text="Long. " * 330, buttons=BUTTONS),
        OutMessage(),
    ]
)
commands = st.one_of(
    st.builds(
        lambda message, person, then_pass: says(message=message, person=person, then_pass=then_pass),
        messages,
        st.booleans(),
        st.booleans(),
    ),
    st.sampled_from([passes_thread(), takes_thread(), reads_thread(), reads_profile()]),
)
happenings = st.lists(
    st.tuples(verdicts, st.sampled_from(["nothing", "silence", "echo", "crash", "arrived"])), max_size=8
)
looks = st.sampled_from(["right", "right", "unread", "blind"])
"""What Facebook's list of the conversation tells: what is so; nothing at the moment; never anything."""
FINAL = (MessageSent, MessageRefused, ThreadMoved, ThreadRefused, ThreadOwnerRead, ProfileRead, CommandSuppressed)
YES = Accepted({"message_id": "m_2", "success": True})


class Life:
    """One command from storing to its end. What Facebook accepted, or may have, is counted by part."""

    def __init__(self, command, script, look="blind"):
        self.command = command
        self.row = row(command)
        self.script = list(script)
        self.look = look
        self.shut_next = False
        self.begun_while_shut = 0
        self.reports = []
        self.accepted = {}
        self.perhaps = {}
        self.begun_after_silence = 0
        self.silenced = False
        self.unheard = False
        self.waited = 0.0

    def live(self):
        for _ in range(LONGEST):
            if not self.row.state.is_open:
                return self
            self._step()
        raise AssertionError(f"{self.command} does not end")

    def _step(self):
        shut = Shut(5.0, "a limit") if self.shut_next else None
        decision = order.decide(self.row, context(), connected=True, shut=shut)
        self.begun_while_shut += self.shut_next and isinstance(decision, Act)
        self.shut_next = False
        if isinstance(decision, Listen):
            self.unheard = not self.unheard  # once still behind, then caught up
            decision = order.after_listening(self.row, context(), heard_all=not self.unheard)
        if isinstance(decision, Look):
            decision = order.after_looking(self.row, self._looked(), context())
        if isinstance(decision, Transition):
            self._keep(decision, Met(silenced=self.silenced))
            return
        assert isinstance(decision, Act)
        if self.row.step is Step.TYPING:
            self._keep(order.after_typing(self.row, shown_for=0.1), Met(silenced=self.silenced))
            return
        verdict, happening = self.script.pop(0) if self.script else (YES, "nothing")
        if happening == "echo" and isinstance(verdict, Permanent | NotOwner):
            happening = "nothing"  # what Facebook refuses has no echo
        self.begun_after_silence += self.silenced and self.row.step not in {Step.READ_OWNER, Step.READ_PROFILE}
        begun = replace(self.row, state=State.SENDING, attempts=self.row.attempts + 1)
        arrived = happening == "arrived" and isinstance(verdict, Unknown)  # and no echo tells
        if begun.step is Step.SEND and (isinstance(verdict, Accepted) or happening == "echo" or arrived):
            self.accepted[begun.part] = self.accepted.get(begun.part, 0) + 1
        if begun.step is Step.SEND and (isinstance(verdict, Accepted | Unknown) or happening in {"echo", "crash"}):
            self.perhaps[begun.part] = self.perhaps.get(begun.part, 0) + 1
        self.silenced = self.silenced or happening == "silence"
        self.shut_next = getattr(verdict, "pauses", None) is not None or getattr(verdict, "dead_token", False)
        echo = "m_echo" if happening == "echo" and begun.step is Step.SEND else None
        if happening == "crash":
            self.row = replace(begun, silenced=self.silenced)
            return
        self._keep(order.after(begun, verdict, context(), CHANNEL), Met(self.silenced, echo, begun.part))

    def _looked(self):
        if self.look == "unread":
            return Looked(again=True)
        there = self.look == "right" and self.accepted.get(self.row.part, 0) > 0
        return Looked("m_list" if there else None)

    def _keep(self, transition, met):
        told = order.meet(transition, met, context())
        self.reports += told.reports
        waited = told.delay + 0.1
        row_ = told.row
        self.row = replace(row_, sending_for=row_.sending_for + waited if row_.state is State.SENDING else 0.0)

    @property
    def finals(self):
        return [report for report in self.reports if not report.id.endswith(":taken")]


def of(life, *kinds):
    return [report for report in life.reports if isinstance(report, kinds)]


@many
@given(commands, happenings)
def test_every_command_ends_and_its_end_is_told(command, script):
    life = Life(command, script).live()
    assert life.finals


@many
@given(commands, happenings)
def test_no_two_reports_of_a_command_have_one_id(command, script):
    life = Life(command, script).live()
    ids = [report.id for report in life.reports]
    assert len(ids) == len(set(ids))


@many
@given(st.builds(says, message=messages), happenings)
def test_a_message_is_told_as_sent_or_refused_or_suppressed_and_as_one_of_them_only(command, script):
    life = Life(command, script).live()
    suppressed = [report for report in of(life, CommandSuppressed) if report.seq is not None]
    assert len(of(life, MessageSent, MessageRefused)) + len(suppressed) == 1


@many
@given(st.builds(says, message=messages, then_pass=st.booleans()), happenings)
def test_a_message_told_as_sent_was_accepted_in_all_its_parts(command, script):
    life = Life(command, script).live()
    if of(life, MessageSent):
        assert set(life.accepted) >= set(range(len(graph_body.parts(command.message))))


@many
@given(
    st.builds(says, message=messages, then_pass=st.booleans(), person=st.booleans()),
    happenings.map(lambda script: [(verdict, happens) for verdict, happens in script if happens != "crash"]),
)
def test_facebook_accepts_no_part_twice_where_it_told_the_outcome(command, script):
    known = [(verdict, happens) for verdict, happens in script if not isinstance(verdict, Unknown) or happens == "echo"]
    life = Life(command, known).live()
    assert all(times == 1 for times in life.accepted.values())


@many
@given(commands, happenings)
def test_nothing_begins_after_a_silence_met_it(command, script):
    assert Life(command, script).live().begun_after_silence == 0


@many
@given(
    st.builds(says, message=messages, then_pass=st.booleans(), person=st.booleans()),
    happenings.map(lambda script: [(verdict, happens) for verdict, happens in script if happens != "echo"]),
)
def test_facebook_accepts_no_part_twice_where_its_list_tells_what_arrived(command, script):
    """Also where an answer was lost, or the process died, and no echo ever comes."""
    life = Life(command, script, "right").live()
    assert all(times == 1 for times in life.accepted.values())


@many
@given(st.builds(says, message=messages, person=st.booleans()), happenings)
def test_a_message_that_facebooks_list_has_is_never_told_as_uncertain(command, script):
    life = Life(command, script, "right").live()
    uncertain = [report for report in of(life, MessageRefused) if report.kind == "uncertain"]
    assert not uncertain or life.row.part not in life.accepted


@many
@given(commands, happenings, looks)
def test_nothing_is_asked_of_facebook_while_the_page_is_shut(command, script, look):
    assert Life(command, script, look).live().begun_while_shut == 0


@many
@given(st.builds(says, message=messages, person=st.just(True)), happenings)
def test_a_persons_message_of_unknown_outcome_is_never_sent_again_by_itself(command, script):
    life = Life(command, script).live()
    assert all(times == 1 for times in life.perhaps.values())


@many
@given(st.builds(says, message=messages), happenings)
def test_a_bots_message_is_sent_at_most_once_more_for_each_part(command, script):
    life = Life(command, script).live()
    assert all(times <= 2 for times in life.perhaps.values())
