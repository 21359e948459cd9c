"""Logs in and pings over Python's ssl, and prints what comes back.

usage: foreign.py HOST PORT TLSv1_2|TLSv1_3 CA-FILE LOGIN-FRAME-IN-HEX PIECE

PIECE is how many bytes of TLS go in one write, and are asked for by one read.
"""
import socket
import ssl
import sys

PING = bytes([2, 0x18, 2])


class Wire:
    def __init__(self, host, port, version, ca, piece):
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        self.piece = piece
        self.sock = socket.create_connection((host, port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.come, self.go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.go, server_hostname=host)
        self.plain = b""
        self.until_done(self.tls.do_handshake)

    def until_done(self, step, *args):
        while True:
            try:
                return step(*args)
            except ssl.SSLWantReadError:
                self.flush()
                records = self.sock.recv(self.piece)
                if records:
                    self.come.write(records)
                else:
                    self.come.write_eof()
            finally:
                self.flush()

    def flush(self):
        records = self.go.read()
        for i in range(0, len(records), self.piece):
            self.sock.sendall(records[i:i + self.piece])

    def send(self, frame):
        self.until_done(self.tls.write, frame)

    def frame(self):
        """The next frame, without its length."""
        while True:
            size, shift = 0, 0
            for i, b in enumerate(self.plain):
                size |= (b & 0x7F) << shift
                shift += 7
                if b < 0x80:
                    if len(self.plain) <= i + size:
                        break
                    payload, self.plain = self.plain[i + 1:i + 1 + size], self.plain[i + 1 + size:]
                    return payload
            more = self.until_done(self.tls.read, 4096)
            if not more:
                raise EOFError("the server has said goodbye")
            self.plain += more


def command(payload):
    """The value of field 3, of the frames that are expected here; it is within the first fields."""
    i = 0
    while i < len(payload):
        tag, i = payload[i], i + 1
        if tag == 0x18:
            return payload[i]
        if tag & 7 == 2:
            i += 1 + payload[i]
        else:
            while payload[i] >= 0x80:
                i += 1
            i += 1
    return 0


def main():
    host, port, version, ca, login, piece = sys.argv[1:]
    wire = Wire(host, int(port), version, ca, int(piece))
    names = {16: "welcome", 2: "pong", 21: "error"}
    wire.send(bytes.fromhex(login))
    print(names[command(wire.frame())])
    for _ in range(3):
        wire.send(PING)
        print(names[command(wire.frame())])
    wire.send(b"\0")  # an empty frame: the server says why, and hangs up
    print(names[command(wire.frame())])
    if wire.until_done(wire.tls.read, 1) == b"":  # an end without a goodbye is an SSLEOFError
        print("close_notify")


main()
