# SPDX-License-Identifier: BSD-3-Clause
"""sluice-checkd against servers that refuse, hang, drip, lie and recover, and against apps that restart or lie.

No namespaces: real servers and the checker meet on the loopback, the app is fake_check_app.py."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import fake_check_app as app_wire
import lab
import pytest
from fake_check_app import DOWN, HTTP, TCP, UP, FakeApp, message, target


class Server:
    """Listens on a port of the loopback; talk(conn) is called for each connection in a thread of its own."""

    def __init__(self, talk=None, address="127.0.0.1", port=0):
        self.talk, self.address, self.requests, self.count = talk, address, [], 0
        self.times = []
        self.s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind((address, port))
        self.port = self.s.getsockname()[1]
        self.s.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.s.accept()
            except OSError:
                return
            self.count += 1
            self.times.append(time.monotonic())
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            try:
                if self.talk is not None:
                    self.talk(self, conn)
            except OSError:
                pass

    def read_request(self, conn):
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(4096)
            if not more:
                return
            data += more
        self.requests.append(data.decode())

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()


def answers(status="200 OK", body=b"all is well\n", headers=""):
    """A talk() that answers every request like this."""
    def talk(server, conn):
        server.read_request(conn)
        conn.sendall(f"HTTP/1.1 {server.status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def first(server, conn):
        if not hasattr(server, "status"):
            server.status = status
        talk(server, conn)
    return first


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Checkd:
    def __init__(self, base, *args):
        self.base = base
        self.run = base / "run"
        self.log = base / "checkd.log"
        self.args = args
        self.p = None

    def start(self, env=None):
        with open(self.log, "ab") as out:
            self.p = subprocess.Popen([str(lab.program("sluice-checkd")), "--base", str(self.base), "--user",
                                       str(lab.SLUICE_UID), *self.args], stdout=out, stderr=out,
                                      env={**os.environ, **(env or {})})
        lab.wait_for("sluice-checkd starts", lambda: b"started:" in self.log.read_bytes() or self.p.poll() is not None)
        assert self.p.poll() is None, self.log.read_text()
        return self

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        return self.p.wait(5)


@pytest.fixture
def base(tmp_path_factory):
    import pathlib
    import shutil
    import tempfile
    d = pathlib.Path(tempfile.mkdtemp(prefix="sluice-checkd-", dir="/dev/shm"))
    d.chmod(0o755)
    (d / "run").mkdir()
    yield d
    shutil.rmtree(d)


@pytest.fixture
def checkd(base):
    c = Checkd(base).start()
    yield c
    rc = c.stop()
    assert rc == 0, c.log.read_text()


@pytest.fixture
def serve(request):
    """serve(talk, address): a server that is closed afterwards."""
    made = []

    def make(*args, **kw):
        made.append(Server(*args, **kw))
        return made[-1]
    yield make
    for s in made:
        try:
            s.close()
        except OSError:
            pass


def verdict_of(checkd, t, ident=1):
    """The first verdict on one target; returns (health, latency_us, reason)."""
    app = FakeApp(checkd.run, targets=[t]).start()
    try:
        v = app.wait(lambda a: next((v for v in a.verdicts if v[1] == ident), None))
        return v[2:]
    finally:
        app.stop(unlink=True)


def test_tcp_up_and_refused(checkd, serve):
    s = serve()
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port), target(2, "127.0.0.1", closed_port())]).start()
    up, down = app.wait_health(1, UP), app.wait_health(2, DOWN)
    assert up[4] == "" and 0 < up[3] < 100000
    assert down[4] == "connect: connection refused"
    assert app.peer_hello[:3] == (app_wire.MAGIC, 2, 3) and app.peer_hello[3].split(b"\0")[0] == b"lb"
    app.stop()


def test_tcp_over_ipv6(checkd, serve):
    assert verdict_of(checkd, target(1, "::1", serve(address="::1").port))[0] == UP


def test_tcp_timeout_names_the_limit(checkd):
    """A full backlog answers no handshake: the SYN is lost as in a dead machine."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        fill = []
        for _ in range(4):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(s.getsockname())
            fill.append(c)
        assert verdict_of(checkd, target(1, "127.0.0.1", s.getsockname()[1], timeout=60))[::2] == (
            DOWN, "timeout after 60 ms")
        for c in fill:
            c.close()


def test_http_request_is_as_configured(checkd, serve):
    s = serve(answers())
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, path="/a/../b?c=d#e", host="www.example.org"))[0] == UP
    assert s.requests[0].startswith("GET /a/../b?c=d#e HTTP/1.1\r\n")
    assert "Host: www.example.org\r\n" in s.requests[0] and "Connection: close\r\n" in s.requests[0]
    assert s.requests[0].count("Host:") == 1


def test_http_over_ipv6_with_the_address_as_host(checkd, serve):
    s = serve(answers(), address="::1")
    assert verdict_of(checkd, target(1, "::1", s.port, HTTP))[0] == UP
    assert f"Host: [::1]:{s.port}\r\n" in s.requests[0]


@pytest.mark.parametrize("status,low,high,health,reason", [
    ("503 Busy", 200, 399, DOWN, "HTTP 503"),
    ("200 OK", 200, 200, UP, ""),
    ("201 Created", 200, 200, DOWN, "HTTP 201"),
    ("404 None", 404, 404, UP, ""),
    ("399 Edge", 200, 399, UP, ""),
    ("400 Edge", 200, 399, DOWN, "HTTP 400"),
])
def test_http_status_range(checkd, serve, status, low, high, health, reason):
    s = serve(answers(status))
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, status=(low, high)))[::2] == (health, reason)


def test_http_redirect_is_not_followed(checkd, serve):
    other = serve(answers())
    s = serve(answers("302 Found", headers=f"Location: http://127.0.0.1:{other.port}/\r\n"))
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, status=(200, 299)))[::2] == (DOWN, "HTTP 302")
    assert other.count == 0


def test_http_body_match(checkd, serve):
    s = serve(answers(body=b"status=ok\n"))
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, body="=ok"))[0] == UP
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, body="ready"))[::2] == (
        DOWN, 'body does not contain "ready"')


def test_http_body_match_across_pieces(checkd, serve):
    def talk(server, conn):
        server.read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for c in b"xxaabaabaac":
            conn.sendall(bytes([c]))
            time.sleep(0.002)
    assert verdict_of(checkd, target(1, "127.0.0.1", serve(talk).port, HTTP, interval=500, timeout=400,
                                     body="aabaac"))[0] == UP


def test_http_endless_body_is_bounded(checkd, serve):
    """Only the first 64 KiB count and are read; neither verdict waits for the rest."""
    sent = []

    def talk(server, conn):
        server.read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        conn.settimeout(2)
        total = 0
        try:
            while total < 100 << 20:
                total += conn.send(b"x" * 65536)
        finally:
            sent.append(total)
    s = serve(talk)
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, interval=1000, timeout=900))[0] == UP
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, interval=1000, timeout=900, body="needle"))[::2] == (
        DOWN, 'body does not contain "needle" in its first 64 KiB')
    lab.wait_for("the server's writes end", lambda: len(sent) >= 2)
    assert max(sent) < 16 << 20


def test_http_endless_header_is_bounded(checkd, serve):
    def talk(server, conn):
        server.read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in range(1000000):
            conn.sendall(b"X-%d: %s\r\n" % (i, b"y" * 200))
    assert verdict_of(checkd, target(1, "127.0.0.1", serve(talk).port, HTTP, interval=1000, timeout=900))[::2] == (
        DOWN, "answer's header is over 64 KiB")


def test_http_server_that_hangs(checkd, serve):
    s = serve(lambda server, conn: (server.read_request(conn), time.sleep(2)))
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, timeout=80))[::2] == (DOWN, "timeout after 80 ms")


def test_http_server_that_drips_is_late_as_a_whole(checkd, serve):
    """The timeout is for the whole answer: a byte now and then does not stretch it."""
    def talk(server, conn):
        server.read_request(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            conn.sendall(b"x")
            time.sleep(0.02)
    s = serve(talk)
    begin = time.monotonic()
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP, interval=400, timeout=300))[::2] == (
        DOWN, "timeout after 300 ms within the answer")
    assert time.monotonic() - begin < 1.5


@pytest.mark.parametrize("answer,reason", [
    (b"", "connection closed without an answer"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "answer is not HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "connection closed within the answer"),
])
def test_http_answers_that_are_none(checkd, serve, answer, reason):
    s = serve(lambda server, conn: (server.read_request(conn), conn.sendall(answer)))
    assert verdict_of(checkd, target(1, "127.0.0.1", s.port, HTTP))[::2] == (DOWN, reason)


def test_http_reset_is_said(checkd, serve):
    def talk(server, conn):
        server.read_request(conn)
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert verdict_of(checkd, target(1, "127.0.0.1", serve(talk).port, HTTP))[::2] == (
        DOWN, "receive: connection reset by peer")


def test_proxy_of_the_environment_is_not_used(base, serve):
    proxy, s = serve(answers()), serve(answers())
    c = Checkd(base).start(env={"http_proxy": f"http://127.0.0.1:{proxy.port}",
                                "ALL_PROXY": f"http://127.0.0.1:{proxy.port}"})
    try:
        assert verdict_of(c, target(1, "127.0.0.1", s.port, HTTP))[0] == UP
        assert proxy.count == 0 and s.count == 1
    finally:
        assert c.stop() == 0


def test_each_check_is_a_connection_of_its_own(checkd, serve):
    s = serve(answers())
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port, HTTP, interval=100, timeout=90)]).start()
    app.wait_health(1, UP)
    lab.wait_for("five checks", lambda: len(s.requests) >= 5)
    assert s.count == len(s.requests)
    app.stop()


def test_rise_and_fall_are_counted(checkd, serve):
    """fall 3, rise 2: the verdict changes with the third bad and the second good answer."""
    s = serve(answers())
    s.status = "200 OK"
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port, HTTP, interval=150, timeout=100, rise=2,
                                              fall=3)]).start()
    app.wait_health(1, UP)
    assert len(s.requests) == 2
    seen = len(s.requests)
    s.status = "500 Broken"
    down = app.wait_health(1, DOWN)
    assert down[4] == "HTTP 500" and len(s.requests) - seen in (3, 4)
    seen = len(s.requests)
    s.status = "200 OK"
    app.wait_health(1, UP, after=app.verdicts.index(down))
    assert len(s.requests) - seen in (2, 3)
    app.stop()


def test_interval_is_kept(checkd, serve):
    s = serve(answers())
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port, HTTP, interval=200, timeout=150)]).start()
    lab.wait_for("eleven checks", lambda: s.count >= 11)
    steps = [b - a for a, b in zip(s.times, s.times[1:])]
    assert abs(sum(steps[:10]) - 2.0) < 0.15
    app.stop()


def test_verdict_is_sent_on_change_only(checkd, serve):
    s = serve()
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port, interval=100)]).start()
    app.wait_health(1, UP)
    lab.wait_for("ten more checks", lambda: s.count >= 11)
    assert len(app.verdicts) == 1
    app.stop()


def test_equal_targets_are_checked_once(checkd, serve):
    s = serve()
    apps = [FakeApp(checkd.run, f"lb{n}", [target(1, "127.0.0.1", s.port, interval=500),
                                           target(2, "127.0.0.1", s.port, interval=500, pool="other")]).start()
            for n in range(3)]
    for a in apps:
        a.wait_health(1, UP)
        a.wait_health(2, UP)
    before = s.count
    time.sleep(1.6)
    assert 2 <= s.count - before <= 4  # six subscribers, one rhythm
    for a in apps:
        a.stop()


def test_app_restart_gets_its_verdicts_at_once(checkd, serve):
    s, refused = serve(), closed_port()
    targets = [target(1, "127.0.0.1", s.port, interval=60000, timeout=100),
               target(2, "127.0.0.1", refused, interval=60000, timeout=100)]
    app = FakeApp(checkd.run, targets=targets).start()
    app.wait_health(1, UP)
    app.wait_health(2, DOWN)
    for _ in range(3):
        count = len(app.verdicts)
        app.stop()
        time.sleep(0.3)
        begin = time.monotonic()
        app.start()
        app.wait(lambda a, n=count: len(a.verdicts) >= n + 2)
        assert time.monotonic() - begin < 0.25
        assert {v[1:3] for v in app.verdicts[count:]} == {(1, UP), (2, DOWN)}
    app.stop()


def test_servers_are_checked_on_while_the_app_is_away(checkd, serve):
    s = serve()
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", s.port, interval=100)]).start()
    app.wait_health(1, UP)
    app.stop()
    s.close()
    time.sleep(0.5)
    app.start()
    assert app.wait(lambda a: a.verdicts[1] if len(a.verdicts) > 1 else None)[2] == DOWN
    app.stop()


def test_targets_come_and_go(checkd, serve):
    a, b = serve(), serve()
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", a.port, interval=100)]).start()
    app.wait_health(1, UP)
    app.send(message(app_wire.TARGET, target(2, "127.0.0.1", b.port, interval=100)))
    app.wait_health(2, UP)
    app.send(message(app_wire.TARGET_DEL, app_wire.struct.pack("=HHIQ", 8, 16, 0, 1)))
    time.sleep(0.2)
    count = a.count
    lab.wait_for("the other is checked on", lambda n=b.count: b.count > n + 3)
    assert a.count == count
    app.stop()


def test_a_list_without_an_old_target_ends_its_checks(checkd, serve):
    a, b = serve(), serve()
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", a.port, interval=100),
                                       target(2, "127.0.0.1", b.port, interval=100)]).start()
    app.wait_health(1, UP)
    app.stop()
    app.targets.pop(0)
    app.start()
    app.wait(lambda x: x.connections == 2)
    time.sleep(0.2)
    count = a.count
    lab.wait_for("the other is checked on", lambda n=b.count: b.count > n + 3)
    assert a.count == count
    app.stop()


def test_a_change_of_times_keeps_what_is_known(checkd, serve):
    """A server that is down does not become unknown because its interval was edited."""
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", closed_port(), interval=100)]).start()
    app.wait_health(1, DOWN)
    count = len(app.verdicts)
    new = bytearray(app.targets[0])
    at = len(new) - 664 + 4  # interval_ms
    new[at:at + 4] = (60000).to_bytes(4, "little")
    app.send(message(app_wire.TARGET, bytes(new)))
    assert app.wait(lambda a: a.verdicts[count] if len(a.verdicts) > count else None)[1:3] == (1, DOWN)
    app.stop()


def test_instance_appears_later_and_leaves(base, serve):
    c = Checkd(base, "--verbose").start()
    try:
        s = serve()
        begin = time.monotonic()
        app = FakeApp(c.run, "late", [target(1, "127.0.0.1", s.port, interval=100)]).start()
        app.wait_health(1, UP)
        assert time.monotonic() - begin < 0.5
        app.stop(unlink=True)
    finally:
        assert c.stop() == 0


def test_only_the_named_instance_is_served(base, serve):
    s = serve()
    c = Checkd(base, "--instance", "a").start()
    try:
        a = FakeApp(c.run, "a", [target(1, "127.0.0.1", s.port)]).start()
        b = FakeApp(c.run, "b", [target(1, "127.0.0.1", s.port)]).start()
        a.wait_health(1, UP)
        time.sleep(1.2)
        assert b.connections == 0
        a.stop()
        b.stop()
    finally:
        assert c.stop() == 0


def test_root_is_given_up(checkd):
    status = open(f"/proc/{checkd.p.pid}/status").read()
    assert re.search(rf"Uid:\s+{lab.SLUICE_UID}\s+{lab.SLUICE_UID}\s+{lab.SLUICE_UID}\s+{lab.SLUICE_UID}", status)
    assert re.search(r"CapEff:\s+0+\n", status) and re.search(r"NoNewPrivs:\s+1", status)
    assert re.search(r"Groups:\s*\n", status)


def test_idle_costs_nothing(checkd):
    def ticks():
        return sum(map(int, open(f"/proc/{checkd.p.pid}/stat").read().split()[13:15]))
    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 2  # of 200


LIES = {
    "wrong magic": app_wire.hello("lb", magic=1),
    "wrong version": app_wire.hello("lb", version=3),
    "wrong role": app_wire.hello("lb", role=2),
    "another instance": app_wire.hello("other"),
    "short greeting": message(1, b"x" * 8),
    "targets before greeting": message(11, target(1, "127.0.0.1", 1)),
    "length zero": bytes(16),
    "length huge": app_wire.HDR.pack(0xFFFFFFF8, 11, 0, 1, 0),
    "length odd": app_wire.HDR.pack(17, 1, 0, 1, 1) + b"x",
    "flags": message(1, b"", flags=4),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_app_that_lies_at_greeting_is_left(checkd, lie):
    app = FakeApp(checkd.run)
    app.greeting = LIES[lie]
    app.start()
    app.wait(lambda a: a.closed_at)
    assert checkd.p.poll() is None
    assert "link closed, the app sent" in checkd.log.read_text()
    app.stop()


BAD_TARGETS = {
    "no id": target(0, "127.0.0.1", 80),
    "record type": target(1, "127.0.0.1", 80, rec_type=7),
    "record size": target(1, "127.0.0.1", 80, rec_size=8),
    "port 0": target(1, "127.0.0.1", 0),
    "unspecified": target(1, "0.0.0.0", 80),
    "multicast": target(1, "ff02::1", 80),
    "kind": target(1, "127.0.0.1", 80, kind=9),
    "interval 0": target(1, "127.0.0.1", 80, interval=0),
    "timeout over interval": target(1, "127.0.0.1", 80, interval=100, timeout=101),
    "rise 0": target(1, "127.0.0.1", 80, rise=0),
    "fall 101": target(1, "127.0.0.1", 80, fall=101),
    "name": target(1, "127.0.0.1", 80, name="a b"),
    "header in host": target(1, "127.0.0.1", 80, HTTP, host="a\r\nX: y"),
    "space in path": target(1, "127.0.0.1", 80, HTTP, path="/a b"),
    "path without slash": target(1, "127.0.0.1", 80, HTTP, path="a"),
    "status": target(1, "127.0.0.1", 80, HTTP, status=(300, 200)),
    "short": target(1, "127.0.0.1", 80)[:-8],
    "no end of string": target(1, "127.0.0.1", 80, HTTP, body="x" * 128),
}


@pytest.mark.parametrize("bad", BAD_TARGETS)
def test_a_malformed_target_ends_the_link_and_nothing_else(checkd, serve, bad):
    other = FakeApp(checkd.run, "good", [target(1, "127.0.0.1", serve().port, interval=100)]).start()
    app = FakeApp(checkd.run, "bad", [BAD_TARGETS[bad]]).start()
    app.wait(lambda a: a.closed_at)
    assert re.search(r"bad: link closed, the app sent .+", checkd.log.read_text())
    other.wait_health(1, UP)
    app.stop()
    other.stop()


def test_app_that_reads_nothing_costs_no_memory(checkd, serve):
    """Verdicts are not queued behind an app that hangs: each server waits with its newest."""
    s = serve(answers())
    app = FakeApp(checkd.run)
    app.targets = [target(i, "127.0.0.1", s.port, HTTP, interval=100, timeout=90) for i in range(1, 3001)]
    talk = app._talk

    def deaf(conn):
        conn.recv(112)
        conn.sendall(app.greeting + b"".join(message(11, t) for t in app.targets) + message(13))
        for _ in range(20):
            time.sleep(0.1)
            s.status = "200 OK" if s.status[0] == "5" else "500 Broken"
    s.status = "200 OK"
    app._talk = deaf
    app.start()
    lab.wait_for("the app has been deaf for a while", lambda: app.closed_at, timeout=10)
    rss = int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{checkd.p.pid}/status").read()).group(1))
    assert rss < 64 * 1024
    app._talk = talk
    app.stop()


def test_summary_on_sigusr1(checkd, serve):
    app = FakeApp(checkd.run, targets=[target(1, "127.0.0.1", serve().port)]).start()
    app.wait_health(1, UP)
    checkd.p.send_signal(signal.SIGUSR1)
    lab.wait_for("the summary", lambda: "lb: linked, 1 servers" in checkd.log.read_text())
    app.stop()


def test_unknown_user_is_said(base):
    p = subprocess.run([str(lab.program("sluice-checkd")), "--base", str(base), "--user", "no-such-user"], text=True,
                       stderr=subprocess.PIPE, timeout=10)
    assert p.returncode == 1 and "there is no user 'no-such-user'" in p.stderr


def test_wrong_usage_is_2():
    for args in (["--nonsense"], ["left-over"]):
        p = subprocess.run([str(lab.program("sluice-checkd")), *args], text=True, stderr=subprocess.PIPE, timeout=10)
        assert p.returncode == 2 and p.stderr


@pytest.mark.parametrize("kind", [TCP, HTTP])
def test_thousands_of_targets(checkd, kind):
    """5,000 targets (2,500 checks a second) on one loop; prints the CPU share. The limit is generous: the machine is
    shared."""
    s = socket.socket()
    s.bind(("0.0.0.0", 0))
    s.listen(4096)
    stop = threading.Event()

    def accept():
        s.settimeout(0.2)
        while not stop.is_set():
            try:
                conn = s.accept()[0]
                if kind == HTTP:  # the request is in the socket's buffer by the time it is closed
                    conn.recv(4096)
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                conn.close()
            except OSError:
                pass
    threading.Thread(target=accept, daemon=True).start()
    port = s.getsockname()[1]
    targets = [target(i, f"127.1.{i // 250}.{i % 250 + 1}", port, kind, interval=2000, timeout=1500, fall=3)
               for i in range(1, 5001)]
    app = FakeApp(checkd.run, targets=targets).start()
    app.wait(lambda a: len({v[1] for v in a.verdicts if v[2] == UP}) == 5000, timeout=20)

    def ticks():
        return sum(map(int, open(f"/proc/{checkd.p.pid}/stat").read().split()[13:15]))

    def started():
        count = checkd.log.read_text().count(" started\n")
        checkd.p.send_signal(signal.SIGUSR1)
        lab.wait_for("the summary", lambda: checkd.log.read_text().count(" started\n") > count)
        return int(re.findall(r"(\d+) started\n", checkd.log.read_text())[-1])
    t, before, checks = time.monotonic(), ticks(), started()
    time.sleep(4)
    checks = started() - checks
    wall = time.monotonic() - t
    share = (ticks() - before) / os.sysconf("SC_CLK_TCK") / wall * 100
    print(f"5,000 targets each 2 s: {checks / wall:.0f} checks/s, {share:.0f} % of a core")
    assert checks / wall > 2000 and share < 60
    assert not [v for v in app.verdicts if v[2] == DOWN]
    stop.set()
    app.stop()
