# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's routes and neighbours as workers see them, followed through real changes by `ip`."""
import json
import queue
import signal
import subprocess
import threading
import time

import pytest

import lab as lab_module
from lab import Lab, wait_for


class Probe:
    """mirror_probe in a node; ask() sends a command and returns its answer."""

    def __init__(self, node, *ports):
        self.answers = queue.Queue()
        self.log = node.lab.logs / "mirror-probe.log"
        self.node, self.name = node, "mirror-probe"
        with open(self.log, "wb") as err:
            self.p = subprocess.Popen(node.prefix() + [str(lab_module.program("mirror_probe")), *ports],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, bufsize=1,
                                      preexec_fn=lab_module._child_setup)
        node.lab.processes.append(self)
        threading.Thread(target=self._read, daemon=True).start()
        assert self.answers.get(timeout=10) == {"rc": 0}

    def _read(self):
        for line in self.p.stdout:
            self.answers.put(json.loads(line))

    def ask(self, command, timeout=30):
        self.p.stdin.write(command + "\n")
        return self.answers.get(timeout=timeout)

    def route(self, addr):
        return self.ask(f"route {addr}")

    def until(self, addr, timeout=3, **want):
        """Wait until the route of addr shows these values; returns it."""
        return wait_for(f"{addr}: {want}", lambda: (lambda r: r if all(r.get(k) == v for k, v in want.items()) else None)(
            self.route(addr)), timeout, step=0.005)

    def alive(self):
        return self.p.poll() is None

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").split("\n")[-lines:])


def mac_of(node, dev):
    return json.loads(node.out("ip", "-j", "link", "show", dev))[0]["address"]


@pytest.fixture
def lab():
    """node with links a and b; a peer behind each, 10.1.0.2 / fd01::2 and 10.2.0.2 / fd02::2."""
    with Lab() as lab:
        lab.main, lab.pa, lab.pb = lab.node("main"), lab.node("pa"), lab.node("pb")
        for n, (peer, dev) in enumerate(((lab.pa, "a"), (lab.pb, "b")), 1):
            lab.veth(lab.main, dev, peer, "eth0")
            lab.main.addr(dev, f"10.{n}.0.1/24", f"fd0{n}::1/64")
            peer.addr("eth0", f"10.{n}.0.2/24", f"fd0{n}::2/64")
        lab.probe = Probe(lab.main, "a", "b")
        yield lab


@pytest.mark.parametrize("peer, other", [("10.1.0.2", "10.1.0.77"), ("fd01::2", "fd01::77")])
def test_a_waiting_packet_makes_the_kernel_resolve(lab, peer, other):
    r = lab.probe.route(peer)
    assert (r["kind"], r["state"], r["port"]) == ("glean", "pending", "a")
    start = time.monotonic()
    lab.probe.ask(f"want {peer}")
    r = lab.probe.until(peer, kind="host", state="resolved")
    took = time.monotonic() - start
    assert r["mac"] == mac_of(lab.pa, "eth0")
    assert took < 0.2, f"resolved only after {took:.3f} s"
    assert lab.probe.route(other)["kind"] == "glean"


def test_routes_come_and_go(lab):
    p, ip = lab.probe, lambda *a: lab.main.run("ip", *a)
    assert p.route("20.0.0.1")["index"] == 0
    ip("route", "add", "20.0.0.0/8", "via", "10.1.0.2")
    r = p.until("20.0.0.1", port="a", address="10.1.0.2")
    generation = r["generation"]
    ip("route", "add", "20.1.0.0/16", "via", "10.2.0.2")
    r = p.until("20.1.0.1", port="b")
    assert r["generation"] != generation
    assert p.route("20.2.0.1")["port"] == "a"
    ip("route", "add", "blackhole", "20.1.2.0/24")
    p.until("20.1.2.1", index=0)
    ip("route", "del", "blackhole", "20.1.2.0/24")
    p.until("20.1.2.1", port="b")
    ip("route", "replace", "20.1.0.0/16", "via", "10.1.0.2")
    p.until("20.1.0.1", port="a")
    ip("route", "del", "20.1.0.0/16")
    ip("route", "del", "20.0.0.0/8")
    p.until("20.0.0.1", index=0)
    ip("-6", "route", "add", "default", "via", "fd02::2")
    p.until("2001:db8::1", port="b", address="fd02::2")
    ip("-6", "route", "add", "unreachable", "2001:db8::/32")
    p.until("2001:db8::1", index=0)


def test_a_route_behind_another_takes_over_when_that_one_goes(lab):
    p, ip = lab.probe, lambda *a: lab.main.run("ip", *a)
    ip("route", "add", "20.0.0.0/8", "via", "10.1.0.2", "metric", "10")
    ip("route", "add", "20.0.0.0/8", "via", "10.2.0.2", "metric", "20")
    p.until("20.0.0.1", port="a")
    ip("route", "del", "20.0.0.0/8", "via", "10.1.0.2")
    p.until("20.0.0.1", port="b")
    ip("route", "add", "30.0.0.0/8", "via", "10.1.0.2")
    ip("route", "append", "30.0.0.0/8", "via", "10.2.0.2")  # same key: IPv4 has an alias now
    p.until("30.0.0.1", port="a")
    ip("route", "del", "30.0.0.0/8", "via", "10.1.0.2")
    p.until("30.0.0.1", port="b")
    ip("route", "prepend", "30.0.0.0/8", "via", "10.1.0.2")
    p.until("30.0.0.1", port="a")


def shares(probe, fmt, count=200):
    seen = {}
    for i in range(count):
        port = probe.route(fmt.format(i)).get("port")
        seen[port] = seen.get(port, 0) + 1
    return seen


def test_equal_cost_paths_share_and_one_that_dies_gives_way(lab):
    p, ip = lab.probe, lambda *a: lab.main.run("ip", *a)
    ip("route", "add", "20.0.0.0/8", "nexthop", "via", "10.1.0.2", "nexthop", "via", "10.2.0.2")
    p.until("20.0.0.1", kind="host")
    seen = shares(p, "20.0.0.{}")
    assert set(seen) == {"a", "b"} and min(seen.values()) > 50, seen
    ip("link", "set", "dev", "b", "down")
    wait_for("all over a", lambda: set(shares(p, "20.0.0.{}", 40)) == {"a"})
    ip("link", "set", "dev", "b", "up")
    ip("route", "replace", "20.0.0.0/8", "nexthop", "via", "10.1.0.2", "nexthop", "via", "10.2.0.2")
    wait_for("both again", lambda: set(shares(p, "20.0.0.{}", 40)) == {"a", "b"})
    lab.pa.run("ip", "link", "set", "dev", "eth0", "down")  # the cable is pulled: no event for the routes
    wait_for("all over b", lambda: set(shares(p, "20.0.0.{}", 40)) == {"b"})
    lab.pa.run("ip", "link", "set", "dev", "eth0", "up")
    wait_for("both again", lambda: set(shares(p, "20.0.0.{}", 40)) == {"a", "b"})
    ip("route", "replace", "20.0.0.0/8", "nexthop", "via", "10.1.0.2", "weight", "1", "nexthop", "via", "10.2.0.2",
       "weight", "3")
    wait_for("three quarters over b", lambda: shares(p, "20.0.0.{}").get("b", 0) > 125)
    ip("route", "del", "20.0.0.0/8")
    p.until("20.0.0.1", index=0)


def test_ipv6_paths_leave_one_by_one(lab):
    p, ip = lab.probe, lambda *a: lab.main.run("ip", "-6", *a)
    ip("route", "add", "2001:db8::/32", "nexthop", "via", "fd01::2", "nexthop", "via", "fd02::2")
    p.until("2001:db8::1", kind="host")
    seen = shares(p, "2001:db8::{:x}")
    assert set(seen) == {"a", "b"} and min(seen.values()) > 50, seen
    ip("route", "del", "2001:db8::/32", "via", "fd01::2")
    wait_for("all over b", lambda: set(shares(p, "2001:db8::{:x}", 40)) == {"b"})
    ip("route", "append", "2001:db8::/32", "via", "fd01::2")
    wait_for("both again", lambda: set(shares(p, "2001:db8::{:x}", 40)) == {"a", "b"})


def test_what_the_kernel_drops_in_silence_is_noticed(lab):
    p, ip = lab.probe, lambda *a: lab.main.run("ip", *a)
    ip("addr", "add", "10.1.0.9/32", "dev", "a")
    ip("route", "add", "20.0.0.0/8", "via", "10.1.0.2")
    ip("route", "add", "30.0.0.0/8", "via", "10.2.0.2", "src", "10.1.0.9")
    p.until("20.0.0.1", port="a")
    p.until("30.0.0.1", port="b")
    assert p.ask("kernel 10.1.0.9") == {"kernel": True}
    ip("addr", "del", "10.1.0.9/32", "dev", "a")  # takes routes with this source along
    p.until("30.0.0.1", index=0)
    assert p.ask("kernel 10.1.0.9") == {"kernel": False}
    ip("link", "set", "dev", "a", "down")  # takes all its IPv4 routes along
    p.until("20.0.0.1", index=0)
    p.until("10.1.0.2", index=0)
    ip("link", "set", "dev", "a", "up")
    p.until("10.1.0.2", kind="glean")
    assert p.route("20.0.0.1")["index"] == 0


def test_a_next_hop_in_use_is_kept_confirmed(lab):
    p = lab.probe
    for dev in ("a", "b"):
        lab.main.sysctl(f"net.ipv4.neigh.{dev}.delay_first_probe_time", 1)
    p.ask("want 10.1.0.2")
    p.ask("want 10.2.0.2")
    used = p.until("10.1.0.2", state="resolved")["index"]
    p.until("10.2.0.2", state="resolved")
    for dev, addr in (("a", "10.1.0.2"), ("b", "10.2.0.2")):
        lab.main.run("ip", "neigh", "change", addr, "dev", dev, "lladdr", mac_of(lab.pa if dev == "a" else lab.pb, "eth0"),
                     "nud", "stale")

    def nud(dev, addr):
        return json.loads(lab.main.out("ip", "-j", "neigh", "show", addr, "dev", dev))[0]["state"]

    def confirmed():
        p.ask(f"use {used}")
        return nud("a", "10.1.0.2") == ["REACHABLE"]

    wait_for("the kernel to confirm the one in use", confirmed, 8, step=0.3)
    assert nud("b", "10.2.0.2") == ["STALE"]  # nobody used it: left alone
    assert p.route("10.1.0.2")["state"] == "resolved"


def test_a_flushed_neighbour_in_use_comes_back_by_itself(lab):
    p = lab.probe
    p.ask("want 10.1.0.2")
    index = p.until("10.1.0.2", state="resolved")["index"]
    p.ask(f"use {index}")
    lab.main.run("ip", "neigh", "del", "10.1.0.2", "dev", "a")
    assert p.until("10.1.0.2", state="resolved")["index"] == index


def test_a_peer_that_moves_to_another_mac_is_followed(lab):
    p = lab.probe
    p.ask("want 10.1.0.2")
    index = p.until("10.1.0.2", state="resolved")["index"]
    lab.main.run("ip", "neigh", "replace", "10.1.0.2", "dev", "a", "lladdr", "02:00:00:00:00:77", "nud", "permanent")
    assert p.until("10.1.0.2", mac="02:00:00:00:00:77")["index"] == index
    lab.main.run("ip", "neigh", "del", "10.1.0.2", "dev", "a")
    p.ask("want 10.1.0.200")
    p.until("10.1.0.200", timeout=6, state="failed")  # nobody is there


def test_a_lost_event_is_answered_by_asking_again(lab):
    p, count = lab.probe, 30000
    before = p.ask("stats")
    batch = lab.base / "routes"
    batch.write_text("".join(f"route add 50.{i >> 8}.{i & 255}.0/24 via 10.{1 + i % 2}.0.2\n" for i in range(count)))
    p.p.send_signal(signal.SIGSTOP)
    try:
        lab.main.run("ip", "-batch", batch, timeout=120)
    finally:
        p.p.send_signal(signal.SIGCONT)
    last = count - 1
    p.until(f"50.{last >> 8}.{last & 255}.7", timeout=30, port="ab"[last % 2])
    s = wait_for("resync", lambda: (lambda s: s if s["routes"] >= before["routes"] + count else None)(p.ask("stats")), 30)
    assert s["overruns"] > before["overruns"], s
    for i in (0, 1, 12345, 29998):
        assert p.route(f"50.{i >> 8}.{i & 255}.7")["port"] == "ab"[i % 2]
    batch.write_text(batch.read_text().replace("add", "del"))
    lab.main.run("ip", "-batch", batch, timeout=120)
    p.until("50.0.0.7", timeout=30, index=0)
    wait_for("all gone", lambda: p.ask("stats")["routes"] == before["routes"], 30)


def test_a_change_is_seen_within_50_ms(lab):
    p, worst = lab.probe, 0
    for i in range(20):
        lab.main.run("ip", "route", "add", f"60.{i}.0.0/16", "via", "10.1.0.2")
        start = time.monotonic()
        p.until(f"60.{i}.0.1", port="a")
        worst = max(worst, time.monotonic() - start)
    assert worst < 0.05, worst
