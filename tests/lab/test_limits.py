# SPDX-License-Identifier: BSD-3-Clause
"""Each option of sluice-lb and sluice-port at both sides of each of its limits, over the RPC socket.

The limits are read from the models (as YIN, by yanglint), so that a leaf that is new, or whose range moves, is tested
without a line here; OPTIONS only says where a leaf sits and what it needs beside it. A leaf without an entry fails.
"""
import base64
import subprocess
import xml.etree.ElementTree as ET

import pytest
from lab import ROOT
from rpc_client import RpcError
from rpc_daemon import Daemon

YIN = "{urn:ietf:params:xml:ns:yang:yin:1}"
LB = "sluice-lb:load-balancers/load-balancer"
IF = "ietf-interfaces:interfaces/interface"
PORT = f"{IF}/sluice-port:port"
LINK = "sluice-port:links/link"
INTEGERS = {"uint8": (0, 2**8 - 1), "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1)}
# Types of other modules: (base, good values, bad values)
FOREIGN = {
    "inet:ip-address-no-zone": (["10.20.0.99", "192.0.2.1", "fd20::99"], ["10.20.0.256", "fd20::x", "10.20.0", "0.0.0.0",
                                                                        "224.0.0.1", "127.0.0.1", "ff02::1", "::1"]),
    "inet:ipv4-address-no-zone": (["10.8.0.0", "198.51.100.255"], ["10.8.0.256", "fd08::1", "127.0.0.1", "224.0.0.1"]),
    "inet:ipv6-address-no-zone": (["fd08::8", "2001:db8::1"], ["10.8.0.1", "fd08::x", "ff02::1", "fe80::1"]),
    "inet:ip-prefix": (["10.9.0.0/24", "0.0.0.0/0", "fd09::/128"], ["10.9.0.0/33", "fd09::/129", "10.9.0.0"]),
    "yang:mac-address": (["02:00:00:00:00:07"], ["02:00:00:00:00", "01:00:00:00:00:07", "xx:00:00:00:00:07"]),
}


# ---- the models -------------------------------------------------------------------------------

def yin(module):
    yang = ROOT / "config" / "yang"
    out = subprocess.run(["yanglint", "-p", yang, "-p", yang / "ietf", "-f", "yin", yang / f"{module}.yang"],
                         capture_output=True, text=True, check=True, timeout=30)
    return ET.fromstring(out.stdout)


class Leaf:
    def __init__(self, path, kind, typedefs):
        self.path, self.kind = path, kind
        self.range = self.length = self.base = None
        self.enums, self.patterns = [], []
        while True:
            name = kind.get("name")
            self._take(kind)
            if name not in typedefs:
                break
            kind = typedefs[name]
        self.base = "uint16" if name == "inet:port-number" else name

    def _take(self, kind):
        for sub in kind:
            if sub.tag == YIN + "range" and self.range is None:
                self.range = sub.get("value")
            elif sub.tag == YIN + "length" and self.length is None:
                self.length = sub.get("value")
            elif sub.tag == YIN + "enum":
                self.enums.append(sub.get("name"))
            elif sub.tag == YIN + "pattern":
                self.patterns.append(sub.get("value"))

    @staticmethod
    def parts(text):
        """"0 | 1280..9600" as [(0, 0), (1280, 9600)]."""
        return [(int(a), int(b or a)) for a, _, b in (p.strip().partition("..") for p in text.split("|"))]


def leaves():
    """All configuration leaves of both modules: {path: Leaf}."""
    found = {}
    for module, top, augment in (("sluice-lb", "sluice-lb:load-balancers", None), ("sluice-port", None, IF)):
        root = yin(module)
        typedefs = {t.get("name"): t.find(YIN + "type") for t in root.iter(YIN + "typedef")}
        groupings = {g.get("name"): g for g in root.iter(YIN + "grouping")}

        def walk(node, path):
            for sub in node:
                config = sub.find(YIN + "config")
                if config is not None and config.get("value") == "false":
                    continue
                at = f"{path}/{sub.get('name')}"
                if sub.tag in (YIN + "leaf", YIN + "leaf-list"):
                    found[at] = Leaf(at, sub.find(YIN + "type"), typedefs)
                elif sub.tag in (YIN + "container", YIN + "list"):
                    walk(sub, at)
                elif sub.tag == YIN + "uses":
                    walk(groupings[sub.get("name")], path)

        for node in root:
            if node.tag == YIN + "augment":
                for sub in node:
                    if sub.tag == YIN + "container" and sub.find(YIN + "config") is None:
                        walk(sub, f"{IF}/{module}:{sub.get('name')}")
            elif node.tag == YIN + "container":
                walk(node, f"{module}:{node.get('name')}")
    return found


# ---- where each option sits, and what it needs ------------------------------------------------

def server(name, address):
    return {"name": name, "address": address, "port": 80}


def base():
    """A configuration with one of everything, without what has a default."""
    def port(name, kind, **more):
        return {"name": name, "type": f"sluice-port:{kind}", "sluice-port:port": {"owner": "lb", **more}}

    peer = {"peer-mac": "02:00:00:00:00:01", "prefix": ["10.9.9.0/24"]}
    return {
        "ietf-interfaces:interfaces": {"interface": [
            port("wan", "af-xdp", vlan=[{"vid": 7, "tap": "vlan7"}]),
            port("mem", "memif", memif={"socket": "/run/mem.sock"}, **peer),
            port("cap", "pcap", pcap={"rx-file": "/tmp/in.pcap", "tx-file": "/tmp/out.pcap"}, **peer),
            port("nic", "pci", **{"pci-address": "0000:03:00.0"}),
            port("bond0", "bond", bond={"member": ["eth1"]})]},
        "sluice-port:links": {"link": [{"name": "chain", "a": {"owner": "lb", "ipv4-address": "10.8.0.2"},
                                        "b": {"owner": "lb2", "ipv4-address": "10.8.0.3"}}]},
        "sluice-lb:load-balancers": {"load-balancer": [
            {"name": "lb",
             "flow-table": {"size": 65536}, "persistence-table": {}, "timeouts": {},
             "local-address-pools": {"local-address-pool": [{"name": "snat", "address": ["10.20.0.200", "fd20::200"]}]},
             "pools": {"pool": [
                 {"name": "web", "health-check": {"type": "none"}, "servers": {"server": [server("s1", "10.20.0.11")]}},
                 {"name": "other", "servers": {"server": [server("s1", "10.20.0.12")]}},
                 {"name": "web6", "servers": {"server": [server("s1", "fd20::11")]}}]},
             "services": {"service": [
                 {"name": "www", "address": "10.10.0.100", "port": 80, "protocol": "tcp", "pool": "web",
                  "local-address-pool": "snat"},
                 {"name": "www6", "address": "fd10::", "port": 80, "protocol": "tcp", "pool": "web6",
                  "local-address-pool": "snat"}]}},
            {"name": "lb2"}]}}


def text(n):
    return "a" * n


def path(n):
    return ("/" + "a" * n)[:n] if n else ""


class Option:
    """entries: which entry of each list on the way (0 without a word); also: what else is set, {relative path: value or
    function of the value}; make: a string of n characters; good, bad: values beside those the model gives; skip: those
    of the model that other rules refuse; at: other leaves that a refusal may name."""

    def __init__(self, entries=(), also=None, make=text, good=(), bad=(), skip=(), at=()):
        self.entries, self.also, self.make, self.good, self.bad, self.skip = entries, also or {}, make, good, bad, skip
        self.at = at


def of_check(kind, **kw):
    return Option(also={f"{LB}/pools/pool/health-check/type": kind, **kw.pop("also", {})}, **kw)


HC = f"{LB}/pools/pool/health-check"
SV = f"{LB}/services/service"
OPTIONS = {
    f"{LB}/name": Option(entries=(1,), also={f"{LINK}/b/owner": lambda v: v}),
    f"{LB}/flow-table/size": Option(),
    f"{LB}/flow-table/ipv6-size": Option(also={f"{LB}/flow-table/size": 268435456}),
    f"{LB}/persistence-table/size": Option(),
    **{f"{LB}/timeouts/{t}": Option() for t in ("tcp-syn", "tcp-established", "tcp-closing", "udp", "restart-quiet")},
    f"{LB}/local-address-pools/local-address-pool/name": Option(
        also={f"{SV}/local-address-pool": lambda v: v, "www6": lambda v: v}),
    f"{LB}/local-address-pools/local-address-pool/address": Option(good=(), skip=("10.20.0.99", "192.0.2.1", "fd20::99")),
    f"{LB}/local-address-pools/local-address-pool/port-min": Option(),
    f"{LB}/local-address-pools/local-address-pool/port-max": Option(
        also={f"{LB}/local-address-pools/local-address-pool/port-min": 1}),
    f"{LB}/pools/pool/name": Option(entries=(0, 1)),
    f"{LB}/pools/pool/scheduler": Option(),
    f"{LB}/pools/pool/hash-key": Option(),
    f"{LB}/pools/pool/slow-start": Option(),
    f"{LB}/pools/pool/drain-timeout": Option(),
    f"{LB}/pools/pool/backup-pool": Option(good=("other",), bad=("web", "nobody", "web6"), at=("pool",)),
    f"{LB}/pools/pool/min-available": Option(),
    f"{LB}/pools/pool/on-server-down": Option(),
    f"{HC}/type": Option(),
    f"{HC}/port": of_check("tcp"),
    f"{HC}/interval": of_check("tcp", also={f"{HC}/timeout": 10}),
    f"{HC}/timeout": of_check("tcp", also={f"{HC}/interval": 3600000}),
    f"{HC}/rise": of_check("tcp"),
    f"{HC}/fall": of_check("tcp"),
    f"{HC}/http/path": of_check("http", make=path),
    f"{HC}/http/host": of_check("http"),
    f"{HC}/http/status-min": of_check("https", also={f"{HC}/http/status-max": 599}),
    f"{HC}/http/status-max": of_check("http", also={f"{HC}/http/status-min": 100}),
    f"{HC}/http/body-match": of_check("http"),
    f"{HC}/tls/server-name": of_check("tls"),
    f"{HC}/tls/verify": of_check("https"),
    f"{HC}/tls/ca-file": of_check("tls", make=path),
    f"{HC}/udp/send": of_check("udp"),
    f"{HC}/udp/expect": of_check("udp"),
    f"{HC}/agent/port": Option(),
    f"{HC}/agent/interval": Option(also={f"{HC}/agent/port": 7}),
    **{f"{HC}/{c}": Option() for c in ("passive/failures", "passive/hold", "damping/changes", "damping/window",
                                       "damping/hold")},
    f"{LB}/pools/pool/servers/server/name": Option(),
    f"{LB}/pools/pool/servers/server/address": Option(skip=("fd20::99",), bad=("fd20::99", "10.20.0.200"), at=("pool",)),
    f"{LB}/pools/pool/servers/server/port": Option(),
    f"{LB}/pools/pool/servers/server/weight": Option(),
    f"{LB}/pools/pool/servers/server/admin-state": Option(),
    f"{SV}/name": Option(),
    f"{SV}/address": Option(skip=("fd20::99",), bad=("fd20::99", "10.20.0.200"), at=("pool",)),
    f"{SV}/prefix-length": Option(entries=(0, 1), also={
        f"{SV}/address": lambda v: "8000::" if v == 1 else "fd10::",
        "local": ["10.20.0.200", "2001:db8::200"]}),
    f"{SV}/port": Option(),
    f"{SV}/port-max": Option(also={f"{SV}/port": 1}),
    f"{SV}/protocol": Option(),
    f"{SV}/context": Option(),
    f"{SV}/enabled": Option(),
    f"{SV}/forwarding": Option(),
    f"{SV}/pool": Option(good=("other",), bad=("nobody", "web6")),
    f"{SV}/local-address-pool": Option(good=("snat",), bad=("nobody",)),
    f"{SV}/proxy-protocol": Option(),
    f"{SV}/mss-clamp": Option(),
    f"{SV}/persistence/timeout": Option(),
    f"{SV}/persistence/ipv4-prefix-length": Option(),
    f"{SV}/persistence/ipv6-prefix-length": Option(entries=(0, 1)),
    f"{SV}/persistence/group": Option(),
    f"{PORT}/owner": Option(entries=(0,), good=("lb2",), bad=("nobody",), make=lambda n: "lb" if n == 1 else text(n), skip=range(1, 64)),
    f"{PORT}/device": Option(),
    f"{PORT}/context": Option(),
    f"{PORT}/queues": Option(),
    f"{PORT}/mtu": Option(),
    f"{PORT}/mac": Option(entries=(1,)),
    f"{PORT}/peer-mac": Option(entries=(1,)),
    f"{PORT}/prefix": Option(entries=(1,)),
    f"{PORT}/pci-address": Option(entries=(3,), good=("0000:00:00.0", "ffff:ff:ff.7"),
                                  bad=("0000:00:00.8", "000g:00:00.0", "00000:00:00.0", "")),
    f"{PORT}/tap": Option(entries=(3,)),
    f"{PORT}/bond/mode": Option(entries=(4,)),
    f"{PORT}/bond/member": Option(entries=(4,), good=("0000:03:00.1",), bad=("eth/1",)),
    f"{PORT}/vlan/vid": Option(),
    f"{PORT}/vlan/tap": Option(),
    f"{PORT}/memif/role": Option(entries=(1,)),
    f"{PORT}/memif/id": Option(entries=(1,)),
    f"{PORT}/memif/socket": Option(entries=(1,), make=path),
    f"{PORT}/pcap/rx-file": Option(entries=(2,), make=path),
    f"{PORT}/pcap/tx-file": Option(entries=(2,), make=path),
    f"{PORT}/pcap/infinite": Option(entries=(2,)),
    f"{LINK}/name": Option(),
    f"{LINK}/mtu": Option(),
    **{f"{LINK}/{end}/{leaf}": Option() for end in "ab" for leaf in ("context", "ipv4-address", "ipv6-address", "prefix")},
    f"{LINK}/a/owner": Option(bad=("nobody", "lb2"), good=("lb",), skip=range(1, 64), at=("link",)),
    f"{LINK}/b/owner": Option(bad=("nobody", "lb"), good=("lb2",), skip=range(1, 64), at=("link",)),
}


def put(config, where, value, entries):
    """Set the leaf at a path of names, making containers on the way; lists take their entry in turn."""
    node, entries = config, list(entries)
    *way, last = where.split("/")
    for name in way:
        if name not in node:
            node[name] = {}
        node = node[name]
        if isinstance(node, list):
            node = node[entries.pop(0) if entries else 0]
    if not isinstance(value, list) and (isinstance(node.get(last), list) or last in ("prefix", "member")):
        node[last] = [value]
    else:
        node[last] = value


def make(option, where, value):
    config = base()
    for other, also in option.also.items():
        also = also(value) if callable(also) else also
        if other == "local":
            put(config, f"{LB}/local-address-pools/local-address-pool/address", also, ())
        elif other == "www6":
            put(config, f"{SV}/local-address-pool", also, (0, 1))
        else:
            put(config, other, also, option.entries if other.split("/")[0] == where.split("/")[0] else ())
    put(config, where, value, option.entries)
    return config


def values(leaf, option):
    """(good, bad) values of a leaf: both sides of each limit."""
    good, bad = list(option.good), list(option.bad)
    if leaf.base in INTEGERS:
        parts = leaf.parts(leaf.range) if leaf.range else [INTEGERS[leaf.base]]
        inside = {v for a, b in parts for v in (a, b)}
        good += sorted(inside)
        bad += [v for v in sorted({w for a, b in parts for w in (a - 1, b + 1)})
                if not any(a <= v <= b for a, b in parts)] + ["x", 1.5]
    elif leaf.base == "binary":
        (a, b), = leaf.parts(leaf.length)
        good += [base64.b64encode(b"x" * n).decode() for n in (a, b)]
        bad += [base64.b64encode(b"x" * n).decode() for n in (a - 1, b + 1) if n >= 0] + ["*"]
    elif leaf.base == "string":
        if leaf.length:
            (a, b), = leaf.parts(leaf.length)
            good += [option.make(n) for n in (a, b)]
            bad += [option.make(n) if n else "" for n in (a - 1, b + 1)]
        if leaf.patterns:
            bad += ["/" + "\u00e9" if option.make is path and leaf.patterns[0] != "/.*" else " ",
                    " x"]
        bad.append(7)
    elif leaf.base == "enumeration":
        good += leaf.enums
        bad += ["nonsense", "", 1]
    elif leaf.base == "boolean":
        good += [True, False]
        bad += ["maybe", 1]
    elif leaf.base in FOREIGN:
        good += [v for v in FOREIGN[leaf.base][0]]
        bad += FOREIGN[leaf.base][1]
    elif leaf.base != "leafref":
        raise AssertionError(f"{leaf.path}: a type this test does not know: {leaf.base}")
    skip = set(option.skip)
    good = [v for v in good if v not in skip and not (isinstance(v, str) and leaf.base == "string" and len(v) in skip and
                                                     v not in option.good)]
    return good, bad


@pytest.fixture(scope="module")
def daemon():
    with Daemon("limits") as d:
        with d.client() as c:
            c.call("edit-config", config=base(), **{"default-operation": "replace"})
            c.call("commit")
        yield d


def judge(c, config):
    """None, or why it is refused."""
    try:
        c.call("edit-config", config=config, **{"default-operation": "replace"})
        c.call("validate", source="candidate")
    except RpcError as e:
        return e
    return None


LEAVES = leaves()


def test_every_option_has_its_entry():
    assert len(LEAVES) > 80
    assert set(LEAVES) - set(OPTIONS) == set(), "options of the models without an entry in OPTIONS"
    assert set(OPTIONS) - set(LEAVES) == set(), "entries in OPTIONS of no option"


def test_both_sides_of_every_limit(daemon):
    wrong, tried = [], 0
    with daemon.client() as c:
        before = c.call("get-config", source="running")
        assert judge(c, base()) is None
        for where, leaf in LEAVES.items():
            option = OPTIONS.get(where)
            if option is None:
                continue
            good, bad = values(leaf, option)
            assert bad or leaf.base == "boolean", where
            for value in good:
                e = judge(c, make(option, where, value))
                tried += 1
                if e is not None:
                    wrong.append(f"{where} = {str(value)[:40]!r} is refused: {e}")
            for value in bad:
                e = judge(c, make(option, where, value))
                tried += 1
                if e is None:
                    wrong.append(f"{where} = {str(value)[:40]!r} is accepted")
                elif not e.message or not e.path or not any(
                        w in e.path for w in (where.split("/")[-1].split(":")[-1], *option.at)):
                    wrong.append(f"{where} = {str(value)[:40]!r}: path {e.path!r} does not name it: {e}")
        c.call("discard")
        assert c.call("get-config", source="running") == before
    assert not wrong, f"{len(wrong)} of {tried}:\n" + "\n".join(wrong)
    assert tried > 400
