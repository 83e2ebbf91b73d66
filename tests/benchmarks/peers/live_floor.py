"""The floor: no GraphQL and no framework, only uvloop and one frame written to every socket. Usage: python live_floor.py PORT

What is posted to /publish goes to everybody who said a word, the events of one request in one piece.
"""

import asyncio
import base64
import hashlib
import sys

import orjson
import uvloop

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SUBSCRIBERS = set()


def framed(content):
    """A server's text frame."""
    length = len(content)
    head = bytes((0x81, length)) if length < 126 else bytes((0x81, 126)) + length.to_bytes(2)
    return head + content


def publish(events):
    """Everybody gets everything."""
    payloads = (orjson.dumps({"data": {"appointmentChanged": event}}) for event in events)
    piece = b"".join(framed(b'{"id":"1","type":"next","payload":%b}' % one) for one in payloads)
    for transport in SUBSCRIBERS:
        transport.write(piece)


class Connection(asyncio.Protocol):
    """A subscriber, or who publishes."""

    def __init__(self):
        self.received = b""
        self.is_socket = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        SUBSCRIBERS.discard(self.transport)

    def data_received(self, data):
        self.received += data
        while self.hear_frame() if self.is_socket else self.hear_request():
            pass

    def hear_request(self):
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        lines = [line.partition(b": ") for line in head.split(b"\r\n")]
        headers = {name.lower(): value for name, _, value in lines}
        if head.startswith(b"GET"):
            accepted = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + MAGIC).digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
            )
            self.is_socket, self.received = True, rest
            return True
        length = int(headers[b"content-length"])
        if len(rest) < length:
            return False
        publish(orjson.loads(rest[:length]))
        self.received = rest[length:]
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    def hear_frame(self):
        data = self.received
        if len(data) < 6:
            return False
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        if len(data) < start + 4 + length:
            return False
        mask, content = data[start : start + 4], data[start + 4 : start + 4 + length]
        self.received = data[start + 4 + length :]
        if data[0] == 0x81:
            self.answer(orjson.loads(bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))))
        return True

    def answer(self, message):
        match message["type"]:
            case "connection_init":
                self.transport.write(framed(b'{"type":"connection_ack"}'))
            case "subscribe":
                SUBSCRIBERS.add(self.transport)
            case "ping":
                self.transport.write(framed(b'{"type":"pong"}'))


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
