"""TLS in front of a PostgreSQL that was built without it, as the one that comes with the packages is.

`python -m local.tls_door PORT SERVER_PORT CERTIFICATE KEY`: answers PostgreSQL's request for TLS, and hands on what is in it.
Who does not ask for TLS is refused in PostgreSQL's own words.
"""

import asyncio
import ssl
import struct
import sys
from contextlib import suppress

ASK_FOR_TLS = struct.pack("!II", 8, 80877103)  # https://www.postgresql.org/docs/current/protocol-message-formats.html
FIELDS = (
    ("S", "FATAL"),
    ("V", "FATAL"),
    ("C", "28000"),
    ("M", "no pg_hba.conf entry for this host, user and database, no encryption"),
)
CHUNK = 1 << 16  # bytes of one read


async def serve(port: int, server_port: int, context: ssl.SSLContext) -> None:
    async def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, asyncio.IncompleteReadError
        ):  # ssl.SSLError is an OSError: whom the client does not trust
            if await reader.readexactly(len(ASK_FOR_TLS)) == ASK_FOR_TLS:
                writer.write(b"S")
                await writer.start_tls(context)
                await _relay(reader, writer, server_port)
            else:
                writer.write(_refusal())
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(arrived, "127.0.0.1", port) as server:
        await server.serve_forever()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server_port: int) -> None:
    from_server, to_server = await asyncio.open_connection("127.0.0.1", server_port)
    await asyncio.gather(_copy(reader, to_server), _copy(from_server, writer))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()


def _refusal() -> bytes:
    body = b"".join(name.encode() + text.encode() + b"\0" for name, text in FIELDS) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


if __name__ == "__main__":
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[3], sys.argv[4])
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), tls))
