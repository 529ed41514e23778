# SPDX-License-Identifier: BSD-3-Clause
"""Packets that others found hard, each through the real sluice-lb, each counted under its own reason.

They come tagged with a VLAN that is the balancer's whole, so that the steering program takes also those which it would
leave to the kernel on an untagged port.
"""
import struct

import pytest
from scapy.all import (ICMP, IP, TCP, UDP, Dot1Q, Ether, IPOption_LSRR, IPOption_RR, IPOption_SSRR,
                       IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw)

import ctl_link as ctl
from border import VIP4, VIP6
from lab import wait_for
from lb_alone import LOCAL, LbAlone, POOL4, POOL6, UP_PORT
from test_counters import RawSender, adds_up, mac_of

VID, C4, C6 = 77, "10.10.0.2", "fd10::2"
CLASSES = ANSWERED, FORWARDED, KERNEL = "answered", "forwarded", "to-kernel"


@pytest.fixture(scope="module")
def lab():
    records = [ctl.vlan(3, UP_PORT, VID, "up77"), ctl.service(32, POOL4, LOCAL, "udp4", VIP4, 53, ctl.UDP),
               ctl.service(33, POOL6, LOCAL, "udp6", VIP6, 53, ctl.UDP)]
    with LbAlone(records=records) as lab:
        lab.eth = Ether(src=mac_of(lab.client, "eth0"), dst=mac_of(lab.border, "up"))
        yield lab
        adds_up(lab.settled())


def ip4(**kw):
    return IP(src=C4, dst=VIP4, **kw)


def ip6(**kw):
    return IPv6(src=C6, dst=VIP6, **kw)


def raw4(at, value, packet):
    """The IPv4 packet with bytes changed and its header checksum right again."""
    b = bytearray(bytes(packet))
    b[at:at + len(value)] = value
    hlen = max(20, (b[0] & 15) * 4)
    b[10:12] = b"\0\0"
    s = sum(struct.unpack(f"!{min(hlen, len(b)) // 2}H", bytes(b[:min(hlen, len(b)) // 2 * 2])))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    b[10:12] = struct.pack("!H", ~s & 0xffff)
    return Raw(bytes(b))


def options(*kinds):
    """IPv6 extension headers of 8 bytes in a row, then UDP."""
    out = b""
    for i, _ in enumerate(kinds):
        out += bytes([kinds[i + 1] if i + 1 < len(kinds) else 17, 0, 1, 4, 0, 0, 0, 0])
    return ip6(nh=kinds[0]) / Raw(out + bytes(UDP(sport=1, dport=53, len=8, chksum=1)))


UDP4 = ip4() / UDP(sport=1, dport=53) / Raw(b"x" * 32)
SYN4 = ip4() / TCP(sport=1, dport=80, flags="S")
FRAG6 = IPv6ExtHdrFragment
# name: (packets, reason or class, how many of them are counted there). Ether type by the IP version unless given.
CORPUS = {
    "teardrop": ([ip4(id=1, flags="MF", proto=17) / UDP(sport=2, dport=53, len=32) / Raw(b"a" * 24),
                  ip4(id=1, frag=3, proto=17) / Raw(b"b" * 4)], "fragment-overlap", 1),
    "teardrop as it was": ([ip4(id=2, flags="MF", proto=17) / UDP(sport=2, dport=53, len=36) / Raw(b"a" * 28)], "fragment-length", 1),
    "ping of death": ([ip4(id=3, frag=8189, proto=1) / Raw(b"x" * 200)], "fragment-beyond", 1),
    "ping of death, IPv6": ([ip6() / FRAG6(nh=58, offset=8190, id=3) / Raw(b"x" * 200)], "fragment-beyond", 1),
    "tiny first fragment": ([ip4(id=4, flags="MF", proto=6) / Raw(bytes(TCP(dport=80))[:8])], "fragment-tiny", 1),
    "tiny first fragment, IPv6": ([ip6() / FRAG6(nh=6, m=1, id=4) / Raw(bytes(TCP(dport=80))[:16])], "fragment-tiny", 1),
    "header chain cut by a fragment": ([ip6() / FRAG6(nh=60, m=1, id=5) / Raw(b"\x11\x05" + bytes(14))], "fragment-tiny", 1),
    "flags overwritten by the second": ([ip4(id=6, frag=1, proto=6) / Raw(b"x" * 16)], "fragment-tiny", 1),
    "fragment without data": ([ip4(id=7, flags="MF", proto=17)], "fragment-length", 1),
    "fragment of odd length": ([ip6() / FRAG6(nh=17, m=1, offset=3, id=7) / Raw(b"x" * 13)], "fragment-length", 1),
    "fragment of a fragment": ([ip6() / FRAG6(nh=44, m=1, id=8) / FRAG6(nh=17, m=1, id=9) / Raw(b"x" * 16)], "ip-extension-twice", 1),
    "land": ([IP(src=VIP4, dst=VIP4) / TCP(sport=80, dport=80, flags="S")], "ip-land", 1),
    "land by ping": ([IP(src=VIP4, dst=VIP4) / ICMP()], "ip-land", 1),
    "land, IPv6": ([IPv6(src=VIP6, dst=VIP6) / TCP(sport=80, dport=80, flags="S")], "ip-land", 1),
    "loose source route": ([ip4(options=[IPOption_LSRR(routers=["10.9.9.9"])]) / UDP(dport=53)], "ip-options", 1),
    "strict source route": ([ip4(options=[IPOption_SSRR(routers=["10.9.9.9"])]) / UDP(dport=53)], "ip-options", 1),
    "option longer than the header": ([raw4(21, b"\x27", ip4(options=[IPOption_RR()]) / UDP(dport=53))], "ip-header", 1),
    "record route": ([ip4(options=[IPOption_RR()]) / UDP(sport=5, dport=53) / Raw(b"x")], FORWARDED, 1),
    "hop-by-hop": ([ip6() / IPv6ExtHdrHopByHop() / UDP(sport=6, dport=53) / Raw(b"x")], FORWARDED, 1),
    "hop-by-hop in the middle": ([options(60, 0)], "ip-extension", 1),
    "extension beyond the end": ([ip6(nh=60) / Raw(b"\x11\x20" + bytes(14))], "ip-extension", 1),
    "routing header 0": ([ip6() / IPv6ExtHdrRouting(type=0, addresses=["fd10::9"]) / UDP(dport=53)], "ip-routing-header", 1),
    "duplicated routing header": ([ip6() / IPv6ExtHdrRouting(type=2, addresses=["fd10::9"]) /
                                   IPv6ExtHdrRouting(type=2, addresses=["fd10::9"]) / UDP(dport=53)], "ip-extension-twice", 1),
    "destination options three times": ([options(60, 60, 60)], "ip-extension-twice", 1),
    "jumbogram": ([ip6(nh=0, plen=0) / Raw(b"\x11\x00\xc2\x04\x00\x01\x00\x00" + b"x" * 64)], "ip-jumbogram", 1),
    "total length zero": ([raw4(2, b"\0\0", UDP4)], "ip-header", 1),
    "longer than the frame": ([raw4(2, b"\xff\xff", UDP4)], "ip-header", 1),
    "header length 4": ([raw4(0, b"\x44", UDP4)], "ip-header", 1),
    "header longer than the packet": ([raw4(0, b"\x4f", ip4() / Raw(b"x" * 8))], "ip-header", 1),
    "version 5": ([raw4(0, b"\x55", UDP4)], "ip-version", 1),
    "payload longer than the frame, IPv6": ([ip6(plen=4000) / UDP(dport=53)], "ip-header", 1),
    "bad IP checksum": ([ip4(chksum=1) / UDP(dport=53)], "ip-checksum", 1),
    "from multicast": ([IP(src="224.0.0.1", dst=VIP4) / UDP(dport=53)], "ip-address", 1),
    "from loopback": ([IP(src="127.0.0.1", dst=VIP4) / UDP(dport=53)], "ip-address", 1),
    "from loopback, IPv6": ([IPv6(src="::1", dst=VIP6) / UDP(dport=53)], "ip-address", 1),
    "from a mapped address": ([IPv6(src="::ffff:10.0.0.1", dst=VIP6) / UDP(dport=53)], "ip-address", 1),
    "UDP length of 7": ([ip4() / UDP(dport=53, len=7) / Raw(b"x" * 8)], "l4-header", 1),
    "UDP longer than its packet": ([ip4() / UDP(dport=53, len=400) / Raw(b"x" * 8)], "l4-header", 1),
    "UDP over IPv6 without checksum": ([ip6() / UDP(dport=53, chksum=0)], "l4-header", 1),
    "TCP header of 16 bytes": ([ip4() / TCP(dport=80, dataofs=4)], "l4-header", 1),
    "TCP header beyond the end": ([ip4() / TCP(dport=80, dataofs=15)], "l4-header", 1),
    "TCP without flags": ([ip4() / TCP(dport=80, flags="")], "tcp-flags", 1),
    "SYN and FIN": ([ip4() / TCP(dport=80, flags="SF")], "tcp-flags", 1),
    "Christmas tree without ACK": ([ip4() / TCP(dport=80, flags="FPU")], "tcp-flags", 1),
    "bad UDP checksum": ([ip4() / UDP(sport=7, dport=53, chksum=0xdead) / Raw(b"x" * 8)], FORWARDED, 1),
    "hop limit reached": ([ip4(ttl=1) / UDP(sport=8, dport=53)], ANSWERED, 1),
    "redirect": ([ip4() / ICMP(type=5, code=1) / IP(src=VIP4, dst=C4) / UDP(sport=53, dport=9)], "icmp-type", 1),
    "source quench": ([ip4() / ICMP(type=4) / IP(src=VIP4, dst=C4) / UDP(sport=53, dport=9)], "icmp-type", 1),
    "error about nothing": ([ip4() / ICMP(type=3, code=4, nexthopmtu=68)], "icmp-inner", 1),
    "error about another's packet": ([ip4() / ICMP(type=3, code=4) / IP(src="10.99.0.1", dst=C4) / UDP(sport=53, dport=9)], "icmp-inner", 1),
    "error about no connection": ([ip4() / ICMP(type=3, code=4) / IP(src=VIP4, dst=C4) / UDP(sport=53, dport=9)], "icmp-no-flow", 1),
    "error with a bad checksum": ([ip4() / ICMP(type=3, code=4, chksum=1) / IP(src=VIP4, dst=C4) / UDP(sport=53, dport=9)], "icmp-checksum", 1),
    "error about a later fragment": ([ip4() / ICMP(type=11, code=0) / IP(src=VIP4, dst=C4, frag=9, proto=17) / Raw(b"x" * 8)], "icmp-fragment", 1),
}


def frame(lab, packet):
    b = bytes(packet)
    kind = 0x86dd if isinstance(packet, IPv6) else 0x0800
    return bytes(lab.eth / Dot1Q(vlan=VID, type=kind)) + b


def value(c, name):
    return c["sum"][name] if name in CLASSES else c["drop"][name]


def sent(lab, frames, name, times):
    before = value(lab.counters(), name)
    RawSender(lab.client, "eth0").send(frames)
    wait_for(name, lambda: value(lab.counters(), name) >= before + times, 5, 0.02)
    return value(lab.counters(), name) - before


def test_each_under_its_own_reason(lab):
    for name in (VIP4, VIP6):  # neighbours known: what is forwarded is so at once
        lab.client.run("ping", "-c", "1", "-W", "1", name, check=False)
    lab.border.run("ping", "-c", "1", lab.servers[0].ip4, check=False)
    wrong = {}
    for name, (packets, reason, times) in CORPUS.items():
        before = lab.counters()
        try:
            n = sent(lab, [frame(lab, p) for p in packets], reason, times)
        except Exception:
            n = 0
        if n < times or (n > times and reason not in CLASSES):  # the kernel's own packets are in the classes too
            now = lab.counters()
            wrong[name] = (reason, n, {k: v - before["drop"][k] for k, v in now["drop"].items() if v != before["drop"][k]},
                           {k: v - before["sum"][k] for k, v in now["sum"].items() if v != before["sum"][k]})
    assert not wrong, wrong
    adds_up(lab.settled())


@pytest.mark.parametrize("outer, inner", [(0x8100, 0x8100), (0x8100, 0x88a8), (0x8100, 0x9100)])
def test_a_tag_in_a_tag_is_refused(lab, outer, inner):
    mac = bytes(lab.eth)[:12]
    f = mac + struct.pack("!HHHHH", outer, VID, inner, 5, 0x0800) + bytes(UDP4)
    assert sent(lab, [f], "vlan-nested", 1) == 1


def test_a_frame_shorter_than_its_headers(lab):
    f = frame(lab, UDP4)[:30]
    assert sent(lab, [f], "runt", 1) == 1


def test_clients_go_on(lab):
    assert lab.client.out("curl", "-sf", "--max-time", "5", f"http://{VIP4}/").startswith("s")
    assert lab.client.out("curl", "-sf", "--max-time", "5", f"http://[{VIP6}]/").startswith("s")
