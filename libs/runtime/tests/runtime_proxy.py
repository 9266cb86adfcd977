"""A TCP proxy between a client and a real server, which can cut a connection at a chosen moment."""

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
        self.on_request: Callable[[bytes], str] = lambda _data: "pass"
        self.port = 0

    async def serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers |= {client_writer, server_writer}
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
                server_writer.write(data)
                await server_writer.drain()
                if verdict == "cut after":
                    await server_reader.read(1)  # the server has done it
                    break
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            for writer in (client_writer, server_writer):
                writer.transport.abort()
                self._writers.discard(writer)
            with suppress(asyncio.CancelledError):
                await answers

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to the server of `url`, and the URL that goes through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    netloc = f"{parts.username}@127.0.0.1:{proxy.port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=netloc))
    finally:
        server.close()
        for writer in list(proxy._writers):
            writer.transport.abort()
        await server.wait_closed()
