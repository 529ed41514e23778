# SPDX-License-Identifier: BSD-3-Clause
"""A server that wants a PROXY header, version 2, before all else.

    proxy_server.py PORT [first]     first: greets before it has read the header

After the header it says "SELF-OF-CLIENT\\n" (the four fields of the header), then reads lines:
"upload N": N bytes follow, answered by their SHA-256; "download N": N bytes of the fixed pattern; any
other line is echoed. The connection is ended without a word when the header is not one.
"""
import hashlib
import socket
import socketserver
import struct
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PATTERN = bytes(range(251)) * 4096


def header(f):
    """The four fields of the header."""
    head = f.read(16)
    if len(head) != 16 or head[:13] != SIGNATURE + b"\x21":
        raise ValueError(f"no header: {head!r}")
    family, size = head[13], struct.unpack(">H", head[14:])[0]
    body = f.read(size)
    if (family, size) == (0x11, 12):
        src, dst, sport, dport = struct.unpack(">4s4sHH", body)
        af = socket.AF_INET
    elif (family, size) == (0x21, 36):
        src, dst, sport, dport = struct.unpack(">16s16sHH", body)
        af = socket.AF_INET6
    else:
        raise ValueError(f"family {family:#x}, {size} bytes")
    return f"{socket.inet_ntop(af, src)} {sport} {socket.inet_ntop(af, dst)} {dport}"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if "first" in sys.argv:
            self.wfile.write(b"welcome\n")
        self.wfile.write(f"{header(self.rfile)}\n".encode())
        while line := self.rfile.readline():
            words = line.split()
            if words[:1] == [b"upload"]:
                digest, left = hashlib.sha256(), int(words[1])
                while left > 0:
                    piece = self.rfile.read(min(left, 65536))
                    if not piece:
                        return
                    digest.update(piece)
                    left -= len(piece)
                self.wfile.write(digest.hexdigest().encode() + b"\n")
            elif words[:1] == [b"download"]:
                left = int(words[1])
                while left > 0:
                    self.wfile.write(PATTERN[:min(left, len(PATTERN))])
                    left -= min(left, len(PATTERN))
            else:
                self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("::", int(sys.argv[1])), Handler).serve_forever()
