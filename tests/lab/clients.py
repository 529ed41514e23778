# SPDX-License-Identifier: BSD-3-Clause
"""Clients used by several lab tests: the keep-alive crowd, a connect probe, wrk."""
import collections
import json
import pathlib
import re
import socket
import threading
import time

from lab import wait_for

HERE = pathlib.Path(__file__).parent


class Crowd:
    """keepalive.py in a node."""

    def __init__(self, node, targets, connections=1000, period=1.0):
        self.file = node.lab.base / f"crowd-{time.monotonic_ns()}.json"
        self.connections = connections
        self.p = node.start("keepalive", "/usr/bin/python3", HERE / "keepalive.py", "--connections", connections,
                            "--period", period, "--out", self.file, *targets)

    def stats(self):
        try:
            return json.loads(self.file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def wait_all(self, timeout=30):
        """Until every connection has had an answer."""
        wait_for(f"{self.connections} connections answered",
                 lambda: (s := self.stats()) and s["established"] >= self.connections, timeout, 0.2)

    def went_on(self, since):
        """How many connections got an answer after the monotonic time `since`."""
        return sum(t > since for t in self.stats()["last"])

    def lost(self):
        s = self.stats()
        return {k: s[k] for k in ("resets", "ended", "timeouts", "refused")}

    def stop(self):
        self.p.stop()
        return self.stats()


class Probe:
    """Opens a connection, asks, reads the name of the server, closes: a new attempt every `period`.

    Attempts do not wait for each other: a SYN that is lost is sent again only after a second, which would
    hide when service is back. Each attempt is (start, end, answer or None, error) and lasts at most `timeout`.
    """

    def __init__(self, node, address, port=80, period=0.04, timeout=5.0):
        self.node, self.target, self.period, self.timeout = node, (address, port), period, timeout
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.attempts, self.stopped = [], False
        self.sockets = collections.deque()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join(self.timeout + 5)

    def _run(self):
        running = []
        while not self.stopped:
            t = threading.Thread(target=lambda: self.node.in_netns(self._attempt), daemon=True)
            t.start()  # setns acts on the calling thread alone
            running = [r for r in running if r.is_alive()] + [t]
            time.sleep(self.period)
        for t in running:
            t.join(self.timeout + 1)

    def _attempt(self):
        start = time.monotonic()
        answer, error = None, None
        try:
            answer = fetch(self.family, self.target, self.timeout)
        except OSError as e:
            error = type(e).__name__
        self.attempts.append((start, time.monotonic(), answer, error))

    def errors(self, since=0.0):
        return [a for a in self.attempts if a[3] and a[0] >= since]

    def longest_gap(self, since=0.0):
        """Longest time without a completed attempt, in seconds."""
        ends = [since] + sorted(a[1] for a in list(self.attempts) if a[2] and a[1] >= since)
        return max((b - a for a, b in zip(ends, ends[1:])), default=float("inf"))


def fetch(family, target, timeout=5.0, path="/"):
    """One HTTP request on a connection of its own; returns the body."""
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(target)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise OSError(f"answer {head[:40]!r}")
    return body.decode().strip()


def shares(node, address, count, port=80):
    """Names of the servers that answered `count` connections, each new."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def loop():
        return collections.Counter(fetch(family, (address, port)) for _ in range(count))

    return node.in_netns(loop)


def wrk(node, url, connections, seconds, threads=1):
    """Run wrk; returns {requests, errors, text}."""
    out = node.out("wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s", url,
                   timeout=seconds + 60)
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    m = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"requests": requests, "errors": errors + (int(m.group(1)) if m else 0), "text": out}
