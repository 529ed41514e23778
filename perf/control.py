# SPDX-License-Identifier: BSD-3-Clause
"""control.*: what 100 Ki servers cost the control plane, through sluiced to sluice-lb and back."""
import statistics
import time

from figure import Failed, absent
from lab_path import use_lab

COMMIT, LOAD = "control.commit.100Ki_servers.ms", "control.load.100Ki_servers.s"
POOLS, PER_POOL = 1024, 100  # 102,400
FLOOR = absent("none", "nothing simpler takes the same change")
PEER = absent("none", "no peer keeps such a configuration in one transaction")


def pools():
    check = {"type": "none"}
    return [{"name": f"p{p}", "health-check": check,
             "servers": {"server": [{"name": f"s{i}", "address": f"172.{20 + (p >> 8)}.{p & 255}.{i + 1}", "port": 80}
                                    for i in range(PER_POOL)]}} for p in range(POOLS)]


def one_weight(pool, weight):
    return {"sluice-lb:load-balancers": {"load-balancer": [{"name": "lb", "pools": {"pool": [
        {"name": pool, "servers": {"server": [{"name": "s7", "weight": weight}]}}]}}]}}


class Control:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet

    def take(self):
        if self.args.quick or not self.sheet.wants(COMMIT, LOAD):
            return
        use_lab(self.args.build)
        try:
            load, edits, commits, restart = self.measure()
        except Exception as e:  # no namespaces, a daemon that did not start: both figures say so
            for name, unit in ((LOAD, "s"), (COMMIT, "ms")):
                if self.sheet.wants(name):
                    self.sheet.put_absent(name, unit, f"{type(e).__name__}: {str(e)[:300]}", floor=FLOOR, peer=PEER)
            return
        servers = POOLS * PER_POOL
        if self.sheet.wants(LOAD):
            self.sheet.put(LOAD, load, "s", floor=FLOOR, peer=PEER, servers=servers,
                           restart_s=round(restart, 2))
        if self.sheet.wants(COMMIT):
            self.sheet.put(COMMIT, commits, "ms", floor=FLOOR, peer=PEER, servers=servers,
                           edit_ms=round(statistics.median(edits), 2))

    def measure(self):
        from border import Border
        load, edits, commits = [], [], []
        with Border(servers=1, capture=False) as lab:
            lab.start_lb()
            lab.start_sluiced()
            whole = lab.config(check="none")
            whole["sluice-lb:load-balancers"]["load-balancer"][0]["pools"]["pool"] += pools()
            with lab.rpc() as c:
                c.sock.settimeout(120)
                start = time.monotonic()
                c.call("edit-config", config=whole, **{"default-operation": "replace"})
                c.call("commit")
                load.append(time.monotonic() - start)
                for i in range(20 * self.args.runs):
                    a = time.monotonic()
                    c.call("edit-config", config=one_weight(f"p{i * 7 % POOLS}", 2 + i % 5))
                    b = time.monotonic()
                    result = c.call("commit")
                    edits.append((b - a) * 1e3)
                    commits.append((time.monotonic() - b) * 1e3)
                    if result["warnings"] or result["version"] != i + 2:
                        raise Failed(f"a commit that was none: {result}")
            lab.daemons["sluiced"].stop()
            start = time.monotonic()
            lab.start_sluiced()
            return load, edits, commits, time.monotonic() - start
