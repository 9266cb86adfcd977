"""Kafka as production has it: three nodes, each broker and controller, so that one of them may die."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from local.archive import ClassArchive
from local.kafka import Kafka

NODES = 3
# Beside what a single node has. Where a name comes twice in the file, the later one counts.
SETTINGS = """\
node.id={node}
controller.quorum.voters={voters}
default.replication.factor={nodes}
min.insync.replicas=2
offsets.topic.replication.factor={nodes}
offsets.topic.num.partitions=3
# a broker that dies is noticed in seconds, and so is a leader of the controllers
controller.quorum.fetch.timeout.ms=2000
controller.quorum.election.timeout.ms=1000
replica.lag.time.max.ms=5000
"""


class Node(Kafka):
    """One of them. `number` counts from 1."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.number = number
        self.name = f"Kafka {number}"
        self.voters = ""

    @property
    def voter(self) -> str:
        return f"{self.number}@127.0.0.1:{self._controller}"

    async def _prepare(self) -> ClassArchive:
        fresh = not (self._folder / "logs").exists()
        archive = await super()._prepare()
        with self._properties.open("a") as file:
            file.write(SETTINGS.format(node=self.number, voters=self.voters, nodes=NODES))
        if fresh:
            self._become_itself()
        return archive

    def _become_itself(self) -> None:
        """The formatted folder that is kept is that of node 1, and no two nodes may have a folder of the same id."""
        path = self._folder / "logs" / "meta.properties"
        text = re.sub(r"(?m)^node\.id=.*$", f"node.id={self.number}", path.read_text())
        path.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id=A{secrets.token_urlsafe(16)[1:]}", text))


class Cluster:
    """Three nodes on folders of one folder. Topics have to be made with replication 3 to survive the death of one."""

    def __init__(self, folder: Path) -> None:
        self.nodes: Sequence[Node] = [Node(folder / f"node-{number}", number) for number in range(1, NODES + 1)]
        for node in self.nodes:
            node.voters = ",".join(each.voter for each in self.nodes)

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    async def start(self) -> None:
        """Returns when each node was seen to take a record. Raises StartFailed, PortTaken."""
        await asyncio.gather(*(node.start() for node in self.nodes))

    async def stop(self) -> None:
        """All at once and without a farewell: the last of three could not hand over what it leads to anybody."""
        await asyncio.gather(*(node.kill() for node in self.nodes))

    def close(self) -> None:
        """Gives the ports back."""
        for node in self.nodes:
            node.close()
