# SPDX-License-Identifier: BSD-3-Clause
"""ncclient drives the whole configuration: every leaf of our models is set, changed and deleted, and
read back each time. The schema is taken from the models, so a leaf that is added without a value here
fails the test."""
import re

import pytest
from lab import ROOT, run
from lxml import etree
from netconf_lab import IF, LB, SP, NetconfLab, config

# path below the module -> (first value, second value)
LB_PATH, POOL = "load-balancers/load-balancer", "load-balancers/load-balancer/pools/pool"
SERVER, SERVICE = f"{POOL}/servers/server", "load-balancers/load-balancer/services/service"
LOCAL = "load-balancers/load-balancer/local-address-pools/local-address-pool"
PORT = "interfaces/interface/port"
LINK = "links/link"

VALUES = {
    f"{LB_PATH}/flow-table/size": ("4096", "8192"),
    f"{LB_PATH}/flow-table/ipv6-size": ("1024", "0"),
    f"{LB_PATH}/timeouts/tcp-syn": ("5000", "6000"),
    f"{LB_PATH}/timeouts/tcp-established": ("70000", "80000"),
    f"{LB_PATH}/timeouts/tcp-closing": ("500", "600"),
    f"{LB_PATH}/timeouts/udp": ("5000", "6000"),
    f"{LB_PATH}/timeouts/restart-quiet": ("0", "1000"),
    f"{LOCAL}/address": ("10.9.0.2", "fd09::2"),
    f"{LOCAL}/port-min": ("2000", "3000"),
    f"{LOCAL}/port-max": ("50000", "60000"),
    f"{LB_PATH}/persistence-table/size": ("1024", "16777216"),
    f"{POOL}/scheduler": ("maglev", "power-of-two-choices"),
    f"{POOL}/hash-key": ("source-address", "source-address-and-port"),
    f"{POOL}/slow-start": ("1000", "3600000"),
    f"{POOL}/drain-timeout": ("1000", "86400000"),
    f"{POOL}/backup-pool": ("p2", "p2"),
    f"{POOL}/min-available": ("2", "1000000"),
    f"{POOL}/on-server-down": ("keep", "reset"),
    f"{POOL}/health-check/type": ("https", "http"),
    f"{POOL}/health-check/port": ("8080", "8081"),
    f"{POOL}/health-check/interval": ("3000", "4000"),
    f"{POOL}/health-check/timeout": ("500", "600"),
    f"{POOL}/health-check/rise": ("4", "5"),
    f"{POOL}/health-check/fall": ("6", "7"),
    f"{POOL}/health-check/http/path": ("/a?b=c&d", "/x"),
    f"{POOL}/health-check/http/host": ("a.example", "b.example:80"),
    f"{POOL}/health-check/http/status-min": ("201", "202"),
    f"{POOL}/health-check/http/status-max": ("299", "298"),
    f"{POOL}/health-check/http/body-match": ('<ok> & "well" ', "流量"),
    f"{POOL}/health-check/tls/server-name": ("a.example", "b.example"),
    f"{POOL}/health-check/tls/verify": ("false", "true"),
    f"{POOL}/health-check/tls/ca-file": ("/etc/ssl/a.pem", "/etc/ssl/b.pem"),
    f"{POOL}/health-check/udp/send": ("cGluZw==", "AA=="),
    f"{POOL}/health-check/udp/expect": ("cG9uZw==", "AA=="),
    f"{POOL}/health-check/agent/port": ("7777", "7778"),
    f"{POOL}/health-check/agent/interval": ("100", "3600000"),
    f"{POOL}/health-check/passive/failures": ("1", "1000"),
    f"{POOL}/health-check/passive/hold": ("1000", "3600000"),
    f"{POOL}/health-check/damping/changes": ("2", "1000"),
    f"{POOL}/health-check/damping/window": ("1000", "3600000"),
    f"{POOL}/health-check/damping/hold": ("1000", "3600000"),
    f"{SERVER}/address": ("10.0.0.7", "fd00::7"),
    f"{SERVER}/port": ("81", "82"),
    f"{SERVER}/weight": ("0", "256"),
    f"{SERVER}/admin-state": ("drain", "disabled"),
    f"{SERVICE}/address": ("10.1.0.7", "10.1.0.8"),
    f"{SERVICE}/port": ("443", "8443"),
    f"{SERVICE}/protocol": ("udp", "tcp"),
    f"{SERVICE}/context": ("0", "5"),
    f"{SERVICE}/enabled": ("false", "true"),
    f"{SERVICE}/prefix-length": ("32", "24"),
    f"{SERVICE}/port-max": ("9000", "9001"),
    f"{SERVICE}/forwarding": ("fullnat", "nat"),
    f"{SERVICE}/proxy-protocol": ("off", "v2"),
    f"{SERVICE}/mss-clamp": ("0", "1400"),
    f"{SERVICE}/persistence/timeout": ("1000", "86400000"),
    f"{SERVICE}/persistence/ipv4-prefix-length": ("1", "32"),
    f"{SERVICE}/persistence/ipv6-prefix-length": ("1", "128"),
    f"{SERVICE}/persistence/group": ("g", "h"),
    f"{SERVICE}/pool": ("p2", "p"),
    f"{SERVICE}/local-address-pool": ("l2", "l"),
    f"{PORT}/owner": ("lb", "lb"),
    f"{PORT}/device": ("veth7", "veth8"),
    f"{PORT}/context": ("0", "5"),
    f"{PORT}/queues": ("2", "3"),
    f"{PORT}/mtu": ("1500", "9000"),
    f"{PORT}/mac": ("02:00:00:00:00:01", "02:00:00:00:00:0a"),
    f"{PORT}/peer-mac": ("02:00:00:00:00:03", "02:00:00:00:00:04"),
    f"{PORT}/prefix": ("10.7.0.0/16", "fd07::/64"),
    f"{PORT}/pci-address": ("0000:03:00.0", "0000:03:00.1"),
    f"{PORT}/tap": ("wan", "wan0"),
    f"{PORT}/bond/mode": ("lacp", "balance-xor"),
    f"{PORT}/bond/member": ("eth1", "0000:03:00.1"),
    f"{LINK}/mtu": ("9000", "1280"),
    f"{LINK}/a/owner": ("lb2", "lb"),
    f"{LINK}/b/owner": ("lb", "lb2"),
    f"{LINK}/a/context": ("1", "0"),
    f"{LINK}/a/ipv4-address": ("10.8.0.0", "10.8.0.2"),
    f"{LINK}/a/ipv6-address": ("fd08::", "fd08::2"),
    f"{LINK}/a/prefix": ("10.6.0.0/16", "fd06::/64"),
    f"{PORT}/vlan/tap": ("vlan7", "vlan8"),
    f"{PORT}/memif/role": ("server", "client"),
    f"{PORT}/memif/id": ("7", "8"),
    f"{PORT}/memif/socket": ("/run/m1.sock", "/run/m2.sock"),
    f"{PORT}/pcap/rx-file": ("/tmp/a.pcap", "/tmp/b.pcap"),
    f"{PORT}/pcap/tx-file": ("/tmp/c.pcap", "/tmp/d.pcap"),
    f"{PORT}/pcap/infinite": ("true", "false"),
}
# Leaves that cannot be deleted alone, or mean nothing without another.
MANDATORY = {f"{SERVER}/address", f"{SERVER}/port", f"{SERVICE}/address", f"{SERVICE}/port", f"{SERVICE}/protocol",
             f"{SERVICE}/pool", f"{SERVICE}/local-address-pool", f"{PORT}/owner", f"{LINK}/a/owner", f"{LINK}/b/owner"}

BASE_CONFIG = f"""
<load-balancers xmlns="{LB}"><load-balancer><name>lb2</name></load-balancer><load-balancer><name>lb</name>
<local-address-pools><local-address-pool><name>l</name><address>10.9.0.1</address></local-address-pool>
<local-address-pool><name>l2</name><address>10.9.1.1</address></local-address-pool></local-address-pools>
<pools><pool><name>p</name><health-check><type>http</type></health-check><servers><server><name>s</name>
<address>10.0.0.1</address><port>80</port></server></servers></pool>
<pool><name>p2</name></pool></pools>
<services><service><name>v</name><address>10.1.0.1</address><port>80</port><protocol>tcp</protocol><pool>p</pool>
<local-address-pool>l</local-address-pool></service></services></load-balancer></load-balancers>
<interfaces xmlns="{IF}"><interface><name>i</name><type xmlns:sp="{SP}">sp:af-xdp</type>
<port xmlns="{SP}"><owner>lb</owner><vlan><vid>7</vid><tap>vlan1</tap></vlan></port></interface></interfaces>
<links xmlns="{SP}"><link><name>k</name><a><owner>lb</owner></a><b><owner>lb2</owner></b></link></links>"""

KEYS = {"load-balancer": ("name", "lb"), "local-address-pool": ("name", "l"), "pool": ("name", "p"),
        "server": ("name", "s"), "service": ("name", "v"), "interface": ("name", "i"), "vlan": ("vid", "7"), "link": ("name", "k")}


def nest(path, leaf):
    """XML that leads to a leaf, with the keys of the lists on the way."""
    steps = path.split("/")[:-1]
    ns = {"load-balancers": LB, "links": SP}.get(steps[0], IF)
    out, tail = "", ""
    for i, s in enumerate(steps):
        if i == 0 or s == "port":
            ns_attr = f' xmlns="{SP if s == "port" else ns}"'
        else:
            ns_attr = ""
        key = ""
        # "pool" is a list under pools, and a leaf of a service; only lists come here
        if s in KEYS:
            k, v = KEYS[s]
            key = f"<{k}>{v}</{k}>"
        out += f"<{s}{ns_attr}>{key}"
        tail = f"</{s}>" + tail
    return out + leaf + tail


def read(m, path):
    """Values of a leaf as the candidate holds them."""
    tree = etree.fromstring(m.get_config("candidate").xml.encode())[0]
    nodes = [tree]
    for s in path.split("/"):
        nodes = [c for n in nodes for c in n if c.tag.split("}")[1] == s]
        if s in KEYS and s != path.split("/")[-1]:
            k, v = KEYS[s]
            nodes = [n for n in nodes if any(c.tag.split("}")[1] == k and c.text == v for c in n)]
    return [n.text or "" for n in nodes]


def schema_leaves():
    """Configuration leaves of our models, keys left out, from yanglint's tree."""
    yang = ROOT / "config" / "yang"
    found = set()
    for name, top in (("sluice-lb", ""), ("sluice-port", "interfaces/interface")):
        text = run(["yanglint", "-p", yang, "-p", yang / "ietf", "-f", "tree", yang / f"{name}.yang"]).stdout
        stack = []
        for line in text.split("\n"):
            match = re.match(r"^([ |]*)\+--(rw|ro) ([\w:-]+)([*?!]?)( +\S.*)?$", line)
            if match is None:
                continue
            depth = len(match[1]) // 3
            stack = stack[: depth] + [match[3].split(":")[-1]]
            is_leaf = match[5] is not None and not match[5].strip().startswith("[")
            if match[2] == "rw" and is_leaf:
                path = "/".join(stack) if not top else top + "/" + "/".join(stack)
                found.add(re.sub(r"/+", "/", path).strip("/"))
    return found


@pytest.fixture(scope="module")
def m():
    with NetconfLab() as lab, lab.connect() as m:
        m.edit_config(target="candidate", config=config(BASE_CONFIG))
        m.commit()
        yield m


def normal(path):
    """yanglint counts depth from a different column for augments; only the tail is compared."""
    return path.split("/")[-1]


def test_the_table_is_complete():
    names = {normal(p) for p in schema_leaves()} - {k for k, _ in KEYS.values()}
    assert len(names) > 30
    assert names == {normal(p) for p in VALUES}, names ^ {normal(p) for p in VALUES}


@pytest.mark.parametrize("path", VALUES)
def test_each_leaf_is_set_changed_and_deleted(m, path):
    name = path.split("/")[-1]
    first, second = VALUES[path]
    is_list = name in ("prefix", "member") or path == f"{LOCAL}/address"

    def write(value, operation=None):
        leaf = etree.Element("x")
        leaf.text = value
        text = etree.tostring(leaf, encoding="unicode")[2:-4].lstrip(">") if value else ""
        op = f' nc:operation="{operation}"' if operation else ""
        m.edit_config(target="candidate", config=config(nest(path, f"<{name}{op}>{text}</{name}>")), test_option="set")

    before = read(m, path)
    write(first)
    assert first in read(m, path)
    write(second)
    got = read(m, path)
    assert second in got
    if is_list:
        assert first in got
        write(first, "delete")
        write(second, "delete")
    else:
        assert got == [second]
        if path in MANDATORY:
            write(before[0])
        elif before:
            write(before[0])
        else:
            write("", "delete")
    assert read(m, path) == before


def test_all_of_it_is_valid_and_goes_away(m):
    m.discard_changes()
    of_https = {p: v for p, v in VALUES.items() if p.startswith("load-balancers") and "/udp/" not in p}
    for path, (first, _) in of_https.items():
        leaf = etree.Element(path.split("/")[-1])
        leaf.text = first
        m.edit_config(target="candidate", config=config(nest(path, etree.tostring(leaf, encoding="unicode"))),
                      test_option="set")
    assert m.validate("candidate").ok
    assert m.commit().ok
    for path, (first, _) in of_https.items():
        assert first in read(m, path), path
    m.edit_config(target="candidate", config=config(
        f'<load-balancers xmlns="{LB}" nc:operation="delete"/><interfaces xmlns="{IF}" nc:operation="delete"/>'
        f'<links xmlns="{SP}" nc:operation="delete"/>'))
    assert m.commit().ok
    assert "load-balancer" not in m.get_config("running").xml
