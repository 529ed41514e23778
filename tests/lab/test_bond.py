# SPDX-License-Identifier: BSD-3-Clause
"""Ports whose kernel view is a TAP: a bond of kernel interfaces, and PCI devices as far as they are refused."""
import json
import pathlib
import subprocess
import time

import pytest

import ctl_link as ctl
from border import VIP4, VIP6
from clients import download
from lab import wait_for
from lb_alone import UP_PORT, LbAlone
from test_counters import adds_up

HERE = pathlib.Path(__file__).parent
BACKUP, XOR, LACP = 1, 2, 3
OWN4, OWN6 = "10.10.0.1", "fd10::1"


class BondLab(LbAlone):
    """Border whose port "up" is a bond of m0 and m1; their other ends are on a bridge, as on two switches."""

    def _build(self, servers, queues, capture):
        super()._build(servers, queues, capture)
        self.client.run("ip", "link", "del", "eth0")
        self.client.run("ip", "link", "add", "eth0", "type", "bridge")
        # Of its own: by itself a bridge has the lowest of its ports, which come and go.
        self.client.run("ip", "link", "set", "eth0", "address", "02:00:0a:0a:00:02", "up")
        for i in range(2):
            self.member(i)
        self.client.addr("eth0", "10.10.0.2/24", "fd10::2/64")
        self.client.route("10.20.0.0/24", OWN4)
        self.client.run("ip", "-6", "route", "add", "fd20::/64", "via", OWN6)

    def member(self, i):
        self.veth(self.client, f"p{i}", self.border, f"m{i}")
        self.client.run("ip", "link", "set", f"p{i}", "master", "eth0")

    def records(self):
        out = super().records()
        at = next(i for i, r in enumerate(out) if r == ctl.port(UP_PORT, "up"))
        out[at] = bond()
        return out

    version = 1

    def commit(self, upserts=(), deletes=()):
        self.link.transaction(self.version, self.version + 1, upserts, deletes)
        self.version += 1

    def give_addresses(self):
        """What sluiced or the operator does on the TAP."""
        wait_for("TAP of the bond", lambda: self.border.run("ip", "link", "show", "dev", "up", check=False).returncode == 0)
        self.border.addr("up", f"{OWN4}/24", f"{OWN6}/64")

    def members(self):
        """Of the bond "up": name -> (has a link, carries)."""
        ports = self.link.query("state")["ietf-interfaces:interfaces"]["interface"]
        state = next(i for i in ports if i["name"] == "up")["sluice-port:port-state"]
        return {m["name"]: (m["link"], m["carries"]) for m in state["member"]}

    def curl(self, vip=VIP4, seconds=2):
        url = f"http://[{vip}]/" if ":" in vip else f"http://{vip}/"
        r = self.client.run("curl", "-sf", "--max-time", str(seconds), url, check=False)
        return r.returncode == 0 and r.stdout.strip() in {s.name for s in self.servers}

    def works(self):
        return all(self.curl(v) for v in (VIP4, VIP6))

    def back_within(self, seconds):
        """Seconds until a connection passes again."""
        start = time.monotonic()
        wait_for("connections pass", lambda: self.curl(seconds=1), seconds)
        return time.monotonic() - start


def bond(mode=BACKUP, members=("m0", "m1"), ident=UP_PORT, name="up", **more):
    return ctl.port(ident, name, kind=8, members=members, bond_mode=mode, **more)


@pytest.fixture(scope="module")
def lab():
    with BondLab() as lab:
        lab.give_addresses()
        yield lab


def mac(node, dev):
    return node.out("ip", "-o", "link", "show", "dev", dev).split("link/ether ")[1].split()[0]


def test_the_bond_carries_and_the_kernel_lives_on_its_tap(lab):
    wait_for("the kernel's address", lambda: lab.client.run("ping", "-c", "1", "-W", "1", OWN4, check=False).returncode == 0)
    assert " 5 received" in lab.client.out("ping", "-c", "5", "-i", "0.05", "-W", "2", OWN4)
    assert " 5 received" in lab.client.out("ping", "-c", "5", "-i", "0.05", "-W", "2", OWN6)
    assert lab.works()
    assert mac(lab.border, "up") == mac(lab.border, "m0") == mac(lab.border, "m1")
    c = lab.settled()
    adds_up(c)
    assert c["worker"][0]["to-kernel"] >= 10


def test_a_large_download_crosses_the_bond(lab):
    download(lab, VIP4)
    adds_up(lab.settled(20))


@pytest.mark.parametrize("end", ["far", "near"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_member_goes_down_and_comes_back(lab, which, end):
    node, dev = (lab.client, f"p{which}") if end == "far" else (lab.border, f"m{which}")
    assert lab.works()
    node.run("ip", "link", "set", dev, "down")
    try:
        assert lab.back_within(3) < 2
        assert lab.works()
        assert lab.members() == {f"m{which}": (False, False), f"m{1 - which}": (True, True)}
    finally:
        node.run("ip", "link", "set", dev, "up")
    assert lab.back_within(3) < 2
    if which == 0:
        # The preferred one takes over again after two seconds, and at most one packet is lost on it.
        out = lab.client.out("ping", "-c", "15", "-i", "0.2", "-W", "1", VIP4)
        assert " 15 received" in out or " 14 received" in out, out
        wait_for("the preferred one carries", lambda: lab.members() == {"m0": (True, True), "m1": (True, False)}, 5)
    assert lab.works()
    adds_up(lab.settled())


def test_both_members_gone_is_down_and_heals(lab):
    for i in range(2):
        lab.client.run("ip", "link", "set", f"p{i}", "down")
    assert not lab.curl(seconds=1)
    lab.client.run("ip", "link", "set", "p1", "up")
    assert lab.back_within(5) < 3
    lab.client.run("ip", "link", "set", "p0", "up")
    assert lab.back_within(5) < 3
    adds_up(lab.settled())


def test_a_deleted_member_is_taken_again(lab):
    lab.border.run("ip", "link", "del", "m0")
    assert lab.back_within(3) < 2
    lab.member(0)
    # Before it was a member its kernel may have answered for our addresses; neighbours were told otherwise.
    assert lab.back_within(5) < 3
    wait_for("the member carries", lambda: "xdp" in lab.border.out("ip", "link", "show", "m0"))
    assert lab.works()
    for vip in (VIP4, VIP6):
        assert mac(lab.border, "up") in lab.client.out("ip", "neigh", "show", vip)
    lab.client.run("ip", "link", "set", "p1", "down")
    try:
        assert lab.back_within(3) < 2
    finally:
        lab.client.run("ip", "link", "set", "p1", "up")
    assert lab.works()


def refusal(lab, *records):
    """The sentence with which the running app refuses; nothing of what runs is touched."""
    version = lab.version
    with pytest.raises(ctl.LinkError) as e:
        lab.link.transaction(version, version + 1, records)
    assert lab.works()
    return str(e.value)


PCI = sorted(p.name for p in pathlib.Path("/sys/bus/pci/devices").glob("*"))


def pci_class(address):
    return (pathlib.Path("/sys/bus/pci/devices") / address / "class").read_text()


def driver(address):
    link = pathlib.Path("/sys/bus/pci/devices") / address / "driver"
    return link.resolve().name if link.exists() else ""


def test_a_pci_device_that_is_not_there_is_refused(lab):
    for record in (ctl.port(90, "nic", kind=7, members=["ffff:1f:00.0"]), bond(ident=90, name="b1", members=["ffff:1f:00.0"])):
        assert "no PCI device 'ffff:1f:00.0' on this machine" in refusal(lab, record)


def test_a_pci_device_of_the_kernel_is_refused(lab):
    nics = [a for a in PCI if pci_class(a).startswith("0x02") and driver(a) != "vfio-pci"]
    if not nics:
        pytest.skip("this machine shows no PCI network device")
    said = refusal(lab, ctl.port(90, "nic", kind=7, members=[nics[0]]))
    assert "pci-address" in said and f"driverctl set-override {nics[0]} vfio-pci" in said
    assert driver(nics[0]) in said


def test_a_pci_device_that_is_no_nic_is_refused(lab):
    others = [a for a in PCI if not pci_class(a).startswith("0x02")]
    if not others:
        pytest.skip("this machine shows no PCI device")
    assert "is no network device" in refusal(lab, ctl.port(90, "nic", kind=7, members=[others[0]]))


@pytest.mark.parametrize("members, says", [
    (["gone0"], "no interface 'gone0' here"),
    (["lo"], "loopback"),
    (["m0"], "owned by process"),    # of the other bond
    (["down"], "owned by process"),  # a port of its own
    (["spare", "spare"], "twice"),
    (["spare", "gone0"], "no interface 'gone0' here"),
    (["addr0"], "has addresses"),
    (["many"], "'ethtool -L many combined 1'"),
])
def test_members_that_are_refused(lab, members, says):
    for name, queues in (("spare", 1), ("addr0", 1), ("many", 2)):
        if lab.border.run("ip", "link", "show", "dev", name, check=False).returncode != 0:
            lab.veth(lab.client, f"x{name}", lab.border, name, queues=queues)
            if name == "addr0":
                lab.border.addr(name, "10.99.0.1/24")
    said = refusal(lab, bond(ident=90, name="b1", members=members))
    assert "bond/member" in said and says in said, said
    assert "xdp" not in lab.border.out("ip", "link", "show", "dev", "spare")


def test_a_name_that_is_taken_is_no_name_for_the_tap(lab):
    assert "there is an interface 'addr0' already" in refusal(lab, bond(ident=90, name="addr0", members=["spare"]))


@pytest.mark.parametrize("mode", [XOR, LACP])
def test_a_bond_comes_and_goes(lab, mode):
    """Opened beside the first, with a VLAN; given up, the member is as it was."""
    before = mac(lab.border, "spare")
    lab.commit([bond(mode, ["spare"], 90, "b1"), ctl.vlan(91, 90, 7, "b1v7")])
    for dev in ("b1", "b1v7"):
        assert mac(lab.border, dev) == before
    assert lab.works()
    lab.commit(deletes=[(ctl.VLAN, 91), (ctl.PORT, 90)])
    for dev in ("b1", "b1v7"):
        assert lab.border.run("ip", "link", "show", "dev", dev, check=False).returncode != 0
    out = lab.border.out("ip", "link", "show", "dev", "spare")
    assert "xdp" not in out and "ALLMULTI" not in out and mac(lab.border, "spare") == before
    assert lab.works()


def test_lacp_with_a_partner(lab):
    """Both links of an aggregate carry, by a hash of addresses and ports; one whose partner falls silent is left."""
    for i in range(2):
        lab.veth(lab.client, f"r{i}", lab.border, f"q{i}")
    peer = lab.client.start("lacp", "/usr/bin/python3", HERE / "lacp_peer.py", "lag0", "r0", "r1", stdin=subprocess.PIPE)
    wait_for("LACP peer", lambda: "ready" in peer.text())
    lab.client.addr("lag0", "10.11.0.2/24", "fd11::2/64")
    lab.commit([bond(LACP, ["q0", "q1"], 90, "lag"), ctl.service(95, 20, 10, "lag4", "10.11.0.100")])
    lab.border.addr("lag", "10.11.0.1/24", "fd11::1/64")

    def say(line):
        peer.p.stdin.write(f"{line}\n".encode())
        peer.p.stdin.flush()

    def counts():
        seen = peer.text().count("{")
        say("count")
        wait_for("counts", lambda: peer.text().count("{") > seen and peer.text().endswith("\n"))
        return json.loads(peer.text().strip().split("\n")[-1])

    def curl():
        r = lab.client.run("curl", "-sf", "--max-time", "2", "http://10.11.0.100/", check=False)
        return r.returncode == 0

    def pings(address="10.11.0.1"):
        return " 3 received" in lab.client.run("ping", "-c", "3", "-i", "0.1", "-W", "1", address, check=False).stdout

    wait_for("the aggregate carries", pings, 20)
    assert pings("fd11::1")

    def both():
        before = counts()
        assert sum(curl() for _ in range(20)) == 20
        after = counts()
        return all(after[d] - before[d] >= 20 for d in ("r0", "r1"))

    wait_for("both links carry", both, 20, 0.2)
    say("mute r0")

    def left():
        before = counts()
        assert sum(curl() for _ in range(10)) == 10  # the other end still hears it: nothing is lost
        after = counts()
        return after["r0"] == before["r0"] and after["r1"] > before["r1"]

    wait_for("the silent partner is left", left, 20, 0.2)
    lab.commit(deletes=[(ctl.SERVICE, 95), (ctl.PORT, 90)])
    peer.kill()
    assert lab.works()


def test_killed_and_back(lab):
    """Members stay taken and silent while nobody serves; a new process takes them over."""
    lab.daemons["sluice-lb"].kill()
    for dev in ("m0", "m1"):
        assert "xdp" in lab.border.out("ip", "link", "show", "dev", dev)
    lab.start_lb()
    lab.link = ctl.CtlLink(lab.base / "run" / "lb.ctl", timeout=30)
    lab.link.hello()
    lab.give_addresses()
    assert lab.back_within(5) < 4
    adds_up(lab.settled())
