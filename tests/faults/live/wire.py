"""A WebSocket spoken by hand, so that it can be left unread: nothing is taken from the network that nobody asked for."""

import asyncio
import socket
from typing import Any

import orjson

RECEIVE_BYTES = 4096
TEXT, CLOSE = 1, 8


class Wire:
    """One connection to the GraphQL endpoint. The operating system's buffers for it are small where it is to be left unread."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, token: str, *, small: bool = False) -> "Wire":
        """Connect and sign in."""
        connection = socket.socket()
        if small:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        # What is read ahead is twice the limit.
        reader, writer = await asyncio.open_connection(sock=connection, limit=RECEIVE_BYTES if small else 2**20)
        wire = cls(reader, writer)
        writer.write(
            b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        wire.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        opcode, payload = await wire.frame()
        assert (opcode, payload) == (TEXT, b'{"type":"connection_ack"}'), payload
        return wire

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, masked with zeros."""
        payload = orjson.dumps(message)
        assert len(payload) < 65_536
        length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self._writer.write(b"\x81" + length + bytes(4) + payload)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: what kind it is, and what is in it. ``IncompleteReadError`` when the connection ended without one."""
        head = await self._reader.readexactly(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2))
        elif length == 127:
            length = int.from_bytes(await self._reader.readexactly(8))
        return head[0] & 0x0F, await self._reader.readexactly(length)

    def drop(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()
