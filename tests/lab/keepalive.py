#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many long-lived HTTP connections from one process, each asking again and again.

    keepalive.py --connections N --period S --out FILE URLHOST:PORT...

Writes what happened to FILE as JSON every half second and at SIGTERM: connections open, answers, resets,
ends by the peer, time-outs, and for each connection the time of its last answer. A connection that breaks
is not opened again: it is lost, and counted.
"""
import argparse
import json
import os
import random
import selectors
import signal
import socket
import sys
import time

REQUEST = b"GET /health HTTP/1.1\r\nHost: keepalive\r\n\r\n"
STALL_S = 30.0


class Connection:
    def __init__(self, target):
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.target, self.state, self.buf = target, "connecting", b""
        self.next, self.asked, self.answered, self.answers = 0.0, time.monotonic(), 0.0, 0
        self.error = None

    def connect(self):
        self.sock.connect_ex(self.target)

    def ask(self, now):
        self.sock.send(REQUEST)
        self.state, self.asked, self.buf = "asked", now, b""

    def whole(self):
        head, sep, body = self.buf.partition(b"\r\n\r\n")
        if not sep:
            return False
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                return len(body) >= int(line.split(b":")[1])
        return False


class Crowd:
    def __init__(self, args):
        self.args, self.sel, self.conns, self.stop = args, selectors.EpollSelector(), [], False
        self.counts = {"resets": 0, "ended": 0, "timeouts": 0, "refused": 0, "answers": 0}

    def lose(self, c, kind):
        self.counts[kind] += 1
        c.state, c.error = "lost", kind
        self.sel.unregister(c.sock)
        c.sock.close()

    def event(self, c, now):
        try:
            if c.state == "connecting":
                err = c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if err:
                    return self.lose(c, "refused")
                self.sel.modify(c.sock, selectors.EVENT_READ, c)
                return c.ask(now)
            data = c.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return self.lose(c, "resets")
        except BlockingIOError:
            return None
        if not data:
            return self.lose(c, "ended")
        c.buf += data
        if c.state == "asked" and c.whole():
            if not c.buf.startswith(b"HTTP/1.1 200"):
                return self.lose(c, "ended")
            c.state, c.answered = "resting", now
            c.answers += 1
            self.counts["answers"] += 1
            c.next = now + self.args.period * random.uniform(0.5, 1.5)
        return None

    def tick(self, now):
        for c in self.conns:
            try:
                if c.state == "resting" and now >= c.next:
                    c.ask(now)
                elif c.state in ("asked", "connecting") and now - c.asked > STALL_S:
                    self.lose(c, "timeouts")
            except (ConnectionResetError, BrokenPipeError):
                self.lose(c, "resets")

    def report(self):
        live = [c for c in self.conns if c.state != "lost"]
        text = json.dumps(dict(self.counts, open=len(live), now=time.monotonic(),
                               established=sum(c.answers > 0 for c in self.conns),
                               last=[round(c.answered, 3) for c in live],
                               waiting=sum(c.state == "asked" for c in live)))
        tmp = self.args.out + ".tmp"
        with open(tmp, "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(tmp, self.args.out)

    def run(self):
        targets = [tuple(t.rsplit(":", 1)) for t in self.args.targets]
        targets = [(h.strip("[]"), int(p)) for h, p in targets]
        todo = self.args.connections
        next_report = next_tick = 0.0
        while not self.stop:
            now = time.monotonic()
            for _ in range(min(todo, 25)):  # a few at a time: the listen queue is finite
                c = Connection(targets[todo % len(targets)])
                c.connect()
                self.sel.register(c.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, c)
                self.conns.append(c)
                todo -= 1
            for key, _ in self.sel.select(0.01):
                if key.data.state != "lost":
                    self.event(key.data, time.monotonic())
            if now >= next_tick:
                next_tick = now + 0.05
                self.tick(now)
            if now >= next_report:
                next_report = now + 0.5
                self.report()
        self.report()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--connections", type=int, default=1000)
    p.add_argument("--period", type=float, default=1.0)
    p.add_argument("--out", required=True)
    p.add_argument("targets", nargs="+")
    crowd = Crowd(p.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: setattr(crowd, "stop", True))
    crowd.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
