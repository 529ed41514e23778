# SPDX-License-Identifier: BSD-3-Clause
"""Soak: mixed traffic, servers up and down, commits, kill -9 of the balancer, for half an hour in `make nightly`
(--soak 1800) and for some seconds in CI, so that the test itself is known to work.

Memory is flat, no flow is leaked once traffic has ended, the sums of all counters hold in every life of the app.
"""
import os
import pathlib
import random
import socket
import statistics
import threading
import time

import pytest
from border import VIP4, VIP6, Border, sums_hold
from clients import Crowd, Probe, wrk
from lab import wait_for
from test_kill import Changes, check_whole

DAEMONS = ("sluice-lb", "sluiced", "sluice-checkd")
IDLE_S = 3  # the idle time after which flows end in this lab


def say(capsys, text):
    with capsys.disabled():
        print(f"\n{text}", flush=True)


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().split("\n"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise ValueError("no RssAnon")


class Udp:
    """A UDP client that asks an echo service from many ports; counts what came back."""

    def __init__(self, lab):
        self.lab, self.sent, self.answered, self.stopped = lab, 0, 0, False
        self.thread = threading.Thread(target=lambda: lab.client.in_netns(self._loop), daemon=True)

    def _loop(self):
        while not self.stopped:
            for family, vip in ((socket.AF_INET, VIP4), (socket.AF_INET6, VIP6)):
                with socket.socket(family, socket.SOCK_DGRAM) as s:
                    s.settimeout(0.2)
                    s.connect((vip, 5000))
                    for size in (1, 100, 1200, 4000):  # the last in fragments
                        self.sent += 1
                        try:
                            s.send(b"x" * size)
                            self.answered += len(s.recv(5000)) == size
                        except OSError:
                            pass
            time.sleep(0.02)


ECHO = """
import selectors, socket
sel = selectors.DefaultSelector()
for f, a in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    s = socket.socket(f, socket.SOCK_DGRAM)
    if f == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((a, 5000))
    sel.register(s, 1)
while True:
    for k, _ in sel.select():
        d, a = k.fileobj.recvfrom(65535)
        k.fileobj.sendto(d, a)
"""


def soak_config(lab):
    config = lab.config()
    lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
    lb["timeouts"] = {"tcp-syn": IDLE_S * 1000, "tcp-established": IDLE_S * 1000, "tcp-closing": 500, "udp": IDLE_S * 1000}
    lb["pools"]["pool"] += [
        {"name": f"echo{f}", "scheduler": "round-robin",
         "servers": {"server": [{"name": s.name, "address": s.ip4 if f == 4 else s.ip6, "port": 5000} for s in lab.servers]}}
        for f in (4, 6)]
    lb["services"]["service"] += [
        {"name": f"echo{f}", "address": vip, "port": 5000, "protocol": "udp", "pool": f"echo{f}",
         "local-address-pool": "snat"} for f, vip in ((4, VIP4), (6, VIP6))]
    # Beside web4 and web6 (FULLNAT): the same servers by NAT, by other schedulers, with persistence.
    by_name = {p["name"]: p for p in lb["pools"]["pool"]}
    for f, vip, how in ((4, VIP4, "least-connections"), (6, VIP6, "maglev")):
        lb["pools"]["pool"].append(dict(by_name[f"web{f}"], name=f"nat{f}", scheduler=how))
        lb["services"]["service"].append(
            {"name": f"nat{f}", "address": vip, "port": 8080, "protocol": "tcp", "pool": f"nat{f}", "forwarding": "nat",
             "persistence": {"timeout": 2000}})
    return config


@pytest.fixture(scope="module")
def lab():
    with Border(servers=3, capture=False) as lab:
        lab.serve_http()
        for s in lab.servers:
            s.node.start(f"echo-{s.name}", "/usr/bin/python3", "-c", ECHO)
        lab.supervise()
        lab.configure(soak_config(lab))
        lab.wait_all_up()
        yield lab


class Samples:
    """Memory and open files of each daemon, twice a second, by life."""

    def __init__(self, lab):
        self.lab, self.lives, self.stopped = lab, {name: {} for name in DAEMONS}, False
        self.files = {name: {} for name in DAEMONS}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopped:
            for name in DAEMONS:
                pid = self.lab.daemon_pid(name)
                try:
                    self.lives[name].setdefault(pid, []).append(rss_kib(pid))
                    self.files[name].setdefault(pid, []).append(len(os.listdir(f"/proc/{pid}/fd")))
                except (OSError, ValueError):
                    pass
            time.sleep(0.5)

    def stop(self):
        self.stopped = True
        self.thread.join(5)

    def grown(self, name, lives=None):
        """How much the median of the last quarter of a life is above that of the second, in KiB: the worst life."""
        lives = self.lives[name] if lives is None else lives
        long_enough = [n for n in lives.values() if len(n) >= 16]
        assert long_enough, f"{name} never lived for 8 s: {lives}"
        quarters = [(n[len(n) // 4:len(n) // 2], n[-(len(n) // 4):]) for n in long_enough]
        return max(statistics.median(last) - statistics.median(second) for second, last in quarters)


class Trouble:
    """What happens meanwhile, in turn: a server dies and comes back; the balancer is killed."""

    def __init__(self, lab):
        self.lab, self.rng = lab, random.Random(4)
        self.deaths = self.kills = 0

    def server(self):
        s = self.rng.choice(self.lab.servers)
        s.stop_http()
        time.sleep(1.5)
        s.serve_http()
        self.deaths += 1

    def kill(self):
        check_sums(self.lab)
        old = self.lab.kill9("sluice-lb")
        wait_for("the balancer is back", lambda: self.lab.daemon_pid("sluice-lb") not in (0, old), 10)
        self.kills += 1



def check_sums(lab):
    s = lab.whole_counters()["sum"]
    assert sums_hold(s), s


def test_soak(lab, request, capsys):
    seconds = request.config.getoption("--soak")
    trouble = Trouble(lab)
    udp = Udp(lab)
    udp.thread.start()
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 100, 0.5)
    crowd.wait_all()
    samples = Samples(lab)
    end = time.monotonic() + seconds
    requests = errors = turn = 0
    with Changes(lab) as changes, Probe(lab.client, VIP6, period=0.05) as probe:
        while time.monotonic() < end:
            vip = VIP4 if turn % 2 else f"[{VIP6}]"
            r = wrk(lab.client, f"http://{vip}:{8080 if turn % 4 < 2 else 80}/", 50, 2)
            requests, errors = requests + r["requests"], errors + r["errors"]
            if turn % 3 == 1:
                trouble.server()
            if turn % 9 == 5:
                trouble.kill()
            turn += 1
        wait_for("commits go on", lambda: changes.acked_at == len(changes.asked) - 1, 20)
    samples.stop()
    check_whole(lab, changes)
    udp.stopped = True
    udp.thread.join(10)
    crowd.stop()
    check_sums(lab)
    say(capsys, f"soak {seconds} s: {requests} requests, {len(probe.attempts)} short connections, {udp.answered} of {udp.sent} "
                f"datagrams answered, {len(changes.acked)} commits, {trouble.deaths} servers died, {trouble.kills} kills; growth "
                + ", ".join(f"{n} {samples.grown(n) / 1024:.1f} MiB" for n in DAEMONS))
    # Errors of clients come with deaths of servers alone: each ends the connections that it had.
    assert errors <= 60 * trouble.deaths, errors
    assert udp.answered > 0.9 * udp.sent
    assert requests > 100 * seconds and changes.acked
    for name in DAEMONS:
        assert samples.grown(name) < 4096, (name, samples.lives[name])
        assert samples.grown(name, samples.files[name]) <= 4, (name, samples.files[name])
    wait_for("every flow has ended", lambda: lab.lb_state()["state"].get("active-flows") in (0, "0"), 30 + IDLE_S, 0.5)
    check_sums(lab)
