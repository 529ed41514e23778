# SPDX-License-Identifier: BSD-3-Clause
"""Clients used by several lab tests: the keep-alive crowd, a connect probe, wrk."""
import collections
import json
import pathlib
import re
import selectors
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
    """Starts a connection every `period` seconds, whatever became of those before: each asks, reads the
    name of the server and ends. Runs in a thread.

    Each attempt is (start, end, answer or None, error). An attempt lasts at most `timeout`; a SYN that is
    lost is sent again by the kernel after a second, so what tells when service is back is the first
    attempt that was *started* late enough, see back_after().
    """

    def __init__(self, node, address, port=80, period=0.02, timeout=10.0):
        self.node, self.target, self.period, self.timeout = node, (address, port), period, timeout
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.attempts, self.stopped = [], False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.join(self.timeout + 5)

    def _run(self):
        self.node.in_netns(self._loop)  # setns acts on the calling thread alone

    def _start(self, sel):
        s = socket.socket(self.family, socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex(self.target)
        sel.register(s, selectors.EVENT_WRITE, [time.monotonic(), b""])

    def _step(self, sel, s, seen):
        """Returns the error's name or the answer when the attempt is over."""
        try:
            if sel.get_key(s).events == selectors.EVENT_WRITE:
                s.sendall(b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
                sel.modify(s, selectors.EVENT_READ, seen)
                return None
            data = s.recv(65536)
        except OSError as e:
            return None, type(e).__name__
        seen[1] += data
        if data:
            return None
        head, _, body = seen[1].partition(b"\r\n\r\n")
        return (body.decode().strip(), None) if b" 200 " in head[:20] else (None, f"answer {head[:30]!r}")

    def _loop(self):
        sel, due = selectors.EpollSelector(), 0.0
        while not self.stopped or sel.get_map():
            now = time.monotonic()
            if now >= due and not self.stopped:
                due = now + self.period
                self._start(sel)
            for key, _ in sel.select(self.period / 4):
                over = self._step(sel, key.fileobj, key.data)
                if over:
                    self._end(sel, key, *over)
            now = time.monotonic()
            for key in list(sel.get_map().values()):
                if now - key.data[0] > self.timeout:
                    self._end(sel, key, None, "timeout")
        sel.close()

    def _end(self, sel, key, answer, error):
        sel.unregister(key.fileobj)
        key.fileobj.close()
        self.attempts.append((key.data[0], time.monotonic(), answer, error))

    def errors(self, since=0.0):
        return [a for a in list(self.attempts) if a[3] and a[0] >= since]

    def back_after(self, since):
        """Seconds from `since` (a kill) to the end of the first answered attempt that was started later."""
        return min((a[1] for a in list(self.attempts) if a[2] and a[0] > since), default=float("inf")) - since


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


def request(s):
    """One request on a connection that stays open; returns the body (a line)."""
    s.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data or not data.endswith(b"\n"):
        chunk = s.recv(65536)
        if not chunk:
            raise ConnectionResetError("ended")
        data += chunk
    return data.partition(b"\r\n\r\n")[2].decode().strip()


def download(lab, address, size=20 << 20):
    """A large file from the servers behind `address`, whole."""
    (lab.www / "large").write_bytes(b"0123456789abcdef" * (size // 16))
    out = lab.client.out("curl", "-sf", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}",
                         f"http://{address}/large")
    assert int(out) == size


def shares(node, address, count, port=80):
    """Names of the servers that answered `count` connections, each new."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def loop():
        return collections.Counter(fetch(family, (address, port)) for _ in range(count))

    return node.in_netns(loop)


def wrk_command(url, connections, seconds, threads=1):
    return ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s", url]


def wrk(node, url, connections, seconds, threads=1):
    """Run wrk; returns {requests, errors, text}."""
    return wrk_result(node.out(*wrk_command(url, connections, seconds, threads), timeout=seconds + 60))


def wrk_result(out):
    """What wrk printed, as {requests, errors, text}."""
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    m = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    errors = sum(int(n) for n in m.groups()) if m else 0
    m = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"requests": requests, "errors": errors + (int(m.group(1)) if m else 0), "text": out}
