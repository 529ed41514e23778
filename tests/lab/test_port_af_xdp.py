# SPDX-License-Identifier: BSD-3-Clause
"""AF_XDP ports: steering, restart after kill -9, foreign programs, guard, ownership, recovery."""
import socket
import time

import pytest

import lab
from port_lab import PROBE_UID, Frames, Probe, STEER, Wire

EBUSY, ENODEV, EINVAL = -16, -19, -22


@pytest.fixture
def wire():
    with lab.Lab() as the_lab:
        yield Wire(the_lab)


@pytest.fixture
def wire2():
    with lab.Lab() as the_lab:
        yield Wire(the_lab, queues=2)


def started(wire, instance="t", **kw):
    probe = Probe(wire.border, instance, **kw)
    probe.ok("open up af-xdp wan")
    probe.ok(STEER)
    return probe


def test_takes_services_and_leaves_the_rest_to_the_kernel(wire):
    probe = started(wire)
    assert wire.ping("10.0.0.1") and wire.ping("fd00::1"), "interface addresses are the kernel's"
    assert probe.ok("counters up")["redirected"] == 0
    assert wire.udp_echo(sources=range(4000, 4008)) == 8
    assert wire.ping("10.0.0.100"), "echo to a service address is ours"
    before = probe.ok("counters up")
    assert before["echoed"] == 8 + 3
    assert before["redirected"] == before["app_rx"] == before["rx"]
    assert before["seen"] == before["passed"] + before["redirected"] + before["dropped"]
    # Another port of the service address is the kernel's, which refuses it.
    assert wire.tcp("10.0.0.100", 81) == "reset"
    assert wire.tcp("10.0.0.100", 80) == "silent"
    assert wire.tcp("fd00::100", 81) == "reset"
    assert wire.tcp("fd00::100", 80) == "silent"
    assert probe.ok("counters up")["tcp"] >= 1


def test_takes_local_addresses_within_their_ports(wire):
    probe = started(wire)
    assert wire.udp_echo("10.0.0.200", 1000) == 1
    assert wire.udp_echo("10.0.0.200", 2000) == 1
    before = probe.ok("counters up")["app_rx"]
    assert wire.udp_echo("10.0.0.200", 999, timeout=0.2) == 0
    assert wire.udp_echo("10.0.0.200", 2001, timeout=0.2) == 0
    assert probe.ok("counters up")["app_rx"] == before
    assert wire.ping("10.0.0.200"), "echo to a local address is the kernel's"
    assert probe.ok("counters up")["app_rx"] == before


def test_takes_fragments_to_its_addresses(wire):
    probe = started(wire)
    wire.client.run("ping", "-c", "1", "-W", "0.2", "-s", "4000", "10.0.0.100", check=False)
    assert probe.ok("counters up")["app_rx"] == 3
    wire.client.run("ping", "-c", "1", "-W", "0.2", "-s", "4000", "fd00::100", check=False)
    assert probe.ok("counters up")["app_rx"] == 6
    assert wire.client.run("ping", "-c", "1", "-s", "4000", "10.0.0.1").returncode == 0
    assert probe.ok("counters up")["app_rx"] == 6


def test_puts_addresses_on_the_interface_without_using_them_itself(wire):
    probe = started(wire)
    own = {"10.0.0.1", "fd00::1"}
    ours = {"10.0.0.100", "10.0.0.200", "fd00::100", "fd00::200"}
    assert own | ours <= wire.addresses()
    assert "src 10.0.0.1 " in wire.border.out("ip", "route", "get", "10.0.0.2")
    assert "src fd00::1 " in wire.border.out("ip", "-6", "route", "get", "fd00::2")
    # The same number by hand, as a network: not ours to delete.
    wire.border.run("ip", "addr", "add", "10.0.0.100/24", "dev", "wan", check=False)
    wire.border.run("ip", "addr", "add", "10.0.0.77/32", "dev", "wan")
    probe.ok("steer 10.0.0.101/udp/53")
    now = wire.addresses()
    assert own <= now and {"10.0.0.101", "10.0.0.77"} <= now
    assert not {"10.0.0.200", "fd00::100", "fd00::200"} & now
    assert wire.udp_echo("10.0.0.101") == 1
    assert "10.0.0.101" in wire.guard() and "10.0.0.200" not in wire.guard()


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_a_restart_replaces_the_program_and_keeps_its_maps(wire, how):
    probe = started(wire)
    assert wire.udp_echo() == 1
    first = wire.xdp_id()
    if how == "kill":
        probe.kill()
    else:
        assert probe.end("leave") == 0
    # Gone: silence, no reset, no unreachable; the kernel still answers the rest.
    assert wire.xdp_id() == first
    assert wire.tcp("10.0.0.100", 80, 0.3) == "silent"
    assert wire.udp_echo(timeout=0.3) == 0
    assert wire.ping("10.0.0.1")

    again = Probe(wire.border)
    again.ok("open up af-xdp wan")
    assert wire.xdp_id() not in (0, first)
    # The maps were kept: the service is taken before anybody said which there are.
    assert wire.udp_echo() == 1
    counters = again.ok("counters up")
    assert counters["seen"] == counters["passed"] + counters["redirected"] + counters["dropped"]
    assert counters["redirected"] == counters["rx"] == 1, "counted from this process's start"
    assert "packets were dropped for want of a process" in again.tail(), "those of the silence are in the log"
    again.ok(STEER)
    assert wire.udp_echo() == 1


def test_ten_kills_in_a_row_serve_again_within_a_second(wire, capsys):
    probe = started(wire)
    worst = 0.0
    for _ in range(10):
        start = time.monotonic()
        probe.kill()
        probe = Probe(wire.border)
        probe.ok("open up af-xdp wan")
        assert wire.udp_echo() == 1
        worst = max(worst, time.monotonic() - start)
    with capsys.disabled():
        print(f"\nworst restart {worst * 1000:.0f} ms from the kill (process start included)")
    assert worst < 1.0


def test_refuses_a_foreign_program_and_leaves_it_alone(wire):
    obj = next(lab.BUILD.rglob("foreign.bpf.o"))
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "obj", obj, "sec", "xdp")
    foreign = wire.xdp_id()
    assert foreign
    probe = Probe(wire.border)
    answer = probe.ask("open up af-xdp wan")
    assert answer["rc"] == EBUSY and answer["field"] == "device"
    assert "foreign XDP program" in answer["message"]
    assert wire.xdp_id() == foreign
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "off")
    probe.ok("open up af-xdp wan")


def test_the_guard_keeps_resets_away_without_any_program(wire):
    probe = started(wire)
    probe.kill()
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "off")
    assert wire.xdp_id() == 0
    for address in ("10.0.0.100", "fd00::100"):
        assert wire.tcp(address, 80, 0.3) == "silent"
        assert wire.tcp(address, 81, 0.3) == "reset", "only services are guarded"
    for address in ("10.0.0.200", "fd00::200"):
        assert wire.tcp(address, 1500, 0.3) == "silent"
    assert wire.ping("10.0.0.100"), "ping is not guarded"
    wire.border.run("nft", "delete", "table", "inet", "sluice-t")
    assert wire.tcp("10.0.0.100", 80, 0.3) == "reset", "it was the guard"


def test_a_second_owner_is_refused_by_name(wire):
    probe = started(wire, "first")
    other = Probe(wire.border, "second", name="second")
    answer = other.ask("open up af-xdp wan")
    assert answer["rc"] == EBUSY and answer["field"] == "device"
    assert f"process {probe.p.pid}" in answer["message"] and "port_probe" in answer["message"]
    assert probe.ask("open again af-xdp wan")["rc"] == EBUSY, "nor twice by the same process"
    assert wire.udp_echo() == 1, "the owner is not disturbed"
    probe.kill()
    other.ok("open up af-xdp wan")
    assert wire.udp_echo() == 1


def test_every_queue_has_a_socket(wire2):
    probe = started(wire2)
    assert wire2.udp_echo(sources=range(5000, 5064)) == 64
    counters = probe.ok("counters up")
    assert counters["queues"] == 2 and min(counters["queue_rx"]) > 0, counters
    probe.kill()
    again = Probe(wire2.border, workers=2)
    again.ok("open up af-xdp wan")
    assert wire2.udp_echo(sources=range(5000, 5064)) == 64
    assert min(again.ok("counters up")["queue_rx"]) > 0


def test_two_workers_share_the_one_queue_to_the_wire(wire):
    probe = started(wire, workers=2)
    assert wire.udp_echo(sources=range(5000, 5016)) == 16
    assert probe.ok("counters up")["lost"] == 0


@pytest.mark.parametrize("words,field,code", [
    ("open x af-xdp nosuch", "device", ENODEV),
    ("open x af-xdp wan queues=3", "queues", EINVAL),
    ("open x af-xdp wan mtu=9000", "mtu", EINVAL),
    ("open x af-xdp lo", "device", EINVAL),
    ("open x af-xdp wan,start_queue=7", "device", EINVAL),
    ("open x af-xdp ../wan", "device", EINVAL),
    ("open x memif m path=/tmp/x", "peer-mac", EINVAL),
    ("open x memif m path=relative peer=02:00:00:00:00:01", "memif/socket", EINVAL),
    ("open x memif m path=/a,b peer=02:00:00:00:00:01", "memif/socket", EINVAL),
    ("open x pcap p", "pcap/rx-file", EINVAL),
    ("open x pcap p path=/nonexistent.pcap", "pcap/rx-file", EINVAL),
    ("open x null n queues=2", "queues", EINVAL),
    ("open x af-xdp wan vlan=5:ta vlan=5:tb", "vlan", EINVAL),
    ("open x af-xdp wan vlan=4095:ta", "vlan", EINVAL),
    ("open a/b null n", "name", EINVAL),
])
def test_refuses_what_cannot_be(wire, words, field, code):
    probe = Probe(wire.border)
    answer = probe.ask(words)
    assert (answer["rc"], answer["field"]) == (code, field), answer
    assert answer["message"]
    assert wire.xdp_id() == 0
    probe.ok("open up af-xdp wan")  # nothing was left half open


def test_device_deleted_and_made_again(wire):
    probe = started(wire)
    assert wire.udp_echo() == 1
    for round_ in (1, 2, 3):
        wire.client.run("ip", "link", "del", "cl")
        lab.wait_for("port is down", lambda: not probe.ok("counters up")["live"])
        wire.connect()
        lab.wait_for("port is back", lambda: probe.ok("counters up")["live"])
        assert wire.udp_echo(timeout=2.0) == 1, round_
    counters = probe.ok("counters up")
    assert counters["echoed"] == 4 and counters["rx"] >= 4, "counters go on"
    assert sum(not e["live"] for e in probe.events) == 3, "the app is told each time"
    assert probe.events[-1]["live"] == 1


def test_link_down_and_up(wire):
    probe = started(wire)
    wire.client.run("ip", "link", "set", "cl", "down")
    lab.wait_for("port is down", lambda: not probe.ok("counters up")["up"])
    wire.client.run("ip", "link", "set", "cl", "up")
    lab.wait_for("port is up", lambda: probe.ok("counters up")["up"])
    assert wire.udp_echo(timeout=2.0) == 1
    wire.border.run("ip", "link", "set", "wan", "down")
    lab.wait_for("port is down", lambda: not probe.ok("counters up")["up"])
    wire.border.run("ip", "link", "set", "wan", "up")
    lab.wait_for("port is up", lambda: probe.ok("counters up")["up"])
    assert wire.udp_echo(timeout=2.0) == 1
    wire.client.addr("cl", "fd00::2/64")
    assert wire.udp_echo("fd00::100", timeout=0.3) == 0  # the probe echoes IPv4 only
    assert "fd00::100" in wire.addresses(), "the kernel had forgotten it"


def test_a_program_taken_off_by_hand_is_attached_again(wire):
    probe = started(wire)
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "off")
    lab.wait_for("attached again", wire.xdp_id)
    assert wire.udp_echo() == 1
    assert probe.alive()


def test_close_takes_everything_off_and_the_guard_stays(wire):
    probe = started(wire)
    probe.ok("close up")
    assert wire.xdp_id() == 0
    assert not {"10.0.0.100", "10.0.0.200", "fd00::100"} & wire.addresses()
    assert "10.0.0.100 . tcp . 80" in wire.guard()
    probe.ok("open up af-xdp wan")
    assert wire.udp_echo() == 1


def test_detach_leaves_nothing(wire):
    probe = started(wire)
    probe.kill()
    other = Probe(wire.border, "other", name="other")
    other.ok("detach")
    assert wire.xdp_id() != 0, "another instance's program is left alone"
    other.end()
    cleaner = Probe(wire.border, name="cleaner")
    cleaner.ok("detach")
    assert wire.xdp_id() == 0 and wire.guard() == ""
    assert wire.addresses() & {"10.0.0.100", "10.0.0.200", "fd00::100", "fd00::200"} == set()
    assert wire.tcp("10.0.0.100", 80, 0.3) in ("silent", "reset")
    assert "10.0.0.1" in wire.addresses()


@pytest.mark.parametrize("huge", [True, False])
def test_ports_open_and_recover_without_root(wire, huge):
    probe = Probe(wire.border, huge=huge)
    probe.ok(f"drop {PROBE_UID}")
    caps = probe.ok("caps")
    assert caps["uid"] == PROBE_UID
    assert set(caps["caps"].replace("=ep", "").split(",")) == \
        {"cap_net_admin", "cap_net_raw", "cap_bpf", "cap_ipc_lock"}, caps
    probe.ok("open up af-xdp wan vlan=7:v7")
    probe.ok(STEER)
    assert wire.udp_echo() == 1
    wire.client.run("ip", "link", "del", "cl")
    lab.wait_for("port is down", lambda: not probe.ok("counters up")["live"])
    wire.connect()
    lab.wait_for("port is back", lambda: probe.ok("counters up")["live"])
    assert wire.udp_echo(timeout=2.0) == 1
    probe.ok("close up")
    assert wire.xdp_id() == 0
    probe.ok("open up af-xdp wan")
    assert wire.udp_echo() == 1


def test_an_idle_worker_sleeps_and_wakes_at_once(wire, capsys):
    probe = started(wire)
    wire.udp_echo()
    idle = probe.ok("idle 1000")
    assert idle["percent"] < 5.0, idle
    # Other jobs can only add to it: the best median is the cost of a wake-up. A sleep lasts up to 20 ms.
    runs = [wire.client.in_netns(wire.round_trips, "10.0.0.100", 53, 100) for _ in range(5)]
    best = min(runs, key=lambda times: times[50])
    with capsys.disabled():
        print(f"\nidle {idle['percent']} % CPU, {idle['sleeps']} sleeps a second; "
              f"round trip from sleep p50 {best[50] * 1e6:.0f} us, p90 {best[90] * 1e6:.0f} us")
    assert best[50] < 0.001


def test_takes_what_has_options_and_extension_headers(wire):
    probe = started(wire)
    from scapy.all import Ether, ICMP, IP, IPOption, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN, Raw, UDP
    frames = Frames(wire)
    probe_rx = lambda: probe.ok("counters up")["app_rx"]  # noqa: E731
    mac = frames.border_mac
    options = IPOption(bytes([1] * 8))
    v4 = Ether(dst=mac) / IP(src="10.0.0.2", dst="10.0.0.100", options=[options])
    v6 = Ether(dst=mac) / IPv6(src="fd00::2", dst="fd00::100")
    extensions = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"0" * 12)]) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"0" * 4)])
    taken = [v4 / UDP(sport=9, dport=53), v4 / ICMP(), v6 / extensions / UDP(sport=9, dport=53)]
    passed = [v4 / UDP(sport=9, dport=54), v6 / extensions / UDP(sport=9, dport=54),
              v6 / IPv6ExtHdrHopByHop(nh=0) / Raw(b"\0" * 4), Ether(dst=mac) / IP(dst="10.0.0.100", proto=17, ihl=15) / Raw(b"x"),
              Ether(dst=mac, type=0x800) / Raw(b"\x45"), Ether(dst=mac, type=0x86dd) / Raw(b"\x60" * 8),
              Ether(dst=mac, type=0x8100) / Raw(b"\0"), v6 / IPv6ExtHdrHopByHop() / Raw(b"")]
    before = probe_rx()
    for frame in taken:
        frames.send(bytes(frame))
    lab.wait_for("frames with options taken", lambda: probe_rx() == before + len(taken), timeout=2)
    for frame in passed:
        frames.send(bytes(frame))
    time.sleep(0.2)
    assert probe_rx() == before + len(taken)


def test_a_vlan_is_taken_whole_and_its_tap_is_the_kernels_view(wire):
    probe = Probe(wire.border)
    probe.ok("open up af-xdp wan vlan=7:v7")
    wire.border.addr("v7", "10.7.0.1/24")
    from scapy.all import ARP, Dot1Q, Ether, ICMP, IP
    frames = Frames(wire)
    src = frames.client_mac

    def arp(vid):
        return Ether(src=src, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=vid) / ARP(hwsrc=src, psrc="10.7.0.2", pdst="10.7.0.1")

    assert frames.ask(bytes(arp(8)), lambda f: ARP in f and f[ARP].op == 2, timeout=0.3) is None
    assert probe.ok("counters up")["redirected"] == 0
    reply = frames.ask(bytes(arp(7)), lambda f: ARP in f and f[ARP].op == 2)
    assert reply is not None and reply[Dot1Q].vlan == 7
    assert reply[ARP].hwsrc == frames.border_mac, "the view has the MAC of the wire"
    echo = (Ether(src=src, dst=frames.border_mac) / Dot1Q(vlan=7) / IP(src="10.7.0.2", dst="10.7.0.1") /
            ICMP(id=77) / b"over a vlan")
    reply = frames.ask(bytes(echo), lambda f: ICMP in f and f[ICMP].type == 0)
    assert reply is not None and reply[Dot1Q].vlan == 7 and bytes(reply[ICMP].payload) == b"over a vlan"
    # The TAP is deleted under it: it is made again, with its MAC.
    wire.border.run("ip", "link", "del", "v7")
    lab.wait_for("tap is back", lambda: wire.border.run("ip", "link", "show", "v7", check=False).returncode == 0)
    wire.border.addr("v7", "10.7.0.1/24")
    lab.wait_for("tap is live", lambda: probe.ok("counters v7")["live"])
    assert frames.ask(bytes(arp(7)), lambda f: ARP in f and f[ARP].op == 2) is not None
    probe.ok("close up")
    assert wire.border.run("ip", "link", "show", "v7", check=False).returncode != 0


def test_counts_what_it_had_to_miss_and_what_waits(wire):
    """The app is stopped (SIGSTOP): the ring fills and overflows; every packet is accounted for."""
    import signal
    probe = started(wire)
    wire.udp_echo()
    before = probe.ok("counters up")
    probe.p.send_signal(signal.SIGSTOP)
    sent = 5000
    # Echoes to the closed socket would bring ICMP errors back, which are ours too.
    wire.client.run("nft", "add table inet t; add chain inet t out { type filter hook output priority 0; }; "
                    "add rule inet t out icmp type destination-unreachable drop")
    wire.client.in_netns(wire.flood, "10.0.0.100", 53, sent)
    probe.p.send_signal(signal.SIGCONT)
    lab.wait_for("the ring is empty", lambda: probe.ok("counters up")["depth"] == 0)
    after = probe.ok("counters up")
    new = {k: after[k] - before[k] for k in ("redirected", "rx", "missed", "app_rx")}
    assert new["redirected"] == sent == new["rx"] + new["missed"], new
    assert new["missed"] > 0 and new["app_rx"] == new["rx"], new


def test_a_driver_without_xdp_is_used_in_generic_mode(wire):
    border = wire.border
    border.run("ip", "link", "add", "br0", "type", "bridge")
    # br_netfilter would show packets to the guard before the bridge's XDP sees them.
    border.sysctl("net.bridge.bridge-nf-call-iptables", 0)
    border.run("ip", "addr", "flush", "dev", "wan")
    border.run("ip", "link", "set", "wan", "master", "br0")
    border.run("ip", "link", "set", "br0", "up")
    border.addr("br0", "10.0.0.1/24")
    probe = Probe(border)
    probe.ok("open up af-xdp br0")
    assert "xdpgeneric" in border.out("ip", "link", "show", "br0")
    assert "generic mode" in probe.tail()
    probe.ok(STEER)
    assert wire.udp_echo() == 1 and wire.ping("10.0.0.1")
    probe.kill()
    assert wire.udp_echo(timeout=0.3) == 0
    probe = Probe(border)
    probe.ok("open up af-xdp br0")
    assert wire.udp_echo() == 1
    probe.ok("close up")
    assert "xdp" not in border.out("ip", "link", "show", "br0")


def test_a_thousand_services_can_be_steered(wire):
    probe = started(wire)
    words = " ".join(f"10.0.0.100/udp/{port}" for port in range(1000, 2000))
    start = time.monotonic()
    probe.ok("steer " + words)
    first = time.monotonic() - start
    assert wire.udp_echo(port=1999) == 1 and wire.udp_echo(port=1000) == 1
    start = time.monotonic()
    probe.ok("steer " + words + " 10.0.0.100/udp/2000")
    print(f"1000 services in {first * 1000:.0f} ms, one more in {(time.monotonic() - start) * 1000:.0f} ms")
    assert wire.udp_echo(port=2000) == 1
    assert wire.udp_echo(port=53, timeout=0.2) == 0


def app_rx(probe):
    return probe.ok("counters up")["app_rx"]


def test_takes_ranges_wildcards_and_prefixes(wire):
    probe = started(wire)
    wire.client.run("ip", "route", "add", "10.9.0.0/16", "via", "10.0.0.1")
    wire.client.run("ip", "-6", "route", "add", "fd09::/32", "via", "fd00::1")
    probe.ok("steer 10.0.0.100/udp/1000-1999 10.0.0.101/udp/any fd00::101/tcp/any "
             "10.9.0.0+16/udp/any 10.9.8.0+24/tcp/80-90 fd09::+32/tcp/443")
    for port, taken in ((999, 0), (1000, 1), (1024, 1), (1999, 1), (2000, 0)):
        assert wire.udp_echo("10.0.0.100", port, timeout=0.2) == taken, port
    # A wildcard, but for what a socket of the kernel is there for.
    assert wire.udp_echo("10.0.0.101", 1) == wire.udp_echo("10.0.0.101", 65535) == 1
    listener = wire.border.in_netns(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("0.0.0.0", 5353))
    listener.settimeout(2)
    before = app_rx(probe)
    assert wire.udp_echo("10.0.0.101", 5353, timeout=0.2) == 0
    assert listener.recv(100) == b"hello" and app_rx(probe) == before
    assert wire.udp_echo("10.0.0.101", 5354) == 1
    six = wire.border.in_netns(socket.socket, socket.AF_INET6, socket.SOCK_STREAM)
    six.bind(("::", 2222))
    six.listen(1)
    assert wire.tcp("fd00::101", 2222) == "open" and wire.tcp("fd00::101", 2223) == "silent"
    # Prefixes: the longer one has the ports of the shorter one too; the node's own addresses stay its own.
    assert wire.udp_echo("10.9.1.1", 77) == wire.udp_echo("10.9.8.1", 77) == 1
    assert wire.udp_echo("10.9.8.1", 5353) == 1, "a listener on any address is none on one that is not the node's"
    before = probe.ok("counters up")["tcp"]
    assert wire.tcp("10.9.8.1", 85, 0.3) == wire.tcp("10.9.8.1", 90, 0.3) == "silent"
    assert wire.tcp("fd09::5", 443, 0.3) == "silent"
    assert probe.ok("counters up")["tcp"] >= before + 2
    passed = app_rx(probe)
    wire.tcp("10.9.8.1", 91, 0.2)
    wire.tcp("fd09::5", 444, 0.2)
    assert app_rx(probe) == passed
    wire.border.run("ip", "addr", "add", "10.9.3.3/32", "dev", "lo")
    lab.wait_for("the node's own address is its own", lambda: wire.udp_echo("10.9.3.3", 5353, timeout=0.1) == 0)
    assert listener.recv(100) == b"hello"
    wire.border.run("ip", "addr", "del", "10.9.3.3/32", "dev", "lo")
    lab.wait_for("and ours again", lambda: wire.udp_echo("10.9.3.3", 77, timeout=0.1) == 1)
    wire.border.run("ip", "addr", "add", "10.9.3.4/32", "dev", "lo")
    # Fragments and echo to a prefix are taken as to an address.
    before = app_rx(probe)
    wire.client.run("ping", "-c", "1", "-W", "0.2", "-s", "4000", "10.9.7.7", check=False)
    assert app_rx(probe) == before + 3
    assert wire.ping("10.9.7.7", 1)
    # All of it is silent without a program; the kernel's listeners are heard.
    probe.kill()
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "off")
    for address, port in (("10.0.0.100", 1500), ("10.0.0.101", 9), ("10.9.1.1", 7), ("10.9.8.1", 7)):
        assert not unreachable(wire, address, port), address
    assert unreachable(wire, "10.0.0.100", 2500), "what is no service is refused"
    assert unreachable(wire, "10.9.3.4", 7), "the node's own address"
    assert wire.tcp("fd00::101", 2223, 0.3) == "silent" and wire.tcp("fd00::101", 2222) == "open"
    wire.udp_echo("10.0.0.101", 5353, timeout=0.1)
    assert listener.recv(100) == b"hello"
    listener.close()
    six.close()


def unreachable(wire, address, port):
    """Does a datagram bring an ICMP error back?"""
    def probe():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.3)
            s.connect((address, port))
            s.send(b"x")
            try:
                s.recv(10)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                pass
            return False
    return wire.client.in_netns(probe)


def test_takes_what_nat_servers_answer(wire):
    """The client's end plays a server (10.0.0.2); what it sends to others than the node is an answer."""
    from scapy.all import Ether, ICMP, IP, IPv6, TCP, UDP, ICMPv6PacketTooBig, fragment, raw
    probe = started(wire)
    frames = Frames(wire)

    def taken(packet):
        before = app_rx(probe)
        frames.send(raw(Ether(src=frames.client_mac, dst=frames.border_mac) / packet))
        frames.send(raw(Ether(src=frames.client_mac, dst=frames.border_mac) /
                        IP(src="10.0.0.9", dst="10.0.0.100") / UDP(sport=1, dport=53)))
        lab.wait_for("the probe behind it", lambda: app_rx(probe) > before, 2)
        return app_rx(probe) - before - 1

    probe.ok("steer 10.0.0.100/udp/53 nat=10.0.0.2/tcp/80 nat=10.0.0.3/udp/1000-1010 nat=fd00::2/tcp/any "
             "local=10.0.0.200/1000/2000")
    out = "192.0.2.7"
    assert taken(IP(src="10.0.0.2", dst=out) / TCP(sport=80, dport=5000, flags="SA")) == 1
    assert taken(IP(src="10.0.0.2", dst=out) / TCP(sport=81, dport=5000)) == 0
    assert taken(IP(src="10.0.0.2", dst=out) / UDP(sport=80, dport=5000)) == 0
    assert taken(IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=80, dport=5000)) == 0, "to the node: a health check"
    assert taken(IP(src="10.0.0.3", dst=out) / UDP(sport=1010, dport=1)) == 1
    assert taken(IP(src="10.0.0.3", dst=out) / UDP(sport=1011, dport=1)) == 0
    assert taken(IPv6(src="fd00::2", dst="2001:db8::7") / TCP(sport=9, dport=1)) == 1
    assert taken(IPv6(src="fd00::2", dst="fd00::1") / TCP(sport=9, dport=1)) == 0
    # Pieces of an answer: all of them, ports or no ports.
    for piece in fragment(IP(src="10.0.0.3", dst=out, id=7) / UDP(sport=1000, dport=1) / (b"x" * 3000), 1000):
        assert taken(piece) == 1
    assert taken(fragment(IP(src="10.0.0.4", dst=out) / UDP(sport=1000) / (b"x" * 3000), 1000)[1]) == 0
    # Errors: ours if the answer to the inner packet were.
    def error(inner, dst, src="10.0.0.77"):
        return IP(src=src, dst=dst) / ICMP(type=3, code=4) / raw(inner)[:28]
    assert taken(error(IP(src="10.0.0.100", dst=out) / UDP(sport=53, dport=5000), "10.0.0.100")) == 1
    assert taken(error(IP(src="10.0.0.100", dst=out) / UDP(sport=54, dport=5000), "10.0.0.100")) == 0
    assert taken(error(IP(src="10.0.0.200", dst="10.0.0.2") / TCP(sport=1500, dport=80), "10.0.0.200")) == 1
    assert taken(error(IP(src="10.0.0.200", dst="10.0.0.2") / TCP(sport=2500, dport=81), "10.0.0.200")) == 0
    assert taken(error(IP(src=out, dst="10.0.0.2") / TCP(sport=5000, dport=80), out)) == 1, "about a packet to a server"
    assert taken(error(IP(src=out, dst="10.0.0.2") / TCP(sport=5000, dport=81), out)) == 0
    assert taken(error(IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5000, dport=80), "10.0.0.1")) == 0, "node's own"
    assert taken(IPv6(src="fd00::77", dst="2001:db8::7") / ICMPv6PacketTooBig(mtu=1280) /
                 IPv6(src="2001:db8::7", dst="fd00::2") / TCP(sport=1, dport=9)) == 1
    assert taken(IPv6(src="fd00::77", dst="2001:db8::7") / ICMPv6PacketTooBig(mtu=1280) /
                 IPv6(src="2001:db8::7", dst="fd00::3") / TCP(sport=1, dport=9)) == 0
    # Dead, and without a program: the kernel does not forward them.
    wire.border.sysctl("net.ipv4.ip_forward", 1)
    wire.border.run("ip", "route", "add", "192.0.2.0/24", "via", "10.0.0.2")
    probe.kill()
    wire.border.run("ip", "link", "set", "dev", "wan", "xdp", "off")

    def forwarded(packet):
        return frames.ask(raw(Ether(src=frames.client_mac, dst=frames.border_mac) / packet),
                          lambda p: IP in p and p[IP].dst == out, 0.5)

    assert forwarded(IP(src="10.0.0.2", dst=out) / TCP(sport=81, dport=5000)) is not None
    assert forwarded(IP(src="10.0.0.2", dst=out) / TCP(sport=80, dport=5000)) is None
    assert forwarded(IP(src="10.0.0.3", dst=out) / UDP(sport=1005, dport=5000)) is None
