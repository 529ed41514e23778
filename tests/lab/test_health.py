# SPDX-License-Identifier: BSD-3-Clause
"""A server dies and comes back: new flows avoid it, old ones are reset or kept, draining (L1)."""
import socket
import time

import pytest
from border import VIP4, VIP6, Border
from clients import Crowd, fetch, request, shares
from lab import wait_for


@pytest.fixture(scope="module")
def lab():
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.start_sluice()
        yield lab


def ready(lab, **kw):
    lab.configure(lab.config(**kw))
    for s in lab.servers:
        for pool in ("web4", "web6"):
            lab.wait_health(f"{pool}/{s.name}", "up")


@pytest.mark.parametrize("check", ["tcp", "http"])
def test_no_client_sees_an_error_once_the_check_has_marked_a_server(lab, check):
    ready(lab, check=check)
    lab.servers[1].stop_http()
    for pool in ("web4", "web6"):
        lab.wait_health(f"{pool}/s2", "down")
    for vip in (VIP4, VIP6):
        got = shares(lab.client, vip, 200)
        assert set(got) == {"s1", "s3"}
    lab.servers[1].serve_http()
    for pool in ("web4", "web6"):
        lab.wait_health(f"{pool}/s2", "up")
    for vip in (VIP4, VIP6):
        assert set(shares(lab.client, vip, 30)) == {"s1", "s2", "s3"}


def open_to(lab, vip, name):
    """A keep-alive connection that ended up at server `name`."""
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    for _ in range(12):
        s = lab.client.tcp_socket(family)
        s.settimeout(5)
        s.connect((vip, 80))
        if request(s) == name:
            return s
        s.close()
    raise AssertionError(f"no connection to {name} in 12 tries")


def freeze(server, on):
    """The server's port is cut off without a word: its kernel drops what arrives."""
    rule = "table inet cut { chain in { type filter hook input priority 0; meta l4proto tcp drop; }; }"
    if on:
        server.node.run("nft", rule)
        return
    server.node.run("nft", "delete", "table", "inet", "cut")
    # A check that began during the cut may still fail now: let it, then wait for good verdicts.
    time.sleep(1)
    for pool in ("web4", "web6"):
        server.lab.wait_health(f"{pool}/{server.name}", "up")


@pytest.mark.parametrize("vip,pool", [(VIP4, "web4"), (VIP6, "web6")])
def test_flows_of_a_dead_server_are_reset_when_so_configured(lab, vip, pool):
    ready(lab, on_down="reset")
    s = open_to(lab, vip, "s2")
    freeze(lab.servers[1], True)
    try:
        lab.wait_health(f"{pool}/s2", "down")
        with pytest.raises(ConnectionResetError):
            request(s)
    finally:
        freeze(lab.servers[1], False)
        s.close()


@pytest.mark.parametrize("vip,pool", [(VIP4, "web4"), (VIP6, "web6")])
def test_flows_of_a_dead_server_are_kept_when_so_configured(lab, vip, pool):
    ready(lab, on_down="keep")
    s = open_to(lab, vip, "s2")
    freeze(lab.servers[1], True)
    try:
        lab.wait_health(f"{pool}/s2", "down")
    finally:
        freeze(lab.servers[1], False)
    assert request(s) == "s2"
    s.close()


@pytest.mark.parametrize("vip,pool", [(VIP4, "web4"), (VIP6, "web6")])
def test_a_draining_server_keeps_its_flows_and_gets_no_new_ones(lab, vip, pool):
    ready(lab)
    s = open_to(lab, vip, "s2")
    lab.configure({"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "pools": {"pool": [
        {"name": pool, "servers": {"server": [{"name": "s2", "admin-state": "drain"}]}}]}}]}}, operation="merge")
    assert set(shares(lab.client, vip, 60)) == {"s1", "s3"}
    assert request(s) == "s2"
    s.close()


def test_without_any_server_tcp_is_reset_and_udp_told(lab):
    config = lab.config()
    lb = config["sluice-lb:load-balancers"]["load-balancer"][0]
    for fam in (4, 6):
        lb["pools"]["pool"].append({"name": f"none{fam}"})
        for proto in ("tcp", "udp"):
            lb["services"]["service"].append(
                {"name": f"none-{proto}{fam}", "address": VIP4 if fam == 4 else VIP6, "port": 99, "protocol": proto,
                 "pool": f"none{fam}", "local-address-pool": "snat"})
    lab.configure(config)
    for vip, family in ((VIP4, socket.AF_INET), (VIP6, socket.AF_INET6)):
        start = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            lab.client.in_netns(fetch, family, (vip, 99))
        assert time.monotonic() - start < 1.0
        u = lab.client.in_netns(socket.socket, family, socket.SOCK_DGRAM)
        u.settimeout(2)
        u.connect((vip, 99))
        with pytest.raises(ConnectionRefusedError):
            u.send(b"x")
            u.recv(100)
        u.close()


def test_verdicts_are_kept_while_checkd_is_away_and_across_a_restart(lab):
    ready(lab)
    lab.servers[2].stop_http()
    lab.wait_health("web4/s3", "down")
    lab.wait_health("web6/s3", "down")
    lab.daemons["sluice-checkd"].stop()
    time.sleep(1)
    assert lab.health()["web4/s3"] == "down"
    lab.daemons["lb"].kill() if "lb" in lab.daemons else lab.daemons["sluice-lb"].kill()
    lab.start_lb()
    wait_for("service", lambda: lab.client.in_netns(fetch, socket.AF_INET, (VIP4, 80)), 5)
    assert set(shares(lab.client, VIP4, 30)) == {"s1", "s2"}
    lab.start_checkd()
    lab.servers[2].serve_http()
    lab.wait_health("web4/s3", "up")


def connections(server):
    """Established connections through the balancer (checks come from other addresses)."""
    out = server.node.out("ss", "-Htn", "state", "established", "sport", "=", ":80")
    return sum("10.20.0.20" in line or "fd20::20" in line for line in out.splitlines())


def test_a_crowd_survives_the_death_of_another_server(lab):
    ready(lab)
    left = [connections(s) for s in lab.servers]  # by tests before this one, whose clients are gone
    crowd = Crowd(lab.client, [f"{VIP4}:80", f"[{VIP6}]:80"], 60, 0.2)
    crowd.wait_all()
    held = [connections(s) - n for s, n in zip(lab.servers, left)]
    # A third each, give or take one of each family on each worker: they go round the servers by themselves.
    workers = len(lab.counters()["worker"])
    assert sum(held) == 60 and all(abs(n - 20) <= 2 * workers for n in held), held
    lab.servers[0].stop_http()
    lab.wait_health("web4/s1", "down")
    since = time.monotonic()
    time.sleep(3)
    assert sum(crowd.lost().values()) == held[0], "the connections of the dead server end, and no others"
    assert crowd.went_on(since) == 60 - held[0]
    crowd.stop()
    lab.servers[0].serve_http()
