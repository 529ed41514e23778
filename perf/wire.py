# SPDX-License-Identifier: BSD-3-Clause
"""End to end over veth, in the lab's topology: real clients and servers through sluice-lb and, in the same run and
from the same clients, through the kernel's NAT and HAProxy.

Each run takes them all in turn, each twice: requests on 64 lasting connections, then a connection for each request.
While a peer is measured sluice-lb is stopped and detached, so that no XDP program stands in the peer's way.
"""
import re
import shutil
import statistics
import subprocess
import time

from figure import absent
from lab_path import use_lab

SLUICE = {"sluice_fullnat": "10.10.0.100", "sluice_nat": "10.10.0.101"}
PEERS = {"nftables": "10.10.0.102", "haproxy": "10.10.0.103"}
FLOOR = "direct"  # to one server, routed by the border's kernel, balanced by nobody
SUBJECTS = (*SLUICE, *PEERS, FLOOR)
KINDS = {"requests_per_second": "1/s", "connections_per_second": "1/s", "p99_us": "us"}
CONNECTIONS = 64
PEER = absent("none", "the peers are figures of their own: lb.veth.nftables, lb.veth.haproxy")

HAPROXY = """global
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend f
  bind {vip}:80
  default_backend b
backend b
  balance roundrobin
{servers}
"""


class Missing(Exception):
    """One that cannot be measured here, and why."""


def name(subject, kind):
    return f"lb.veth.{subject}.{kind}"


def micro(text):
    """wrk's 1.23ms, 456.00us, 1.02s in microseconds."""
    m = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if m is None:
        raise Missing(f"wrk said {text}")
    return float(m.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[m.group(2)]


class Topology:
    def __init__(self):
        import ctl_link as ctl
        from lb_alone import LOCAL, POOL4, LbAlone
        self.lab = LbAlone(servers=2)
        self.ctl, self.gone = ctl, {}
        try:
            self.widen()
            self.nat_service(POOL4)
        except BaseException:
            self.lab.close()
            raise
        self.local = LOCAL
        self.haproxy = None

    def widen(self):
        """A connection for each request needs many ports; none may be waited for."""
        for node in (self.lab.client, self.lab.border):
            node.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
            node.sysctl("net.ipv4.tcp_tw_reuse", 1)
        for vip in PEERS.values():
            self.lab.border.addr("up", f"{vip}/32")

    def nat_service(self, pool):
        try:
            self.lab.link.transaction(1, 2, [self.ctl.service(32, pool, 0, "nat4", SLUICE["sluice_nat"], forwarding=2)])
        except Exception as e:  # what the link says of it is the reason
            self.gone["sluice_nat"] = f"not taken: {e}"

    # ---- who serves ------------------------------------------------------------------------------

    def start_sluice(self):
        if not self.lab.daemons["sluice-lb"].alive():
            self.lab.start_lb()
        self.ready(SLUICE["sluice_fullnat"])

    def stop_sluice(self):
        from lab import program
        p = self.lab.daemons["sluice-lb"]
        if p.alive():
            self.lab.link.close()
            p.stop()
            self.lab.border.run(program("sluice-lb"), "--detach", "--base", self.lab.base)

    def ready(self, vip):
        deadline = time.monotonic() + 5
        while self.lab.client.run("curl", "-sf", "-m", "1", f"http://{vip}/", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise Missing(f"no answer from http://{vip}/")
            time.sleep(0.05)

    def start_nftables(self):
        ips = [s.ip4 for s in self.lab.servers]
        where = ", ".join(f"{i} : {ip}" for i, ip in enumerate(ips))
        rule = (f"ip daddr {PEERS['nftables']} tcp dport 80 dnat to numgen inc mod {len(ips)} map {{ {where} }}")
        text = f"table ip bench {{\nchain pre {{\ntype nat hook prerouting priority dstnat;\n{rule}\n}}\n}}\n"
        r = self.lab.border.run("nft", "-f", "-", input=text, stdin=None, check=False)
        if r.returncode != 0:
            raise Missing(f"nft: {r.stdout.strip()[:200]}")

    def start_haproxy(self):
        if shutil.which("haproxy") is None:
            raise Missing("haproxy is not installed")
        conf = self.lab.base / "haproxy.cfg"
        conf.write_text(HAPROXY.format(vip=PEERS["haproxy"], servers="\n".join(
            f"  server {s.name} {s.ip4}:80" for s in self.lab.servers)))
        self.haproxy = self.lab.border.start("haproxy", "haproxy", "-db", "-f", conf)

    def begin(self, subject):
        """Have this one serve. Returns its address."""
        if subject in self.gone:
            raise Missing(self.gone[subject])
        if subject in SLUICE:
            self.start_sluice()
            vip = SLUICE[subject]
        else:
            self.stop_sluice()
            vip = PEERS.get(subject, self.lab.servers[0].ip4)
        if subject == "nftables":
            self.start_nftables()
        elif subject == "haproxy":
            self.start_haproxy()
        self.ready(vip)
        return vip

    def end(self, subject):
        if subject == "nftables":
            self.lab.border.run("nft", "delete", "table", "ip", "bench", check=False)
        elif subject == "haproxy" and self.haproxy is not None:
            self.haproxy.kill()
            self.haproxy = None

    # ---- measuring -------------------------------------------------------------------------------

    def wrk(self, vip, seconds, close):
        from clients import wrk_result
        head = ["-H", "Connection: close"] if close else []
        out = self.lab.client.out("wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{seconds}s", "--timeout", "5s", "--latency",
                                  *head, f"http://{vip}/", timeout=seconds + 60)
        r = wrk_result(out)
        # A connection that ends as the clock stops is counted as an error by wrk.
        if r["requests"] == 0 or r["errors"] > CONNECTIONS:
            raise Missing(f"{r['errors']} errors in {r['requests']} requests")
        p99, rate = re.search(r"99%\s+([\d.]+[a-z]+)", out), re.search(r"Requests/sec:\s+([\d.]+)", out)
        if p99 is None or rate is None:
            raise Missing(f"wrk said: {out.strip()[-200:]}")
        return float(rate.group(1)), micro(p99.group(1))

    def measure(self, subject, seconds):
        try:
            vip = self.begin(subject)
            requests, p99 = self.wrk(vip, seconds, False)
            connections, _ = self.wrk(vip, seconds, True)
            return {"requests_per_second": requests, "connections_per_second": connections, "p99_us": p99}
        finally:
            self.end(subject)


class Wire:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet
        self.taken = {s: [] for s in SUBJECTS}
        self.reasons = {}

    def take(self):
        wanted = [n for s in SUBJECTS for n in KINDS if self.sheet.wants(name(s, n))]
        if not wanted or (self.args.quick and not self.args.only.startswith("lb.veth")):
            return
        use_lab(self.args.build)
        try:
            self.rounds()
        except Exception as e:  # no namespaces, no wrk, ...: every figure says so
            for s in SUBJECTS:
                self.reasons.setdefault(s, f"{type(e).__name__}: {str(e)[:300]}")
        self.put()

    def rounds(self):
        from lab import sweep
        sweep()
        t = Topology()
        try:
            for _ in range(self.args.runs):
                for s in SUBJECTS:
                    self.one(t, s)
        finally:
            t.lab.close()

    def one(self, t, subject):
        """A run that fails leaves the others as they are; the reason counts where none was good."""
        result = None
        try:
            result = t.measure(subject, self.args.seconds)
        except (Missing, OSError, subprocess.SubprocessError) as e:
            self.reasons[subject] = str(e)[:300]
        self.taken[subject].append(result)

    def put(self):
        for subject in SUBJECTS:
            for kind, unit in KINDS.items():
                if self.sheet.wants(name(subject, kind)):
                    self.put_one(subject, kind, unit)

    def put_one(self, subject, kind, unit):
        rounds = list(zip(self.taken[subject], self.taken[FLOOR])) or [(None, None)]
        values = [(r[kind], f[kind] if f else "failed") for r, f in rounds if r]
        floors = [f for _, f in values if not isinstance(f, str)]
        floor = absent(FLOOR, self.reasons.get(FLOOR, "not run"))
        if subject == FLOOR:
            floor = absent(FLOOR, "this is the floor itself")
        elif floors:
            floor = {"name": "kernel.forwarding", "value": round(statistics.median(floors), 1)}
        if not values:
            self.sheet.put_absent(name(subject, kind), unit, self.reasons.get(subject, "not run"), floor=floor, peer=PEER)
            return
        more = {"failed_runs": len(rounds) - len(values)} if len(values) < len(rounds) else {}
        self.sheet.put(name(subject, kind), [v for v, _ in values], unit, floor=floor, peer=PEER, digits=0,
                       floors=[f for _, f in values] if subject != FLOOR else (), connections=CONNECTIONS, **more)
