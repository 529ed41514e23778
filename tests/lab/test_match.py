# SPDX-License-Identifier: BSD-3-Clause
"""Ranges of ports, any port, prefixes of addresses: the longest match with real clients and servers, beside
sockets and addresses of the node itself (L1)."""
import copy
import errno
import pathlib
import socket

import pytest
from border import VIP4, VIP6, Border, sums_hold
from lab import wait_for
from rpc_client import RpcError

HERE = pathlib.Path(__file__).parent
FAMILIES = pytest.mark.parametrize("fam", [4, 6], ids=["ipv4", "ipv6"])
ANY = {4: "10.10.0.101", 6: "fd10::101"}        # an address of services with any port
NET = {4: "10.10.1.{}", 6: "fd10:1::{}"}        # a prefix, routed to the node
OTHER = {4: "10.10.2.{}", 6: "fd10:2::{}"}      # one with any port
VLAN = {4: "10.30.0.100", 6: "fd30::100"}       # one with any port, reached over a tagged port
VID = 100
VIP = {4: VIP4, 6: VIP6}
SERVICE = "/sluice-lb:load-balancers/load-balancer[name='lb']/services/service[name='{}']"


def services(fam):
    """(name, address, prefix length or None, port, port-max or None, pool)"""
    long = 32 if fam == 4 else 128
    return [
        ("range", VIP[fam], None, 2000, 2010, "same"),
        ("inner", VIP[fam], None, 2004, 2006, "s2"),
        ("exact", VIP[fam], None, 2005, None, "fixed"),
        ("any", ANY[fam], None, 0, None, "same"),
        ("any-exact", ANY[fam], None, 2003, None, "fixed"),
        ("net", NET[fam].format(0), 24 if fam == 4 else 64, 2000, None, "s2"),
        ("net-inner", NET[fam].format(8), 29 if fam == 4 else 125, 2000, None, "fixed"),
        ("net-one", NET[fam].format(9), long, 2000, 2001, "same"),
        ("other", OTHER[fam].format(0), 24 if fam == 4 else 64, 0, None, "same"),
        ("vlan", VLAN[fam], None, 0, None, "same"),
    ]


def configuration(lab):
    pools, out = [], []
    for fam in (4, 6):
        def server(s, port, fam=fam):
            return {"name": s.name, "address": s.ip4 if fam == 4 else s.ip6, "port": port}
        s1, s2 = lab.servers
        pools += [{"name": f"same{fam}", "servers": {"server": [server(s1, 0)]}},
                  {"name": f"s2{fam}", "servers": {"server": [server(s2, 0)]}},
                  {"name": f"fixed{fam}", "servers": {"server": [server(s2, 2020)]}}]
        for name, address, length, port, last, pool in services(fam):
            for proto in ("tcp", "udp"):
                s = {"name": f"{name}{fam}-{proto}", "address": address, "port": port, "protocol": proto,
                     "pool": f"{pool}{fam}", "local-address-pool": "snat"}
                if length is not None:
                    s["prefix-length"] = length
                if last is not None:
                    s["port-max"] = last
                out.append(s)
    config = lab.config(services=out)
    config["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"] = pools
    up = config["ietf-interfaces:interfaces"]["interface"][0]
    up["sluice-port:port"]["vlan"] = [{"vid": VID, "tap": "up100"}]
    return config


@pytest.fixture(scope="module")
def lab():
    with Border(servers=2) as lab:
        for s in lab.servers:
            p = s.node.start("ports", "/usr/bin/python3", HERE / "port_server.py", s.name, "2000-2030", 2222)
            wait_for("ports", lambda p=p: "all ports open" in p.text())
        p = lab.border.start("ports", "/usr/bin/python3", HERE / "port_server.py", "node", 2222, "2000-2010")
        wait_for("ports", lambda: "all ports open" in p.text())
        for fam in (4, 6):
            for net in (NET, OTHER):
                lab.client.route(f"{net[fam].format(0)}/{24 if fam == 4 else 64}", "10.10.0.1" if fam == 4 else "fd10::1")
        lab.border.addr("up", NET[4].format(77) + "/32", NET[6].format(77) + "/128")
        lab.start_sluice()
        lab.good = configuration(lab)
        lab.configure(lab.good)
        lab.border.run("ip", "link", "set", "dev", "up100", "up")
        lab.border.addr("up100", "10.30.0.1/24", "fd30::1/64")
        p = lab.client.start("vlan-peer", "/usr/bin/python3", HERE / "vlan_peer.py", "eth0", str(VID), "v100")
        wait_for("tagged peer", lambda: "ready" in p.text())
        lab.client.addr("v100", "10.30.0.2/24", "fd30::2/64")
        yield lab


def answer(s, address, port, talk):
    """Who answers: "s1 2003", or "refused", "unreachable" or "nobody"."""
    s.settimeout(2)
    try:
        s.connect((address, port))
        return talk()
    except ConnectionRefusedError:
        return "refused"
    except OSError as e:
        if e.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "unreachable"
        if not isinstance(e, TimeoutError):
            raise
        return "nobody"
    finally:
        s.close()


def ask_tcp(lab, address, port):
    s = lab.client.tcp_socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    return answer(s, address, port, lambda: s.makefile().readline().strip())


def ask_udp(lab, address, port):
    s = lab.client.in_netns(socket.socket, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    return answer(s, address, port, lambda: s.send(b"?") and s.recv(100).decode())


ASK = pytest.mark.parametrize("ask", [ask_tcp, ask_udp], ids=["tcp", "udp"])


@FAMILIES
@ASK
def test_ports_of_a_range_keep_their_number(lab, fam, ask):
    got = {port: ask(lab, VIP[fam], port) for port in range(1999, 2012)}
    want = {port: f"s1 {port}" for port in range(2000, 2011)}
    want |= {2004: "s2 2004", 2005: "s2 2020", 2006: "s2 2006"}  # narrower ones first
    want |= {1999: "refused", 2011: "refused"}                   # the kernel's answer
    assert got == want


@FAMILIES
@ASK
def test_any_port_but_what_the_node_listens_on(lab, fam, ask):
    assert ask(lab, ANY[fam], 2020) == "s1 2020"
    assert ask(lab, ANY[fam], 2003) == "s2 2020"
    if ask is ask_tcp:
        assert ask(lab, ANY[fam], 2222) == "node 2222"  # a socket of the kernel
    assert ask(lab, ANY[fam], 5999) == "refused"    # by the server


def ask_udp_pieces(lab, address, port, size=4000):
    """Who answers a datagram in fragments. The answer may come from another address of the node."""
    s = lab.client.in_netns(socket.socket, socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    try:
        s.sendto(b"?" * size, (address, port))
        return s.recv(100).decode()
    except TimeoutError:
        return "nobody"
    finally:
        s.close()


@FAMILIES
def test_any_port_leaves_fragments_to_the_kernel_too(lab, fam):
    for size in (10, 2000, 8000):
        assert ask_udp_pieces(lab, ANY[fam], 2222, size) == "node 2222"
        assert ask_udp_pieces(lab, ANY[fam], 2020, size) == "s1 2020"
        assert ask_udp_pieces(lab, ANY[fam], 2003, size) == "s2 2020"


@FAMILIES
def test_any_port_leaves_what_the_node_listens_on_over_a_vlan(lab, fam):
    """No steering program looks into tagged frames: the balancer itself follows the kernel's sockets."""
    address = VLAN[fam]
    for ask in (ask_tcp, ask_udp_pieces):
        assert ask(lab, address, 2020) == "s1 2020"
        assert ask(lab, address, 2222) == "node 2222"
    assert ask_udp_pieces(lab, address, 2222, 10) == "node 2222"
    # A socket that comes is seen, and its end.
    assert ask_tcp(lab, address, 2025) == "s1 2025"
    p = lab.border.start("later", "/usr/bin/python3", HERE / "port_server.py", "node", 2025)
    try:
        wait_for("all ports open", lambda: "all ports open" in p.text())
        wait_for("the node's socket to be seen", lambda: ask_tcp(lab, address, 2025) == "node 2025", 5, 0.2)
        assert ask_udp_pieces(lab, address, 2025) == "node 2025"
    finally:
        p.kill()
    wait_for("the end of it", lambda: ask_tcp(lab, address, 2025) == "s1 2025", 5, 0.2)


@FAMILIES
@ASK
def test_longest_prefix_wins(lab, fam, ask):
    want = {1: "s2 2000", 200: "s2 2000", 7: "s2 2000", 8: "s2 2020", 15: "s2 2020", 16: "s2 2000", 9: "s1 2000"}
    if fam == 6:  # hexadecimal
        want = {1: "s2 2000", 200: "s2 2000", 7: "s2 2000", 8: "s2 2020", 9: "s1 2000", "f": "s2 2020", 10: "s2 2000"}
    got = {host: ask(lab, NET[fam].format(host), 2000) for host in want}
    assert got == want
    assert ask(lab, NET[fam].format(9), 2001) == "s1 2001"
    assert ask(lab, NET[fam].format(1), 2001) in ("unreachable", "nobody")
    assert ask(lab, OTHER[fam].format(33), 2017) == "s1 2017"


@FAMILIES
def test_addresses_of_the_node_itself_are_no_part_of_a_prefix(lab, fam):
    assert ask_tcp(lab, NET[fam].format(77), 2000) == "node 2000"


@FAMILIES
def test_every_address_of_a_prefix_answers_echo(lab, fam):
    for host in (3, 250):
        out = lab.client.out("ping", "-c", "2", "-i", "0.2", "-W", "2", NET[fam].format(host))
        assert " 2 received" in out


@FAMILIES
def test_what_no_service_of_a_prefix_has_follows_the_kernels_routes(lab, fam):
    assert ask_tcp(lab, NET[fam].format(50), 4000) == "unreachable"


@FAMILIES
def test_flow_stays_when_a_longer_match_comes(lab, fam):
    s = lab.client.tcp_socket(socket.AF_INET6 if fam == 6 else socket.AF_INET)
    s.settimeout(5)
    s.connect((NET[fam].format(60), 2000))
    f = s.makefile("rw")
    assert f.readline() == "s2 2000\n"
    config = copy.deepcopy(lab.good)
    config["sluice-lb:load-balancers"]["load-balancer"][0]["services"]["service"].append(
        {"name": "later", "address": NET[fam].format(60), "port": 2000, "protocol": "tcp", "pool": f"same{fam}",
         "local-address-pool": "snat"})
    lab.configure(config)
    try:
        print("still there", file=f, flush=True)
        assert f.readline() == "still there\n"
        assert ask_tcp(lab, NET[fam].format(60), 2000) == "s1 2000"
        assert ask_tcp(lab, NET[fam].format(61), 2000) == "s2 2000"
    finally:
        lab.configure(lab.good)
    # Without it the prefix has the address again.
    assert ask_tcp(lab, NET[fam].format(60), 2000) == "s2 2000"
    print("and still", file=f, flush=True)
    assert f.readline() == "and still\n"
    s.close()


def refused(lab, change):
    config = copy.deepcopy(lab.good)
    change(config["sluice-lb:load-balancers"]["load-balancer"][0])
    with lab.rpc() as c:
        try:
            with pytest.raises(RpcError) as e:
                c.call("edit-config", config=config, **{"default-operation": "replace"})
                c.call("commit")
        finally:
            c.call("discard")
    return e.value


def service(name, **leaves):
    entry = {"name": name, "protocol": "tcp", "pool": "same4", "local-address-pool": "snat"}
    return entry | {k.replace("_", "-"): v for k, v in leaves.items()}


def test_what_overlaps_without_order_is_refused(lab):
    net = NET[4].format(0)
    cases = [
        (service("x", address=VIP4, port=2008, port_max=2012), "/port-max", "range4-tcp"),
        (service("x", address=VIP4, port=2000, port_max=2010), "/address", "range4-tcp"),
        (service("x", address=ANY[4], port=0), "/address", "any4-tcp"),
        (service("x", address=net, prefix_length=24, port=2000), "/address", "net4-tcp"),
        (service("x", address=OTHER[4].format(0), prefix_length=24, port=0), "/address", "other4-tcp"),
        (service("x", address=net, prefix_length=23, port=1), "/address", "prefix length"),
        (service("x", address="10.20.0.0", prefix_length=24, port=1), "/address", "local address"),
    ]
    for entry, leaf, word in cases:
        e = refused(lab, lambda lb, entry=entry: lb["services"]["service"].append(entry))
        assert (e.path or "").replace('"', "'") == SERVICE.format("x") + leaf, e
        assert word in str(e), e


def test_limits_of_ports_and_prefixes(lab):
    for leaves, leaf in (({"port": 65536}, "/port"), ({"port": 100, "port_max": 99}, "/port-max"),
                         ({"port": 0, "port_max": 100}, "/port-max"), ({"port": 1, "prefix_length": 33}, "/prefix-length"),
                         ({"port": 1, "prefix_length": 0}, "/prefix-length"), ({"port": 1, "port_max": 65536}, "/port-max")):
        e = refused(lab, lambda lb, x=leaves: lb["services"]["service"].append(service("x", address="10.10.9.0", **x)))
        assert "service[name='x']" in (e.path or "").replace('"', "'"), e
        assert (e.path or "").endswith(leaf), e


def test_local_address_within_a_prefix_is_refused(lab):
    def change(lb):
        lb["local-address-pools"]["local-address-pool"].append({"name": "x", "address": [NET[4].format(5)]})

    e = refused(lab, change)
    assert "local-address-pool[name='x']" in (e.path or "").replace('"', "'"), e
    assert "net4" in str(e), e


def test_counters_say_where_every_packet_went(lab):
    # The workers count on while they are read.
    wait_for("the sum of all counters", lambda: sums_hold(lab.counters()["sum"]))
