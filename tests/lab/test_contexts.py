# SPDX-License-Identifier: BSD-3-Clause
"""Two contexts with the same addresses of clients, service, local addresses and servers, side by side on
interfaces of their own: both serve at once and nothing crosses (N1).

The second context's routes stand in the same kernel with another metric; a context sees those of its own ports."""
import pathlib
import socket
import threading

import pytest
from border import VIP4, VIP6, Border, sums_hold
from lab import wait_for

HERE = pathlib.Path(__file__).parent
FAMILIES = pytest.mark.parametrize("fam", [4, 6], ids=["ipv4", "ipv6"])
VIP = {4: VIP4, 6: VIP6}
PORT = 2000


def second_world(lab):
    """The nodes of context 1, with the addresses of the first one's."""
    lab.client1, lab.server1 = lab.node("client1"), lab.node("t1")
    lab.veth(lab.client1, "eth0", lab.border, "up1")
    lab.veth(lab.border, "down1", lab.server1, "eth0")
    lab.client1.addr("eth0", "10.10.0.2/24", "fd10::2/64")
    lab.server1.addr("eth0", "10.20.0.11/24", "fd20::11/64")
    lab.server1.route("default", "10.20.0.1")
    lab.server1.run("ip", "-6", "route", "add", "default", "via", "fd20::1")
    for dev, a4, net4, a6, net6 in (("up1", "10.10.0.1/24", "10.10.0.0/24", "fd10::1/64", "fd10::/64"),
                                    ("down1", "10.20.0.1/24", "10.20.0.0/24", "fd20::1/64", "fd20::/64")):
        lab.border.run("ip", "addr", "add", a4, "dev", dev, "noprefixroute")
        lab.border.run("ip", "addr", "add", a6, "dev", dev, "nodad", "noprefixroute")
        lab.border.run("ip", "route", "add", net4, "dev", dev, "metric", "1000")
        lab.border.run("ip", "-6", "route", "add", net6, "dev", dev, "metric", "1000")


def start_server(node, name):
    p = node.start("ports", "/usr/bin/python3", HERE / "port_server.py", name, PORT)
    wait_for("ports", lambda: "all ports open" in p.text())


def configuration(lab, contexts=(0, 1)):
    services = [{"name": f"{proto}{fam}-{c}", "address": VIP[fam], "port": PORT, "protocol": proto, "context": c,
                 "pool": f"p{fam}-{c}", "local-address-pool": "snat"}
                for c in contexts for fam in (4, 6) for proto in ("tcp", "udp")]
    config = lab.config(services=services)
    config["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"] = [
        {"name": f"p{fam}-{c}", "servers": {"server": [
            {"name": "s", "address": "10.20.0.11" if fam == 4 else "fd20::11", "port": PORT}]}}
        for c in contexts for fam in (4, 6)]
    config["ietf-interfaces:interfaces"]["interface"] += [
        {"name": n, "type": "sluice-port:af-xdp", "sluice-port:port": {"owner": "lb", "context": 1}}
        for n in ("up1", "down1")]
    return config


@pytest.fixture(scope="module")
def lab():
    with Border(servers=1) as lab:
        second_world(lab)
        start_server(lab.servers[0].node, "zero")
        start_server(lab.server1, "one")
        lab.start_sluice()
        lab.configure(configuration(lab))
        yield lab


def worlds(lab):
    return ((lab.client, "zero"), (lab.client1, "one"))


def open_socket(node, fam, kind, sport=0):
    s = node.in_netns(socket.socket, socket.AF_INET6 if fam == 6 else socket.AF_INET, kind)
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("fd10::2" if fam == 6 else "10.10.0.2", sport))
    s.connect((VIP[fam], PORT))
    return s


@FAMILIES
def test_the_same_tuple_lives_in_both(lab, fam):
    """Clients of one address and port ask one service address: only the context tells them apart."""
    for sport in range(41000, 41008):
        talks = []
        for node, name in worlds(lab):
            s = open_socket(node, fam, socket.SOCK_STREAM, sport)
            talks.append((s, s.makefile("rw"), name))
        for _, f, name in talks:
            assert f.readline() == f"{name} {PORT}\n"
        for turn in range(3):
            for _, f, name in talks:
                print(f"{name} {turn}", file=f, flush=True)
            for _, f, name in talks:
                assert f.readline() == f"{name} {turn}\n"
        for s, _, _ in talks:
            s.close()


@FAMILIES
def test_both_serve_at_once(lab, fam):
    def crowd(node, name, wrong):
        for _ in range(150):
            with open_socket(node, fam, socket.SOCK_STREAM) as s:
                line = s.makefile().readline()
            with open_socket(node, fam, socket.SOCK_DGRAM) as s:
                s.send(b"?")
                got = s.recv(100).decode()
            if (line, got) != (f"{name} {PORT}\n", f"{name} {PORT}"):
                wrong.append((line, got))

    wrong = []
    threads = [threading.Thread(target=crowd, args=(node, name, wrong)) for node, name in worlds(lab)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@FAMILIES
def test_echo_to_the_service_is_answered_in_both(lab, fam):
    for node, _ in worlds(lab):
        assert " 2 received" in node.out("ping", "-c", "2", "-i", "0.2", "-W", "2", VIP[fam])


def test_counters_of_both_contexts(lab):
    states = {s["name"]: s["state"] for s in lab.lb_state()["services"]["service"]}
    for c in (0, 1):
        for proto in ("tcp4", "udp4", "tcp6", "udp6"):
            assert int(states[f"{proto}-{c}"]["new-flows"]) >= 100, states
    # The workers count on while they are read.
    wait_for("the sum of all counters", lambda: sums_hold(lab.counters()["sum"]))


def test_flows_outlive_a_kill_in_their_context(lab):
    talks = []
    for node, name in worlds(lab):
        s = open_socket(node, 4, socket.SOCK_STREAM, 42000)
        f = s.makefile("rw")
        assert f.readline() == f"{name} {PORT}\n"
        talks.append((s, f, name))
    lab.daemons["sluice-lb"].kill()
    lab.start_lb()
    for s, f, name in talks:
        print(f"after the kill {name}", file=f, flush=True)
        assert f.readline() == f"after the kill {name}\n"
        s.close()


def test_one_context_ends_and_the_other_goes_on(lab):
    """Last test: takes the services of context 1 away."""
    keep = open_socket(lab.client, 4, socket.SOCK_STREAM)
    f = keep.makefile("rw")
    assert f.readline() == f"zero {PORT}\n"
    lab.configure(configuration(lab, contexts=(0,)))
    with pytest.raises((ConnectionRefusedError, TimeoutError, OSError)):
        open_socket(lab.client1, 4, socket.SOCK_STREAM)
    print("still", file=f, flush=True)
    assert f.readline() == "still\n"
    keep.close()
