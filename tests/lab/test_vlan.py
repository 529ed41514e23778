# SPDX-License-Identifier: BSD-3-Clause
"""VLANs, whose kernel view is a TAP: the node itself and balanced services are reached over a tagged port."""
import pathlib
import socket

import pytest

import ctl_link as ctl
from clients import download
from lab import wait_for
from lb_alone import LOCAL, POOL4, POOL6, UP_PORT, LbAlone
from test_counters import adds_up

HERE = pathlib.Path(__file__).parent
VID, KERNEL4, KERNEL6, VIP4, VIP6 = 100, "10.30.0.1", "fd30::1", "10.30.0.100", "fd30::100"


@pytest.fixture(scope="module")
def lab():
    records = [ctl.vlan(70, UP_PORT, VID, "up100"), ctl.service(80, POOL4, LOCAL, "vlan4", VIP4),
               ctl.service(81, POOL6, LOCAL, "vlan6", VIP6)]
    with LbAlone(records=records) as lab:
        lab.border.run("ip", "link", "set", "dev", "up100", "up")
        lab.border.addr("up100", f"{KERNEL4}/24", f"{KERNEL6}/64")
        peer = lab.client.start("vlan-peer", "/usr/bin/python3", HERE / "vlan_peer.py", "eth0", str(VID), "v100")
        wait_for("tagged peer", lambda: "ready" in peer.text())
        lab.client.addr("v100", "10.30.0.2/24", "fd30::2/64")
        yield lab


@pytest.mark.parametrize("address", [KERNEL4, KERNEL6])
def test_the_kernel_answers_on_its_vlan(lab, address):
    before = lab.settled()
    assert " 5 received" in lab.client.out("ping", "-c", "5", "-i", "0.1", "-W", "2", address)
    c = lab.settled()
    adds_up(c)
    assert c["worker"][0]["to-kernel"] - before["worker"][0]["to-kernel"] >= 5
    taps = [p for p in c["port"] if p["device"] == "up100"]
    assert len(taps) == 1 and taps[0]["tx-packets"] >= 5 and taps[0]["rx-packets"] >= 5


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_a_service_address_answers_echo_on_the_vlan(lab, address):
    assert " 5 received" in lab.client.out("ping", "-c", "5", "-i", "0.1", "-W", "2", address)


@pytest.mark.parametrize("url", [f"http://{VIP4}/", f"http://[{VIP6}]/"])
def test_a_service_is_balanced_over_the_vlan(lab, url):
    seen = {lab.client.out("curl", "-sf", "--max-time", "5", url).strip() for _ in range(10)}
    assert seen == {s.name for s in lab.servers}
    adds_up(lab.settled())


def test_untagged_traffic_goes_on_beside_it(lab):
    assert lab.client.out("curl", "-sf", "--max-time", "5", f"http://{lab.vip4}/").startswith("s")
    assert " 2 received" in lab.client.out("ping", "-c", "2", "-i", "0.1", "10.10.0.1")


def test_a_large_download_crosses_the_vlan(lab):
    download(lab, VIP4)
    adds_up(lab.settled(20))


def test_an_unknown_vlan_stays_with_the_kernel(lab):
    """The steering program takes configured VLANs only; the kernel, without 8021q, drops the others."""
    before = lab.settled()
    frame = bytes.fromhex("ffffffffffff0200000000028100006508060001080006040001") + bytes(20) + bytes(18)
    s = lab.client.in_netns(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
    lab.client.in_netns(s.bind, ("eth0", 0))
    for _ in range(7):
        s.send(frame)
    c = lab.settled()
    adds_up(c)
    assert c["detail"]["xdp-passed"] - before["detail"]["xdp-passed"] >= 7
