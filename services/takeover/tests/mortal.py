"""takeover as a process that kills itself at a named point of its work: `python mortal.py committed`."""

import os
import signal
import sys

from runtime import consumer as runtime_consumer
from runtime.service import main
from takeover import main as takeover_main
from takeover.settings import TakeoverServiceSettings


class Killer:
    def __init__(self, point: str) -> None:
        self.point = point

    async def reached(self, point: str, topic: str, partition: int) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalConsumer(runtime_consumer.OrderedConsumer):
    def __init__(self, **wiring) -> None:
        super().__init__(**wiring, faults=Killer(sys.argv[1]))


takeover_main.OrderedConsumer = MortalConsumer
main(takeover_main.run, TakeoverServiceSettings, "takeover")
