"""A TCP proxy between a client and a real server: it cuts a connection at a chosen moment, and parts the two for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65536


class Proxy:
    """`on_request(data)` says what to do with what a client sends: pass it, cut before it, or cut after it was passed."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._together = asyncio.Event()
        self._together.set()
        self.on_request: Callable[[bytes], str] = lambda _data: "pass"
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cuts everybody."""
        if self._server is None:
            return
        self._server.close()
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Every connection dies; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    def part(self) -> None:
        """Nothing passes in either direction, and nobody is told: a network that is partitioned, a server that stalls."""
        self._together.clear()

    def join(self) -> None:
        """What was under way arrives."""
        self._together.set()

    async def serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        self._writers.add(client_writer)
        try:
            await self._together.wait()
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            client_writer.transport.abort()
            self._writers.discard(client_writer)
            return
        self._writers.add(server_writer)
        answers = asyncio.ensure_future(self._answers(server_reader, client_writer))
        try:
            while data := await client_reader.read(CHUNK):
                verdict = self.on_request(data)
                if verdict == "cut before":
                    break
                if verdict == "cut after":
                    answers.cancel()  # the answer never arrives
                    with suppress(asyncio.CancelledError):
                        await answers
                await self._together.wait()
                server_writer.write(data)
                await server_writer.drain()
                if verdict == "cut after":
                    await server_reader.read(1)  # the server has done it
                    break
        except OSError:
            pass
        finally:
            answers.cancel()
            for writer in (client_writer, server_writer):
                writer.transport.abort()
                self._writers.discard(writer)
            with suppress(asyncio.CancelledError):
                await answers

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._together.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def through(url: str, port: int) -> str:
    """The URL of a server, by way of a proxy at this port."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to the server of `url`, and the URL that goes through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    await proxy.start()
    try:
        yield proxy, through(url, proxy.port)
    finally:
        await proxy.close()
