# SPDX-License-Identifier: BSD-3-Clause
"""NAT between real hosts over narrow links: fragments, path MTU, ICMP errors of both sides, a kill; and a NAT server's
traffic beside its services, of which the steering program takes what comes from a service port and all fragments.
Topology of test_pmtu.py.
"""
import errno
import socket
import struct
import threading
import time

import pytest

import ctl_link as ctl
from border import VIP4, VIP6
from lab import wait_for
from lb_alone import POOL4, POOL6, LbAlone
from test_counters import adds_up
from test_pmtu import ECHO, FAMILIES, PORT, SERVER, PathLab, both_ways, forget, vip

SILENT, LATE, LOST, NAT = 9003, 9004, 9005, 2
PAST, PAST_ECHO = 9100, 9107  # of no service
PAST_SERVER = SERVER.replace("(9000, 9001, 9002)", f"({PAST},)").replace(" 7))", f" {PAST_ECHO}))")

# Speaks to its client again after long: says what came of that.
LOST_SERVER = f"""
import socket, sys, time
fam = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
c = socket.create_server(("::" if sys.argv[1] == "6" else "0.0.0.0", {LOST}), family=fam).accept()[0]
assert c.recv(99) == b"remember me"
time.sleep(float(sys.argv[2]))
try:
    c.sendall(b"still there?")
    c.settimeout(5)
    c.recv(99)
except OSError as e:
    print(type(e).__name__, flush=True)
"""

# Answers late: by then the client has gone. Says what became of that.
LATE_SERVER = f"""
import socket, sys, time
fam = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
s = socket.socket(fam, socket.SOCK_DGRAM)
if fam == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("::" if fam == socket.AF_INET6 else "0.0.0.0", {LATE}))
s.connect(s.recvfrom(100)[1])
for _ in range(50):
    time.sleep(0.1)
    try: s.send(b"late")
    except ConnectionRefusedError:
        print("refused", flush=True)
        break
"""


class NatPathLab(PathLab):
    def __init__(self, workers):
        records = []
        for fam, address in ((4, VIP4), (6, VIP6)):
            pool, base = (POOL4, 300) if fam == 4 else (POOL6, 320)
            records.append(ctl.server(base, pool, "deep", "10.40.0.2" if fam == 4 else "fd40::2", 0))
            for i, (port, proto) in enumerate(((PORT, ctl.TCP), (ECHO, ctl.UDP), (SILENT, ctl.TCP), (SILENT, ctl.UDP),
                                               (LATE, ctl.UDP), (LOST, ctl.TCP))):
                records.append(ctl.service(base + 1 + i, pool, 0, f"nat{fam}-{i}", address, port, proto, forwarding=NAT))
        LbAlone.__init__(self, servers=2, workers=workers, records=records)
        self.workers = workers
        try:
            self._hosts()
            self.client.run("ip", "route", "replace", "10.40.0.0/16", "via", "10.10.0.1")
            self.client.run("ip", "-6", "route", "replace", "fd40::/16", "via", "fd10::1")
            self.far.start("echo", "/usr/bin/python3", "-c", SERVER)
            wait_for("far listens", lambda: self.far.listening(PORT) and self.far.listening(ECHO, "udp"))
            self.deep.start("past", "/usr/bin/python3", "-c", PAST_SERVER)
            wait_for("deep listens beside", lambda: self.deep.listening(PAST) and self.deep.listening(PAST_ECHO, "udp"))
            self.version = 1
        except BaseException:
            self.close()
            raise

    def others(self):
        state = self.link.query("state")["sluice-lb:load-balancers"]["load-balancer"][0]["state"]
        return {k: int(state[k]) for k in ("nat-lost", "routed")}

    def records(self):
        return [ctl.settings(quiet=0), ctl.port(1, "up"), ctl.port(2, "down"), ctl.pool(POOL4, "deep4"), ctl.pool(POOL6, "deep6")]


@pytest.fixture(scope="module", params=[1, 2], ids=["one-worker", "two-workers"])
def lab(request):
    with NatPathLab(request.param) as lab:
        yield lab
        c = lab.settled()
        adds_up(c)
        bad = {k: n for k, n in c["drop"].items() if n and k in ("no-service", "nat-conflict", "no-route", "handover-full",
                                                                 "icmp-implausible", "icmp-inner", "mtu", "ip-header")}
        assert bad == {}, c["drop"]


def deep_address(family):
    return "10.40.0.2" if family == socket.AF_INET else "fd40::2"


def far_address(family):
    return "10.30.1.2" if family == socket.AF_INET else "fd30:1::2"


def udp(node, family, target=None, port=0):
    s = node.in_netns(socket.socket, family, socket.SOCK_DGRAM)
    s.settimeout(5)
    if port:
        s.bind(("", port))
    if target:
        s.connect(target)
    return s


def echoes(node, family, address, sizes, port=ECHO):
    """Datagrams that come back whole; larger ones in fragments, anew where a narrow link was not known yet."""
    with udp(node, family, (address, port)) as s:
        for size in sizes:
            data = bytes((i * 7 + size) & 0xff for i in range(size))
            s.settimeout(0.5)
            for attempt in range(8):
                try:
                    s.send(data)
                    if s.recv(65535) == data:
                        break
                except (TimeoutError, OSError):
                    continue
            else:
                raise AssertionError(f"{size} bytes did not come back")


SIZES = (1, 500, 1300, 1372, 1373, 1472, 1473, 2000, 2961, 8000, 20000)


@FAMILIES
def test_datagrams_of_all_sizes_come_back_through_nat(lab, family):
    forget(lab)
    before = lab.settled()["drop"]
    echoes(lab.far, family, vip(family), SIZES)
    after = lab.settled()["drop"]
    moved = {k: after[k] - before.get(k, 0) for k in after if k.startswith("fragment") and after[k] != before.get(k, 0)}
    assert moved == {}, moved


@FAMILIES
def test_both_ends_find_the_mtu_of_both_sides_through_nat(lab, family):
    """The client's upload meets ra, then s1, whose error is about client -> deep as the server sees it."""
    forget(lab)
    both_ways(lab.far, family, PORT)
    route = ["ip", "-6"] if family == socket.AF_INET6 else ["ip"]
    assert "mtu 1400" in lab.far.out(*route, "route", "get", vip(family))
    assert "mtu 1400" in lab.deep.out(*route, "route", "get", far_address(family))
    forget(lab)
    both_ways(lab.client, family, PORT, 1 << 18)  # only s1's error can tell it: translated for the client
    assert "mtu 1400" in lab.client.out(*route, "route", "get", vip(family))


@FAMILIES
def test_a_server_that_does_not_listen_is_told_to_the_client(lab, family):
    """Port unreachable from the server itself, about client -> server: as from the service for the client."""
    with udp(lab.far, family, (vip(family), SILENT)) as s:
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
    s = lab.far.tcp_socket(family)
    s.settimeout(5)
    with pytest.raises(ConnectionRefusedError):
        s.connect((vip(family), SILENT))
    s.close()


@FAMILIES
def test_a_client_that_has_gone_is_told_to_the_server(lab, family):
    """Port unreachable from the client about service -> client: for the server about server -> client."""
    p = lab.deep.start("late", "/usr/bin/python3", "-c", LATE_SERVER, "6" if family == socket.AF_INET6 else "4")
    wait_for("late listens", lambda: lab.deep.listening(LATE, "udp"))
    with udp(lab.far, family, (vip(family), LATE)) as s:
        s.send(b"soon gone")
    p.wait(10)
    assert "refused" in p.text()


@FAMILIES
def test_who_speaks_to_the_server_itself_is_answered(lab, family):
    """On a port of no service: large answers come in fragments and are of no flow."""
    forget(lab)
    echoes(lab.client, family, deep_address(family), (1, 1300, 3000, 20000), PAST_ECHO)
    s = lab.client.tcp_socket(family)
    s.settimeout(10)
    s.connect((deep_address(family), PAST))
    s.sendall(struct.pack("!I", 200000) + bytes(200000))
    ctl.read_exactly(s, 200000)
    s.close()


@FAMILIES
def test_who_asks_a_server_itself_on_a_port_that_serves_is_answered(lab, family):
    before = lab.others()
    echoes(lab.client, family, deep_address(family), (1, 1300, 3000))
    with lab.client.tcp_socket(family) as s:
        s.settimeout(5)
        s.connect((deep_address(family), PORT))
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    after = lab.others()
    assert after["routed"] > before["routed"] and after["nat-lost"] == before["nat-lost"]


@FAMILIES
def test_a_flow_that_has_aged_ends_in_a_reset_of_the_server(lab, family):
    """Its segment would leave with its own address: it is told instead, and the client gets nothing."""
    def timeouts(**ms):  # a flow is looked at first when a SYN's time is over
        lab.link.transaction(lab.version, lab.version + 1, [ctl.settings(quiet=0, **ms)])
        lab.version += 1

    p = lab.deep.start("lost", "/usr/bin/python3", "-c", LOST_SERVER, "6" if family == socket.AF_INET6 else "4", "2.5")
    wait_for("it listens", lambda: lab.deep.listening(LOST))
    timeouts(established=1000, syn=1000)
    before = lab.others()
    s = lab.far.tcp_socket(family)
    s.settimeout(0.2)
    s.connect((vip(family), LOST))
    s.send(b"remember me")
    p.wait(10)
    assert p.text().split()[-1] == "ConnectionResetError"
    with pytest.raises(TimeoutError):
        s.recv(99)
    s.close()
    after = lab.others()
    assert after["nat-lost"] > before["nat-lost"] and after["routed"] == before["routed"]
    timeouts()


@FAMILIES
def test_the_border_is_a_hop_on_the_way_of_a_server(lab, family):
    """Its hop limit ends here: it hears so, from our address on its side. deep - rd - s1 - border."""
    far, border = far_address(family), "10.20.0.1" if family == socket.AF_INET else "fd20::1"
    forget(lab)
    out = lab.deep.run("ping", "-c", "4", "-i", "0.2", "-W", "1", "-t", "3", "-s", "4000", far, check=False).stdout
    assert f"From {border}" in out, out  # in fragments: the steering program takes them
    s = lab.deep.tcp_socket(family)
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 3)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 3)
    s.bind(("" if family == socket.AF_INET else "::", SILENT))
    with pytest.raises(OSError) as e:
        s.connect((far, PORT))
    assert e.value.errno == errno.EHOSTUNREACH
    s.close()


@FAMILIES
def test_the_server_speaks_to_others_from_its_service_port(lab, family):
    """A connection that it begins itself, and datagrams from a port of no service."""
    any_address = "" if family == socket.AF_INET else "::"
    with udp(lab.deep, family) as s:
        s.bind((any_address, PAST))
        s.connect((far_address(family), ECHO))
        for size in (10, 1300, 5000, 5000):
            try:
                s.send(bytes(size))
                assert len(s.recv(65535)) == size
            except (TimeoutError, OSError):
                assert size > 1300  # the first that meets the narrow link
        s.send(b"still there")
        assert s.recv(100) == b"still there"
    s = lab.deep.tcp_socket(family)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((any_address, SILENT))
    s.connect((far_address(family), PORT))
    s.sendall(struct.pack("!I", 100000) + bytes(100000))
    ctl.read_exactly(s, 100000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def test_large_pings_of_the_server_go_on(lab):
    """All fragments of a NAT server are taken, whatever they hold: routed, or left to the node itself."""
    for address in ("10.30.1.2", "fd30:1::2", "10.20.0.1", "fd20::1"):
        out = lab.deep.out("ping", "-c", "3", "-i", "0.2", "-W", "2", "-s", "4000", address, check=False)
        assert " 0 received" not in out, out


@FAMILIES
def test_a_kill_in_the_middle_loses_nothing(lab, family):
    size = 400000
    s = lab.far.tcp_socket(family)
    s.settimeout(20)
    s.connect((vip(family), PORT))
    s.sendall(struct.pack("!I", size) + bytes(size // 2))
    time.sleep(0.2)
    lab.daemons["sluice-lb"].kill()
    sender = threading.Thread(target=s.sendall, args=(bytes(size - size // 2),))
    sender.start()
    lab.start_lb("--workers", str(lab.workers))
    ctl.read_exactly(s, size)
    sender.join(5)
    s.close()
    lab.link.close()
    lab.link = ctl.CtlLink(lab.base / "run" / "lb.ctl", timeout=30)
    lab.link.hello()
