# SPDX-License-Identifier: BSD-3-Clause
"""Our own limit over memif: sluice-lb in a process of its own, load/lb_bench as clients and servers at the other end."""
import json
import os
import statistics
import subprocess
import time

import testpmd
import world
from figure import Failed, absent, middle
from lab_path import use_lab
from worker import folder

RATE, COST = "lb.memif.64B.64Ki.packets_per_second", "lb.memif.64B.64Ki.ns_per_packet"
NO_FLOOR = absent("testpmd.memif", "testpmd forwards nothing that the servers' end would take for an answer")
PEER = absent("none", "no other balancer speaks memif")
FLOWS = 1 << 16


def wait_for(path, p, what):
    deadline = time.monotonic() + 30
    while not os.path.exists(path):
        if p.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{what} did not start")
        time.sleep(0.02)


class Link:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet
        self.lb = os.path.join(args.build, "apps", "lb", "sluice-lb")
        self.bench = os.path.join(args.build, "perf", "load", "lb_bench")

    def cpus(self):
        """One for the balancer's worker, one for the generator, where there are two."""
        allowed = [int(c) for c in self.args.cpus.split(",")] if self.args.cpus.replace(",", "").isdigit() else \
            sorted(os.sched_getaffinity(0))
        return str(allowed[0]), str(allowed[-1])

    def balancer(self, where):
        import ctl_link as ctl
        cpu = self.cpus()[0]
        base, socket = os.path.join(where, "base"), os.path.join(where, "base", "run", "lb.ctl")
        log = open(os.path.join(where, "lb.log"), "w", encoding="utf-8")
        p = subprocess.Popen([self.lb, "--base", base, "--user", str(os.geteuid()), "--cpus", cpu],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(socket, p, "sluice-lb")
            with ctl.CtlLink(socket, timeout=60) as link:
                link.hello()
                port = ctl.port(1, "wire", kind=ctl.MEMIF, flags=1, mac=world.OURS, peer_mac=world.PEER,
                                path=os.path.join(where, "memif.sock").encode())
                link.transaction(0, 1, world.records(ctl, port, 2 * FLOWS))
        except BaseException:
            p.kill()
            p.wait()
            raise
        return p

    def one_run(self, seconds):
        """(packets per second of wall time, ns of the balancer's worker per packet, of the generator)"""
        with folder() as where:
            lb = self.balancer(where)
            try:
                tid = testpmd.worker_thread(lb.pid)
                taskset = ["taskset", "-c", self.cpus()[1]]
                cmd = [self.bench, "wire", "--dir", where, "--memif", os.path.join(where, "memif.sock"), "--flows",
                       str(FLOWS), "--seconds", str(seconds), "--limit", str(60 + seconds)]
                with subprocess.Popen(taskset + cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
                    begin = p.stdout.readline()
                    before = testpmd.cpu_ns(lb.pid, tid)
                    end = p.stdout.readline()
                    after = testpmd.cpu_ns(lb.pid, tid)
                    error = p.stderr.read().strip().splitlines()[-1:]
                if p.returncode != 0 or not begin or not end:
                    raise Failed(f"generator: {error}")
                r = json.loads(end)
                return r["per_second"], (after - before) / r["seen"], r["generator_cpu_ns"], r["lost"]
            finally:
                lb.kill()
                lb.wait()

    def take(self):
        if not self.sheet.wants(RATE, COST):
            return
        use_lab(self.args.build)
        try:
            runs = [self.one_run(self.args.seconds) for _ in range(self.args.runs)]
        except (Failed, OSError, ValueError) as e:
            for name, unit in ((RATE, "1/s"), (COST, "ns")):
                if self.sheet.wants(name):
                    self.sheet.put_absent(name, unit, str(e), floor=NO_FLOOR, peer=PEER)
            return
        more = {"flows": FLOWS, "lost": sum(r[3] for r in runs),
                "generator_ns": round(statistics.median(r[2] for r in runs), 1), "cpus": len(set(self.cpus()))}
        if self.sheet.wants(RATE):
            self.sheet.put(RATE, [r[0] for r in runs], "1/s", floor=NO_FLOOR, peer=PEER, digits=0, **more)
        if self.sheet.wants(COST):
            self.sheet.put(COST, [r[1] for r in runs], "ns", floor=NO_FLOOR, peer=PEER, **more)


__all__ = ["Link", "middle"]
