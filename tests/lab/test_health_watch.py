# SPDX-License-Identifier: BSD-3-Clause
"""What stands beside a server's check, through the whole of Sluice: agents with their weights, connections of clients that
fail, flapping that is held down; and checks by echo, datagram and TLS handshake. IPv4 and IPv6."""
import re
import socket
import threading
import time

import pytest
from border import VIP4, VIP6, Border
from clients import fetch, shares
from lab import wait_for

POOLS = ("web4", "web6")


@pytest.fixture(scope="module")
def lab():
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.start_sluice()
        yield lab


class Agent:
    """An agent on a server, both families: says `line` to whoever connects."""

    def __init__(self, server, port):
        self.line = b"100%\n"
        for family, address in ((socket.AF_INET, server.ip4), (socket.AF_INET6, server.ip6)):
            s = server.node.in_netns(socket.socket, family)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.listen(16)
            threading.Thread(target=self.run, args=(s,), daemon=True).start()

    def run(self, s):
        while True:
            conn, _ = s.accept()
            with conn:
                try:
                    conn.sendall(self.line)
                except OSError:
                    pass


def state(lab, name):
    pool, server = name.split("/")
    p = next(p for p in lab.lb_state()["pools"]["pool"] if p["name"] == pool)
    return next(s for s in p["servers"]["server"] if s["name"] == server).get("state", {})


def wait_state(lab, server, timeout=10, **want):
    """Until the server's state says so in both pools."""
    def there():
        return all(state(lab, f"{p}/{server}").get(k.replace("_", "-")) == v for p in POOLS for k, v in want.items())
    try:
        wait_for(f"{server} has {want}", there, timeout, 0.1)
    except Exception as e:
        raise AssertionError(f"{server}: {want} wanted, is {[state(lab, f'{p}/{server}') for p in POOLS]}") from e


def ready(lab, **kw):
    lab.configure(lab.config(**kw))
    for s in lab.servers:
        for pool in POOLS:
            lab.wait_health(f"{pool}/{s.name}", "up")


def test_an_agent_says_weight_drain_maint_and_down(lab):
    agent = Agent(lab.servers[1], 8100)
    ready(lab, check="tcp", weights=[100, 100, 100], agent={"port": 8100, "interval": 100})
    agent.line = b"50%\n"
    wait_state(lab, "s2", agent="50%", effective_weight="50.0")
    for vip in (VIP4, VIP6):
        assert shares(lab.client, vip, 100)["s2"] == 20  # of 100 : 50 : 100
    assert re.search(r"s2 .* 50/100 .*agent says 50%", lab.ctl("show", "servers", "web4").stdout)
    agent.line = b"drain\n"
    wait_state(lab, "s2", agent="drain 50%", available=False, health="up")
    for vip in (VIP4, VIP6):
        assert set(shares(lab.client, vip, 20)) == {"s1", "s3"}
    agent.line = b"ready down 100% # nightly backup\n"
    wait_state(lab, "s2", health="down", reason="agent: down: nightly backup")
    lab.daemons["sluice-checkd"].kill()  # what it said outlives the checker
    time.sleep(0.5)
    wait_state(lab, "s2", health="down", reason="agent: down: nightly backup")
    lab.start_checkd()
    agent.line = b"up\n"
    wait_state(lab, "s2", health="up", available=True, agent="100%")


def test_failed_connections_of_clients_mark_a_server_sooner_than_its_check(lab):
    """The check comes once a minute. A port that is closed, and one that is silent, are found by clients."""
    ready(lab, check="tcp", passive={"failures": 3, "hold": 2000})
    slow = {"check": "tcp", "interval": 60000, "fall": 3, "passive": {"failures": 3, "hold": 4000}}
    lab.configure(lab.config(**slow))
    for vip in (VIP4, VIP6):
        shares(lab.client, vip, 12)
    lab.servers[1].stop_http()
    time.sleep(0.7)  # what was good before is no part of the row
    begin = time.monotonic()
    for vip, family in ((VIP4, socket.AF_INET), (VIP6, socket.AF_INET6)):
        for _ in range(12):  # a third of them is refused
            try:
                lab.client.in_netns(fetch, family, (vip, 80))
            except OSError:
                pass
    wait_state(lab, "s2", timeout=4, health="down", passive_down=True)
    assert time.monotonic() - begin < 10
    assert state(lab, "web4/s2")["reason"].startswith("passive: ") and "held-until" in state(lab, "web4/s2")
    for vip in (VIP4, VIP6):
        assert set(shares(lab.client, vip, 20)) == {"s1", "s3"}
    lab.servers[1].serve_http()
    wait_state(lab, "s2", timeout=8, health="up", passive_down=False)
    for vip in (VIP4, VIP6):
        assert set(shares(lab.client, vip, 30)) == {"s1", "s2", "s3"}


def test_silence_counts_at_the_second_syn_and_a_good_check_clears_it(lab):
    """s2 drops what comes from the balancer's local addresses only: its check is good all along, so that the mark of the
    clients is taken back as soon as the checker was asked; that it was made is in the log."""
    ready(lab, check="tcp", interval=60000, passive={"failures": 2, "hold": 60000})
    node = lab.servers[1].node
    node.run("nft", "table ip cut { chain in { type filter hook input priority 0; "
             "ip saddr { 10.20.0.200, 10.20.0.201 } tcp dport 80 drop; }; }")
    try:
        socks = []
        for _ in range(9):
            s = lab.client.tcp_socket(socket.AF_INET)
            s.setblocking(False)
            s.connect_ex((VIP4, 80))
            socks.append(s)
        log = lab.daemons["sluice-lb"]
        wait_for("the mark is made", lambda: "web4/s2 is down: passive: " in log.tail(200), 6, 0.1)
        lab.wait_health("web4/s2", "up", 5)
        for s in socks:
            s.close()
    finally:
        node.run("nft", "delete", "table", "ip", "cut")


def test_a_flapping_server_is_held_down(lab):
    ready(lab, check="tcp", interval=100, timeout=90, rise=1, fall=1, damping={"changes": 4, "window": 60000, "hold": 3000})
    for _ in range(2):
        lab.servers[2].stop_http()
        for pool in POOLS:
            lab.wait_health(f"{pool}/s3", "down")
        lab.servers[2].serve_http()
        time.sleep(0.5)
    wait_state(lab, "s3", health="down", damped=True)
    s = state(lab, "web6/s3")
    assert s["reason"].startswith("held down: it changed 4 times within 60 s") and "held-until" in s
    assert "held down" in lab.ctl("show", "servers").stdout
    lab.daemons["sluice-lb"].kill()  # a restart is no way out
    lab.start_lb()
    wait_for("state", lambda: lab.health().get("web4/s3"), 5)
    wait_state(lab, "s3", health="down", damped=True)
    wait_state(lab, "s3", timeout=8, health="up", damped=False)


def test_checks_by_echo_datagram_and_handshake(lab):
    ready(lab, check="icmp")
    lab.configure(lab.config(check="udp", udp={"send": "aGVsbG8="}))  # nobody listens on UDP port 80
    wait_state(lab, "s1", health="down", reason="port unreachable")
    lab.configure(lab.config(check="tls", tls={"verify": False}))  # nginx speaks plain HTTP there
    wait_for("the handshake fails", lambda: state(lab, "web4/s1").get("reason", "").startswith("TLS: "), 5)
    lab.configure(lab.config(check="https", tls={"verify": False}, http={"path": "/"}))
    wait_for("so does HTTPS", lambda: state(lab, "web6/s1").get("reason", "").startswith("TLS: "), 5)
    ready(lab, check="http")
