# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams in fragments through the balancer: real hosts send and reassemble them, scapy sends what hosts do not."""
import random
import socket

import pytest
from scapy.all import IP, UDP, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, fragment, fragment6

import ctl_link as ctl
from border import VIP4, VIP6
from lab import wait_for
from lb_alone import LOCAL, LbAlone, POOL4, POOL6
from test_counters import RawSender, adds_up, mac_of

ECHO = 7
SIZES = [1600, 2960, 8000, 20000, 60000]

# Answers each datagram with its own bytes, and says who it is first.
SERVER = """
import socket, sys
socks = []
for fam, addr in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    s = socket.socket(fam, socket.SOCK_DGRAM)
    if fam == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind((addr, %d))
    socks.append(s)
import select
while True:
    for s in select.select(socks, [], [])[0]:
        data, peer = s.recvfrom(65535)
        s.sendto(data, peer)
""" % ECHO


@pytest.fixture(scope="module", params=[1, 2], ids=["one-worker", "two-workers"])
def lab(request):
    """One worker; or two, with a receive queue that has nothing to do with who owns a packet."""
    records = [ctl.service(32, POOL4, LOCAL, "echo4", VIP4, ECHO, ctl.UDP),
               ctl.service(33, POOL6, LOCAL, "echo6", VIP6, ECHO, ctl.UDP)]
    with LbAlone(queues=request.param, workers=request.param, records=records, port_number=0) as lab:
        for s in lab.servers:
            s.node.start("echo", "/usr/bin/python3", "-c", SERVER)
            wait_for(f"echo on {s.name}", lambda n=s.node: n.listening(ECHO, "udp"))
        lab.eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
        yield lab
        adds_up(lab.settled())


def client(lab, family, timeout=3.0):
    s = lab.client.in_netns(socket.socket, family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.settimeout(timeout)
    s.connect((VIP4 if family == socket.AF_INET else VIP6, ECHO))
    return s


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_large_datagrams_are_echoed(lab, family):
    """Fragments in both directions; several clients at once, whose identifications may be the same."""
    rng = random.Random(family)
    socks = [client(lab, family) for _ in range(8)]
    for size in SIZES:
        data = [rng.randbytes(size) for _ in socks]
        for s, d in zip(socks, data):
            s.send(d)
            assert s.recv(65535) == d, size
        for s, d in zip(socks, data):  # all under way at once
            s.send(d[:8000])
        for s, d in zip(socks, data):
            assert s.recv(65535) == d[:8000], size
    c = lab.settled()
    adds_up(c)
    assert not any(n for r, n in c["drop"].items() if r.startswith("fragment")), c["drop"]


def pieces4(data, size, sport=6000, ident=None):
    return fragment(IP(src="10.10.0.2", dst=VIP4, id=ident or random.randint(1, 65535)) /
                    UDP(sport=sport, dport=ECHO) / Raw(data), size)


def pieces6(data, size, sport=6000, ident=None):
    ident = ident or random.randint(1, 1 << 32)
    return fragment6(IPv6(src="fd10::2", dst=VIP6) / IPv6ExtHdrFragment(id=ident) /
                     UDP(sport=sport, dport=ECHO) / Raw(data), size)


def echoed(lab, family, packets, data, sport):
    """Send the packets from where the socket speaks; the kernel gets the answer."""
    s = lab.client.in_netns(socket.socket, family, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.bind(("", sport))
    RawSender(lab.client, "eth0").send([lab.eth / p for p in packets])
    got = s.recv(65535)
    s.close()
    return got == data


@pytest.mark.parametrize("make, family", [(pieces4, socket.AF_INET), (pieces6, socket.AF_INET6)])
def test_fragments_in_any_order(lab, make, family):
    rng = random.Random(1)
    for n, order in enumerate(("forward", "backward", "shuffled", "shuffled", "last first", "twice")):
        for size in (576 if family == socket.AF_INET else 1280, 1400):
            data, sport = rng.randbytes(20000), 6100 + 2 * n + (size == 1400)
            packets = make(data, size, sport)
            if order == "backward":
                packets.reverse()
            elif order == "shuffled":
                rng.shuffle(packets)
            elif order == "last first":
                packets.insert(0, packets.pop())
            elif order == "twice":
                packets = [p for q in packets for p in (q, q)]
            assert echoed(lab, family, packets, data, sport), (order, size)
    adds_up(lab.settled())


def test_extension_headers_before_and_after_the_fragment_header(lab):
    data = random.randbytes(3000)
    whole = bytes(UDP(sport=6300, dport=ECHO) / Raw(data))
    udp = UDP(sport=6300, dport=ECHO, len=len(whole))
    base = IPv6(src="fd10::2", dst=VIP6)
    full = base / udp / Raw(data)
    l4 = bytes(full)[40:]
    part = bytes(IPv6ExtHdrDestOpt(nh=17)) + l4  # options are part of what is cut
    cut = 1208
    packets = []
    for off in range(0, len(part), cut):
        chunk = part[off:off + cut]
        frag = IPv6ExtHdrFragment(nh=60, offset=off // 8, m=int(off + cut < len(part)), id=77)
        packets.append(base / IPv6ExtHdrDestOpt(nh=44) / frag / Raw(chunk))
    assert echoed(lab, socket.AF_INET6, packets[::-1], data, 6300)


def test_atomic_fragment_is_no_fragment(lab):
    full = IPv6(src="fd10::2", dst=VIP6) / UDP(sport=6301, dport=ECHO) / Raw(b"atomic")
    l4 = bytes(full)[40:]
    packet = IPv6(src="fd10::2", dst=VIP6) / IPv6ExtHdrFragment(nh=17, id=5) / Raw(l4)
    assert echoed(lab, socket.AF_INET6, [packet], b"atomic", 6301)


def test_echo_requests_in_fragments_are_answered(lab):
    for target in (VIP4, VIP6):
        assert lab.client.run("ping", "-c", "3", "-i", "0.05", "-W", "2", "-s", "5000", target,
                              check=False).returncode == 0, target


def grown(lab, packets, reason, times=1, wait=0.0):
    before = lab.settled()["drop"][reason]
    RawSender(lab.client, "eth0").send([lab.eth / p for p in packets])
    return wait_for(reason, lambda: lab.counters()["drop"][reason] >= before + times, 5 + wait, 0.05) and \
        lab.settled()["drop"][reason] - before


def test_fragments_that_cannot_be_are_dropped_by_name(lab):
    data = bytes(range(256)) * 16
    p = pieces4(data, 1000, 6400)
    assert grown(lab, p[:1] + p[2:3], "fragment", 0) == 0  # a hole: they go on, the receiver waits
    # A first fragment that never comes.
    late = pieces4(data, 1000, 6401)[1:]
    assert grown(lab, late, "fragment-timeout", len(late), 4) == len(late)
    # Teardrop: the second piece lies inside of the first.
    head = IP(src="10.10.0.2", dst=VIP4, id=242, flags="MF") / UDP(sport=6402, dport=ECHO, len=32) / Raw(b"a" * 24)
    tail = IP(src="10.10.0.2", dst=VIP4, id=242, frag=3, proto=17) / Raw(b"b" * 4)
    assert grown(lab, [head, tail], "fragment-overlap") == 1
    # Overlap while nothing has left yet: all of the datagram goes.
    q = pieces4(data, 1000, 6403)
    r = q[2].copy()
    r.frag += 1
    assert grown(lab, [q[1], q[2], r, q[0]], "fragment-overlap", 4) == 4
    # Tiny: eight bytes of TCP, and the rest of the header behind.
    tiny = IP(src="10.10.0.2", dst=VIP4, id=243, flags="MF", proto=6) / Raw(b"\x17\x70\x00\x50\0\0\0\1")
    rest = IP(src="10.10.0.2", dst=VIP4, id=243, frag=1, proto=6) / Raw(b"\0\0\0\0\x50\x02\x20\0\0\0\0\0")
    assert grown(lab, [tiny, rest], "fragment-tiny", 2) == 2
    # Ping of death: beyond 65,535.
    death = IP(src="10.10.0.2", dst=VIP4, id=244, frag=8189, proto=1) / Raw(b"x" * 400)
    assert grown(lab, [death], "fragment-beyond") == 1
    odd = IP(src="10.10.0.2", dst=VIP4, id=245, flags="MF", proto=17) / Raw(b"x" * 33)
    assert grown(lab, [odd], "fragment-length") == 1
    twice = pieces4(data, 1000, 6404)
    assert grown(lab, [twice[0], twice[1], twice[1]], "fragment-duplicate") == 1
    # A datagram for nobody: the kernel's view of this port is behind XDP, so it is named.
    nobody = fragment(IP(src="10.10.0.2", dst=VIP4, id=246) / UDP(sport=1, dport=9) / Raw(data), 1000)
    assert grown(lab, nobody, "no-service", len(nobody)) == len(nobody)
    adds_up(lab.settled())


def test_a_flood_of_pieces_pushes_out_pieces_not_datagrams(lab):
    """Thousands of datagrams that never get whole; real ones pass all the while."""
    junk = [IP(src=f"10.10.{i >> 8}.{i & 255}", dst=VIP4, id=i, frag=1, flags="MF", proto=17) / Raw(b"j" * 64)
            for i in range(3000)]
    frames = [bytes(lab.eth / p) for p in junk]
    s = client(lab, socket.AF_INET)
    data = random.randbytes(9000)
    before = lab.counters()["drop"]["fragment-limit"]
    for i in range(0, len(frames), 500):
        RawSender(lab.client, "eth0").send(frames[i:i + 500])
        s.send(data)
        assert s.recv(65535) == data
    assert lab.counters()["drop"]["fragment-limit"] > before
    c = lab.settled()
    adds_up(c)
