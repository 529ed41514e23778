# SPDX-License-Identifier: BSD-3-Clause
"""Path-MTU discovery and ICMP errors through the balancer, between real hosts.

    far -1500- ra -1400- client - border - (bridge) - s1 -1400- rd -1500- deep        s2

`far` and `deep` think that 1,500 bytes get through. The errors of the routers client and s1 go to addresses of the
balancer; what they are about is a connection of far's or deep's.
"""
import errno
import hashlib
import random
import socket
import struct

import pytest
from scapy.all import ICMP, IP, UDP, Ether, Raw

import ctl_link as ctl
from border import VIP4, VIP6
from lab import wait_for
from lb_alone import LOCAL, LbAlone, POOL4, POOL6
from test_counters import RawSender, adds_up, mac_of

PORT, ECHO, NEAR, SMALL = 9000, 7, 9001, 9002
WEB, NEAR4, NEAR6 = 80, 200, 201
IP_MTU_DISCOVER, IP_MTU, IP_RECVERR, PMTUDISC_DO = 10, 14, 11, 2
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24

# TCP: a length, as many bytes, which go back. UDP: what comes goes back.
SERVER = """
import socket, struct, threading
def take(c):
    def get(n):
        b = bytearray()
        while len(b) < n:
            d = c.recv(min(65536, n - len(b)))
            if not d: return None
            b += d
        return b
    try:
        head = get(4)
        if head:
            data = get(struct.unpack("!I", head)[0])
            if data is not None: c.sendall(data)
    except OSError: pass
    c.close()
def tcp(fam, port):
    s = socket.create_server(("::" if fam == socket.AF_INET6 else "0.0.0.0", port), family=fam, backlog=128)
    while True:
        threading.Thread(target=take, args=(s.accept()[0],), daemon=True).start()
def udp(fam):
    s = socket.socket(fam, socket.SOCK_DGRAM)
    if fam == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("::" if fam == socket.AF_INET6 else "0.0.0.0", 7))
    while True:
        data, peer = s.recvfrom(65535)
        try: s.sendto(data, peer)
        except OSError: pass
for fam in (socket.AF_INET, socket.AF_INET6):
    threading.Thread(target=udp, args=(fam,)).start()
    for port in (9000, 9001, 9002):
        threading.Thread(target=tcp, args=(fam, port)).start()
"""


# PUT: answers the hash of what came. GET: as many bytes as the path says.
HTTP_SERVER = """
import hashlib, socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_PUT(self):
        left, h = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            d = self.rfile.read(min(left, 1 << 16))
            if not d: return
            left -= len(d)
            h.update(d)
        self.reply(h.hexdigest().encode())
    def do_GET(self):
        n = int(self.path[1:])
        self.reply((bytes(range(251)) * (n // 251 + 1))[:n])
class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
Server6(("::", 80), Handler).serve_forever()
"""


def pattern(n):
    """What HTTP_SERVER gives for GET /n."""
    return (bytes(range(251)) * (n // 251 + 1))[:n]


def narrow_hosts(lab, net, mtu):
    """far -1500- ra -mtu- client, and s1 -mtu- rd -1500- deep: hosts behind narrow links on both sides of the border.

    far's side is 10.NET.0.0/16 and fdNET::/16, deep's 10.40.0.0/16 and fd40::/16.
    """
    s1 = lab.servers[0]
    lab.far, lab.ra, lab.rd, lab.deep = (lab.node(n) for n in ("far", "ra", "rd", "deep"))
    lab.veth(lab.far, "eth0", lab.ra, "f")
    lab.veth(lab.ra, "c", lab.client, "a", mtu=mtu)
    lab.veth(s1.node, "d", lab.rd, "s", mtu=mtu)
    lab.veth(lab.rd, "h", lab.deep, "eth0")
    for node, dev, a4, a6 in ((lab.far, "eth0", f"10.{net}.1.2/24", f"fd{net}:1::2/64"),
                              (lab.ra, "f", f"10.{net}.1.1/24", f"fd{net}:1::1/64"),
                              (lab.ra, "c", f"10.{net}.0.2/24", f"fd{net}::2/64"),
                              (lab.client, "a", f"10.{net}.0.1/24", f"fd{net}::1/64"),
                              (s1.node, "d", "10.40.1.1/24", "fd40:1::1/64"), (lab.rd, "s", "10.40.1.2/24", "fd40:1::2/64"),
                              (lab.rd, "h", "10.40.0.1/24", "fd40::1/64"), (lab.deep, "eth0", "10.40.0.2/24", "fd40::2/64")):
        node.addr(dev, a4, a6)
    for node in (lab.client, lab.ra, s1.node, lab.rd):
        node.sysctl("net.ipv4.ip_forward", 1)
        node.sysctl("net.ipv6.conf.all.forwarding", 1)

    def route(node, net4, via4, net6, via6):
        node.run("ip", "route", "replace", net4, "via", via4)
        node.run("ip", "-6", "route", "replace", net6, "via", via6)
    route(lab.far, "default", f"10.{net}.1.1", "default", f"fd{net}:1::1")
    route(lab.ra, "default", f"10.{net}.0.1", "default", f"fd{net}::1")
    route(lab.client, f"10.{net}.1.0/24", f"10.{net}.0.2", f"fd{net}:1::/64", f"fd{net}::2")
    route(lab.border, f"10.{net}.0.0/16", "10.10.0.2", f"fd{net}::/16", "fd10::2")
    route(lab.border, "10.40.0.0/16", "10.20.0.11", "fd40::/16", "fd20::11")
    route(s1.node, "10.40.0.0/24", "10.40.1.2", "fd40::/64", "fd40:1::2")
    route(lab.rd, "default", "10.40.1.1", "default", "fd40:1::1")
    route(lab.deep, "default", "10.40.0.1", "default", "fd40::1")


class PathLab(LbAlone):
    def __init__(self):
        records = []
        for fam, vip in ((4, VIP4), (6, VIP6)):
            deep, near = (POOL4, NEAR4) if fam == 4 else (POOL6, NEAR6)
            base = 300 + 20 * fam
            records += [ctl.pool(near, f"near{fam}"),
                        ctl.server(base, near, "s2", "10.20.0.12" if fam == 4 else "fd20::12", 0),
                        ctl.server(base + 1, deep, "deep", "10.40.0.2" if fam == 4 else "fd40::2", 0),
                        ctl.service(base + 2, deep, LOCAL, f"deep{fam}", vip, PORT),
                        ctl.service(base + 7, deep, LOCAL, f"web{fam}", vip, WEB),
                        ctl.service(base + 3, deep, LOCAL, f"udp{fam}", vip, ECHO, ctl.UDP),
                        ctl.service(base + 4, near, LOCAL, f"near{fam}", vip, NEAR),
                        ctl.service(base + 5, near, LOCAL, f"clamp{fam}", vip, SMALL, mss_max=1200),
                        ctl.service(base + 6, near, LOCAL, f"nudp{fam}", vip, ECHO + 1, ctl.UDP)]
        super().__init__(servers=2, records=records)
        try:
            self._hosts()
        except BaseException:
            self.close()
            raise

    def records(self):
        out = [ctl.settings(), ctl.port(1, "up"), ctl.port(2, "down"), ctl.local_pool(LOCAL, "snat"),
               ctl.local_address(11, LOCAL, "10.20.0.200"), ctl.local_address(12, LOCAL, "fd20::200"),
               ctl.pool(POOL4, "deep4"), ctl.pool(POOL6, "deep6")]
        return out

    def _hosts(self):
        s2 = self.servers[1]
        narrow_hosts(self, 30, 1400)
        self.deep.start("http", "/usr/bin/python3", "-c", HTTP_SERVER)
        wait_for("HTTP", lambda: self.deep.listening(WEB))
        for node in (self.deep, s2.node):
            node.start("echo", "/usr/bin/python3", "-c", SERVER)
            wait_for("the servers", lambda n=node: n.listening(PORT) and n.listening(ECHO, "udp"))
        wait_for("a way to deep", lambda: self.client.run("ping", "-c", "1", "-W", "1", "10.30.1.2", check=False).returncode == 0)


@pytest.fixture(scope="module")
def lab():
    with PathLab() as lab:
        lab.eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
        yield lab
        adds_up(lab.settled())


def forget(lab):
    """All hosts forget what they learnt of paths."""
    for node in (lab.far, lab.client, lab.deep, lab.servers[1].node):
        node.run("ip", "route", "flush", "cache")
        node.run("ip", "-6", "route", "flush", "cache")


def vip(family):
    return VIP4 if family == socket.AF_INET else VIP6


FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def both_ways(node, family, port, size=2 << 20):
    """Upload and download through one connection; returns the segment size that the client ended with."""
    data = random.Random(port).randbytes(size)
    s = node.tcp_socket(family)
    s.settimeout(20)
    s.connect((vip(family), port))
    s.sendall(struct.pack("!I", size) + data)
    got = bytearray()
    while len(got) < size:
        d = s.recv(1 << 16)
        assert d, len(got)
        got += d
    mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    s.close()
    assert bytes(got) == data
    return mss


@FAMILIES
def test_both_ends_find_the_mtu_of_both_sides(lab, family):
    """far's upload meets ra, then s1 (whose error is about local -> deep); deep's download meets rd, then client."""
    forget(lab)
    before = lab.settled()
    both_ways(lab.far, family, PORT)
    c = lab.settled()
    adds_up(c)
    assert not any(c["drop"][r] - before["drop"][r] for r in c["drop"] if r.startswith("icmp") or r == "mtu"), c["drop"]
    route = ["ip", "-6"] if family == socket.AF_INET6 else ["ip"]
    local = "fd20::200" if family == socket.AF_INET6 else "10.20.0.200"
    assert "mtu 1400" in lab.far.out(*route, "route", "get", vip(family))
    assert "mtu 1400" in lab.deep.out(*route, "route", "get", local)


def curl_both_ways(lab, node, address, port, size, forget_between):
    """Upload and download by curl, whole. A client that knows the path limits what the server sends by its SYN, so
    between them it forgets."""
    url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
    data, got = random.Random(port).randbytes(size), lab.base / "download"
    (lab.base / "upload").write_bytes(data)
    p = node.run("curl", "-sf", "-m", "20", "-H", "Expect:", "-T", lab.base / "upload", url + "upload")
    assert p.stdout.strip() == hashlib.sha256(data).hexdigest()
    forget_between()
    node.run("curl", "-sf", "-m", "20", "-o", got, url + str(size))
    assert got.read_bytes() == pattern(size)


@FAMILIES
def test_curl_finds_the_mtu_of_both_sides(lab, family):
    forget(lab)
    route = ["ip", "-6"] if family == socket.AF_INET6 else ["ip"]

    def uploaded():
        assert "mtu 1400" in lab.far.out(*route, "route", "get", vip(family))
        forget(lab)
    curl_both_ways(lab, lab.far, vip(family), WEB, 2 << 20, uploaded)
    assert "mtu 1400" in lab.deep.out(*route, "route", "get", "fd20::200" if family == socket.AF_INET6 else "10.20.0.200")


@FAMILIES
def test_an_error_of_the_servers_side_reaches_the_client(lab, family):
    """From the client every packet up to s1 fits, so only s1's error can tell it."""
    forget(lab)
    both_ways(lab.client, family, PORT, 1 << 18)
    route = ["ip", "-6"] if family == socket.AF_INET6 else ["ip"]
    assert "mtu 1400" in lab.client.out(*route, "route", "get", vip(family))


@FAMILIES
def test_an_error_of_the_clients_side_reaches_the_server(lab, family):
    """From s2 every packet up to the client node fits."""
    forget(lab)
    both_ways(lab.far, family, NEAR, 1 << 18)
    route = ["ip", "-6"] if family == socket.AF_INET6 else ["ip"]
    local = "fd20::200" if family == socket.AF_INET6 else "10.20.0.200"
    assert "mtu 1400" in lab.servers[1].node.out(*route, "route", "get", local)


def udp(node, family, port, discover=True):
    s = node.in_netns(socket.socket, family, socket.SOCK_DGRAM)
    s.settimeout(2)
    if discover and family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
    elif discover:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
    s.connect((vip(family), port))
    return s


def mtu_of(s):
    return s.getsockopt(*((socket.IPPROTO_IP, IP_MTU) if s.family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_MTU)))


@FAMILIES
def test_a_port_that_nobody_has_is_refused_by_the_server(lab, family):
    s = udp(lab.client, family, ECHO + 1, discover=False)
    s.send(b"anyone?")
    with pytest.raises(ConnectionRefusedError):
        s.recv(10)


def test_our_own_interface_is_the_narrow_one(lab):
    """Too large for the interface towards the servers: answered by us; IPv4 that may be fragmented is fragmented."""
    forget(lab)
    lab.border.run("ip", "link", "set", "dev", "down", "mtu", "1350")
    try:
        for family, head in ((socket.AF_INET, 28), (socket.AF_INET6, 48)):
            s = udp(lab.client, family, ECHO)
            assert mtu_of(s) == 1500

            def told(s=s, head=head):
                try:
                    s.send(b"x" * (mtu_of(s) - head))  # s1 says 1,400 as long as a packet gets there
                except OSError as e:
                    assert e.errno == errno.EMSGSIZE
                return mtu_of(s) == 1350
            wait_for("our error", told, 3, 0.05)
            s.send(b"y" * (1350 - head))
            assert s.recv(65535) == b"y" * (1350 - head)
            s.close()
        lab.client.run("ip", "route", "flush", "cache")
        s = udp(lab.client, socket.AF_INET, ECHO)
        s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)  # may be fragmented
        before = lab.settled()
        data = random.randbytes(1472)
        s.send(data)
        # What comes back in 1,500 bytes cannot pass this interface: its peer drops it. Only that way is tested.
        seen = lab.settled()
        assert seen["sum"]["forwarded"] - before["sum"]["forwarded"] >= 1
        assert seen["detail"]["made"] - before["detail"]["made"] >= 1, seen["detail"]
        adds_up(seen)
    finally:
        lab.border.run("ip", "link", "set", "dev", "down", "mtu", "1500")


@FAMILIES
def test_a_service_may_limit_the_segment_size(lab, family):
    assert both_ways(lab.client, family, SMALL, 1 << 18) <= 1200
    assert both_ways(lab.client, family, NEAR, 1 << 10) > 1200


def test_the_hop_limit_is_answered(lab):
    s = udp(lab.client, socket.AF_INET, ECHO, discover=False)
    s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    s.send(b"far away")
    with pytest.raises(OSError) as e:
        s.recv(10)
    assert e.value.errno == errno.EHOSTUNREACH


def grown(lab, node, dev, frames, reason, times=None):
    before = lab.settled()["drop"][reason]
    RawSender(node, dev).send(frames)
    times = len(frames) if times is None else times
    wait_for(reason, lambda: lab.counters()["drop"][reason] >= before + times, 5, 0.05)
    assert lab.settled()["drop"][reason] == before + times


def test_forged_errors_are_dropped_by_name(lab):
    s = udp(lab.client, socket.AF_INET, ECHO, discover=False)
    s.send(b"hello")
    assert s.recv(10) == b"hello"
    me, port = s.getsockname()
    about = IP(src=VIP4, dst=me) / UDP(sport=ECHO, dport=port, len=1480)
    about.len = 1500

    def error(inner, **kw):
        outer = dict({"type": 3, "code": 4, "nexthopmtu": 1300}, **kw)
        return lab.eth / IP(src="10.10.0.77", dst=VIP4) / ICMP(**outer) / inner
    grown(lab, lab.client, "eth0", [error(about, chksum=1)], "icmp-checksum")
    grown(lab, lab.client, "eth0", [error(Raw(bytes(about)[:27]))], "icmp-inner")
    grown(lab, lab.client, "eth0", [error(IP(src=VIP4, dst=me) / UDP(sport=ECHO, dport=port ^ 1))], "icmp-no-flow")
    grown(lab, lab.client, "eth0", [error(about, nexthopmtu=1500)], "icmp-implausible")
    grown(lab, lab.client, "eth0", [error(IP(src=VIP4, dst=me, frag=100, proto=17) / Raw(b"x" * 16))], "icmp-fragment")
    # A good one, cut to 8 bytes of layer 4, is believed: the server is told.
    before = lab.settled()
    RawSender(lab.client, "eth0").send([error(Raw(bytes(about)[:28]))])
    wait_for("forwarded", lambda: lab.counters()["sum"]["forwarded"] > before["sum"]["forwarded"])
    adds_up(lab.settled())
