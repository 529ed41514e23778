# SPDX-License-Identifier: BSD-3-Clause
"""Large datagrams and path MTU through two balancers in a chain over a link that carries less than its neighbours.

    far -1500- ra -1300- client - up [ lb1 =1400= lb2 ] down - (bridge) - s1 -1300- rd -1500- deep
                                                                   \\ - s2

`far` and `deep` think that 1,500 bytes get through. ICMP errors of the routers client and s1 are about connections of
lb1's and lb2's with each other and go to addresses of theirs; each passes both. The prefixes of the link are of many
addresses: the node that both share has the same ones in its own tables.
"""
import errno
import json
import random
import socket

import pytest

from border import VIP4, VIP6, Border
from lab import wait_for
from test_frag import ECHO, SERVER as ECHO_SERVER, SIZES
from test_link import END_A, END_B, LOCAL1, LOCAL2, MID4, MID6, balancer
from test_pmtu import HTTP_SERVER, curl_both_ways, narrow_hosts

NEAR, DEEP = 8001, 8002  # ports of services: to s2, to deep
LINK_MTU, PATH_MTU = 1400, 1300
MIB = 3


def chain(lab):
    def pool(name, port, *servers):
        return {"name": name, "servers": {"server": [{"name": n, "address": a, "port": port} for n, a in servers]}}

    def service(name, address, port, proto="tcp"):
        return {"name": name, "address": address, "port": port, "protocol": proto, "pool": name,
                "local-address-pool": "snat"}
    first, second, services1, services2 = [], [], [], []
    s2 = lab.servers[1]
    for f, vip, mid, near, deep in ((4, VIP4, MID4, s2.ip4, "10.40.0.2"), (6, VIP6, MID6, s2.ip6, "fd40::2")):
        for name, port, server in (("near", NEAR, near), ("deep", DEEP, deep)):
            first.append(pool(f"{name}{f}", port, ("next", mid)))
            second.append(pool(f"{name}{f}", 80, (name, server)))
            services1.append(service(f"{name}{f}", vip, port))
            services2.append(service(f"{name}{f}", mid, port))
        first.append(pool(f"echo{f}", ECHO, ("next", mid)))
        second.append(pool(f"echo{f}", ECHO, ("near", near)))
        services1.append(service(f"echo{f}", vip, ECHO, "udp"))
        services2.append(service(f"echo{f}", mid, ECHO, "udp"))
    return {
        "ietf-interfaces:interfaces": {"interface": [
            {"name": n, "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": o}}
            for n, o in (("up", "lb1"), ("down", "lb2"))]},
        "sluice-port:links": {"link": [{
            "name": "mid", "mtu": LINK_MTU,
            "a": {"owner": "lb1", "ipv4-address": END_A[0], "ipv6-address": END_A[1],
                  "prefix": ["10.30.0.0/28", "fd30::/124"]},
            "b": {"owner": "lb2", "ipv4-address": END_B[0], "ipv6-address": END_B[1],
                  "prefix": ["10.31.0.0/24", "fd31::/64"]}}]},
        "sluice-lb:load-balancers": {"load-balancer": [
            balancer("lb1", LOCAL1, first, services1), balancer("lb2", LOCAL2, second, services2)]},
    }


class ChainLab(Border):
    def __init__(self):
        super().__init__(servers=2)
        try:
            self._hosts()
            self.start_lb("--instance", "lb1")
            self.start_lb("--instance", "lb2")
            self.start_sluiced()
            self.configure(chain(self))
        except BaseException:
            self.close()
            raise

    def _hosts(self):
        s2 = self.servers[1]
        narrow_hosts(self, 50, PATH_MTU)
        for node in (self.deep, s2.node):
            node.start("http", "/usr/bin/python3", "-c", HTTP_SERVER)
            wait_for("the servers", lambda n=node: n.listening(80))
        s2.node.start("echo", "/usr/bin/python3", "-c", ECHO_SERVER)
        wait_for("echo", lambda: s2.node.listening(ECHO, "udp"))

    def detail(self, instance):
        with self.rpc() as c:
            return c.call("app-query", instance=instance, name="counters", args={})["detail"]

    def drops(self, instance):
        with self.rpc() as c:
            return {k: n for k, n in c.call("app-query", instance=instance, name="counters", args={})["drop"].items() if n}


@pytest.fixture(scope="module")
def lab():
    with ChainLab() as the_lab:
        wait_for("a page through both", lambda: page(the_lab, VIP4, NEAR), 10)
        wait_for("a page through both", lambda: page(the_lab, VIP6, DEEP), 10)
        yield the_lab


def page(lab, vip, port):
    url = f"http://[{vip}]:{port}/10" if ":" in vip else f"http://{vip}:{port}/10"
    return lab.client.run("curl", "-sf", "-m", "2", url, check=False).stdout


def up_and_down(lab, node, vip, port, up):
    """What `node` has learnt of the way once it has sent is `up`; returns with what the server has learnt."""
    def uploaded():
        assert mtu_to(node, vip) == up
        forget(lab)
    forget(lab)
    curl_both_ways(lab, node, vip, port, MIB << 20, uploaded)
    return mtu_to(lab.deep if port == DEEP else lab.servers[1].node, LOCAL2[":" in vip])


def forget(lab):
    for node in (lab.far, lab.client, lab.deep, lab.servers[1].node):
        node.run("ip", "route", "flush", "cache")
        node.run("ip", "-6", "route", "flush", "cache")


def mtu_to(node, address):
    """What the kernel has learnt of the way; 0: nothing."""
    entry = node.out("ip", *(["-6"] if ":" in address else []), "route", "get", address).split()
    return int(entry[entry.index("mtu") + 1]) if "mtu" in entry else 0


VIPS = pytest.mark.parametrize("vip", [VIP4, VIP6], ids=["ipv4", "ipv6"])


def passed_by_both(lab, before, name):
    for n in ("lb1", "lb2"):
        assert lab.detail(n)[name] > before[n][name], n


def details(lab):
    return {n: lab.detail(n) for n in ("lb1", "lb2")}


@VIPS
def test_both_ends_find_the_mtu_of_the_link(lab, vip):
    """Everything but the link carries 1,500: lb1 answers the client, lb2 the server."""
    before = details(lab)
    assert up_and_down(lab, lab.client, vip, NEAR, LINK_MTU) == LINK_MTU
    passed_by_both(lab, before, "too-big-answered")


@VIPS
def test_an_error_behind_both_reaches_the_client(lab, vip):
    """s1's error is about lb2's connection with deep; lb2 tells lb1, lb1 the client."""
    before = details(lab)
    assert up_and_down(lab, lab.client, vip, DEEP, PATH_MTU) == PATH_MTU
    passed_by_both(lab, before, "icmp-errors-passed")


@VIPS
def test_an_error_before_both_reaches_the_server(lab, vip):
    """The client's error is about lb1's connection with far; lb1 tells lb2, lb2 the server."""
    before = details(lab)
    assert up_and_down(lab, lab.far, vip, NEAR, PATH_MTU) == PATH_MTU
    passed_by_both(lab, before, "icmp-errors-passed")


@VIPS
def test_narrow_on_all_sides(lab, vip):
    assert up_and_down(lab, lab.far, vip, DEEP, PATH_MTU) == PATH_MTU


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_large_datagrams_are_echoed_through_both(lab, family):
    """IPv4 pieces that are too large for the link are cut again; of IPv6 ones the sender is told, and sends again."""
    forget(lab)
    rng = random.Random(family)
    before = details(lab)
    s = lab.client.in_netns(socket.socket, family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.settimeout(1)
    s.connect((VIP4 if family == socket.AF_INET else VIP6, ECHO))
    for n, size in enumerate([1, 1300, *SIZES]):
        data = rng.randbytes(size)
        for again in range(3 if family == socket.AF_INET6 and n <= 3 else 1):
            s.send(data)
            try:
                assert s.recv(65535) == data, size
                break
            except OSError as e:  # it was told, and the datagram is lost
                assert family == socket.AF_INET6 and e.errno in (None, errno.EMSGSIZE), (size, e)
        else:
            raise AssertionError(f"no answer to {size} bytes")
    for n in ("lb1", "lb2"):
        after = lab.detail(n)
        assert after["fragments-forwarded"] > before[n]["fragments-forwarded"] + 100, n
        assert after["fragment-datagrams-completed"] > before[n]["fragment-datagrams-completed"] + 8, n
        if family == socket.AF_INET:
            assert after["made"] > before[n]["made"] + 50, n
        else:
            assert after["too-big-answered"] > before[n]["too-big-answered"], n


def test_nothing_was_lost_for_want_of_a_way(lab):
    """What waits still are later fragments whose first one was answered as too big."""
    wait_for("no fragment waits", lambda: not any(lab.detail(n)["fragments-held"] for n in ("lb1", "lb2")), 5)
    for n in ("lb1", "lb2"):
        assert not {"no-route", "no-neighbour", "icmp-no-flow", "icmp-checksum", "icmp-inner", "icmp-implausible",
                    "fragment-overlap", "fragment-limit"} & set(lab.drops(n)), lab.drops(n)


def telemetry(lab, instance, command):
    """What an rte_telemetry client gets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(5)
        s.connect(str(lab.base / "run" / "dpdk" / instance / "dpdk_telemetry.v2"))
        s.recv(1 << 16)
        s.send(command.encode())
        return json.loads(s.recv(1 << 16))[command.split(",")[0]]


def test_counters_beside_the_flows_are_shown_everywhere(lab):
    detail = lab.detail("lb2")
    state = {b["name"]: b["state"] for b in lab.state()["sluice-lb:load-balancers"]["load-balancer"]}["lb2"]
    tel = telemetry(lab, "lb2", "/sluice/lb/others")
    told = dict(line.split() for line in lab.ctl("--instance", "lb2", "show", "counters").stdout.split("DETAIL\n")[1].splitlines())
    seen = ("icmp-errors-passed", "too-big-answered", "fragments-forwarded", "fragment-datagrams", "fragment-datagrams-completed")
    for name in (*seen, "routed", "hop-limit-answered", "mss-clamped", "proxy-headers", "proxy-headers-repeated", "fragments-held"):
        n = detail[name]
        assert (n > 0) == (name in seen), name
        assert int(state[name]) == n and tel[name.replace("-", "_")] == n, name
        assert told[name].replace(",", "") == str(n), name
    assert tel["persistence_entries"] == tel["persistence_hits"] == 0
    server = telemetry(lab, "lb2", "/sluice/lb/servers")["near4/near"]
    assert server["effective_weight_hundredths"] == 100 and server["available"] == 1 and server["health"] == "unknown"
    assert server["passive_down"] == server["damped"] == 0 and "agent" not in server


def test_a_route_with_an_mtu_of_its_own(lab):
    """`ip route ... mtu`: lb2 answers for the way behind it, which its interface would carry."""
    forget(lab)
    lab.border.run("ip", "route", "replace", "10.20.0.0/24", "dev", "down", "mtu", "1340")
    lab.border.run("ip", "-6", "route", "replace", "fd20::/64", "dev", "down", "mtu", "1330", "proto", "kernel", "metric", "256")
    try:
        for vip, mtu in ((VIP4, 1340), (VIP6, 1330)):
            def learnt(vip=vip, mtu=mtu):
                curl_both_ways(lab, lab.client, vip, NEAR, 1 << 18, lambda: None)
                return mtu_to(lab.client, vip) == mtu
            wait_for("the route's MTU", learnt, 10, 0.1)
    finally:
        lab.border.run("ip", "route", "replace", "10.20.0.0/24", "dev", "down")
        lab.border.run("ip", "-6", "route", "replace", "fd20::/64", "dev", "down", "proto", "kernel", "metric", "256")
        forget(lab)
