# SPDX-License-Identifier: BSD-3-Clause
"""An app's end of the control link as far as sluice-checkd sees it (dataplane/ctl/msg.h): greets, names
targets, collects verdicts. With it the checker is tested without a data plane, and with an app that lies."""
import functools
import ipaddress
import os
import socket
import struct
import threading
import time

import ctl_link
from ctl_link import DOWN, HDR, HELLO, HELLO_S, MAGIC, TARGET, TARGET_DEL, TARGET_END, UNKNOWN, UP, VERDICT, read_message

NONE, TCP, HTTP, HTTPS, TLS, UDP, ICMP = range(7)
VERIFY = 1
AGENT_KNOWN, AGENT_DOWN, AGENT_DRAIN, AGENT_MAINT = 1, 2, 4, 8
VERDICT_S = struct.Struct("=QBBBxIH6x112s")
message = functools.partial(ctl_link.message, seq=1)


def hello(instance, magic=MAGIC, version=2, role=1):
    return message(HELLO, HELLO_S.pack(magic, version, role, instance.encode(), bytes(16), 7))


def target(ident, address, port, kind=TCP, interval=200, timeout=100, rise=1, fall=1, status=(200, 399), path="/",
           host="", body="", pool="web", name=None, rec_type=8, rec_size=None, verify=False, server_name="", ca_file="",
           send=b"", expect=b"", agent=(0, 0)):
    ip = ipaddress.ip_address(address)
    addr = struct.pack("=BB6s16s", ip.version, ip.max_prefixlen, bytes(6), ip.packed)
    check = struct.pack("=BBHIIHHHHHHHHIIHHII256s256s128s256s256s512s128s", kind, verify, 0, interval, timeout, rise,
                        fall, *status, len(send), len(expect), agent[0], 0, agent[1], *(0,) * 5, path.encode(),
                        host.encode(), body.encode(), server_name.encode(), str(ca_file).encode(), send, expect)
    tail = struct.pack("=64s64s", pool.encode(), (name or f"s{ident}").encode()) + addr
    tail += struct.pack("!H", port) + bytes(6) + check
    return struct.pack("=HHIQ", rec_type, rec_size or 16 + len(tail), 0, ident) + tail


class FakeApp:
    """One instance: listens at <run>/<instance>.ctl until stop(); start() again is a restart."""

    def __init__(self, run, instance="lb", targets=()):
        self.path = os.path.join(run, instance + ".ctl")
        self.instance = instance
        self.targets = list(targets)  # payloads, sent after the greeting
        self.greeting = hello(instance)
        self.verdicts = []  # (time, server, health, latency_us, reason)
        self.more = []  # of each: (last check good, agent's flags, agent's percent)
        self.changed = threading.Condition()
        self.connections = 0
        self.peer_hello = None
        self.closed_at = None
        self.listener = self.conn = None

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(4)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()
        return self

    def stop(self, unlink=False):
        """As a kill: the sockets close, the file stays unless said otherwise."""
        for s in (self.listener, self.conn):
            if s is not None:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()
        self.listener = self.conn = None
        if unlink:
            os.unlink(self.path)

    def send(self, *messages):
        self.conn.sendall(b"".join(messages))

    def _serve(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            self.conn = conn
            self.connections += 1
            try:
                self._talk(conn)
            except (OSError, ConnectionError):
                pass
            with self.changed:
                self.closed_at = time.monotonic()
                self.changed.notify_all()

    def _talk(self, conn):
        while True:
            kind, _flags, _seq, payload = read_message(conn)
            if kind == HELLO:
                self.peer_hello = HELLO_S.unpack(payload)
                conn.sendall(self.greeting + b"".join(message(TARGET, t) for t in self.targets) + message(TARGET_END))
            elif kind == VERDICT:
                server, health, good, agent, latency, percent, reason = VERDICT_S.unpack(payload)
                with self.changed:
                    self.more.append((good, agent, percent))
                    self.verdicts.append((time.monotonic(), server, health, latency,
                                          reason.split(b"\0")[0].decode()))
                    self.changed.notify_all()

    def wait(self, test, timeout=5.0):
        """Wait until test(self) is true; returns its value."""
        end = time.monotonic() + timeout
        with self.changed:
            while not (value := test(self)):
                if not self.changed.wait(end - time.monotonic()):
                    raise TimeoutError(f"verdicts so far: {self.verdicts}, connections {self.connections}")
            return value

    def wait_health(self, server, health, timeout=5.0, after=0):
        """The first verdict `health` of the server among those past number `after`."""
        return self.wait(lambda a: next((v for v in a.verdicts[after:] if v[1] == server and v[2] == health), None),
                         timeout)
