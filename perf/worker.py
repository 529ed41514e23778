# SPDX-License-Identifier: BSD-3-Clause
"""Figures of the balancer's worker alone, by load/lb_bench."""
import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile

import memory
import testpmd
from figure import NO_PEER, Failed, absent, middle

MODES = ("fullnat", "nat")
SIZES = {"1Ki": 1 << 10, "4Ki": 1 << 12, "16Ki": 1 << 14, "64Ki": 1 << 16, "256Ki": 1 << 18, "1Mi": 1 << 20, "4Mi": 1 << 22}
NAMED = ("1Ki", "64Ki", "1Mi")  # those of the design; the others draw the curve, with fewer runs
SCATTER = ("4Mi",)              # more packets than buffers can hold: the generator stands in the loop
OWN_FLOOR = "lb_bench.5tswap"


def kernel_flow(path="/proc/slabinfo"):
    """The kernel's own flow, as connection tracking of IPVS and nftables keeps it: bytes of one object."""
    name = "linux.nf_conntrack"
    try:
        with open(path, encoding="ascii") as f:
            for line in f:
                if line.startswith("nf_conntrack "):
                    return {"name": name, "value": int(line.split()[3])}
    except (OSError, ValueError, IndexError) as e:
        return absent(name, f"{path}: {e}")
    return absent(name, f"{path}: no nf_conntrack, the kernel tracks no connections")


def per_packet(mode, label):
    return f"lb.{mode}.64B.{label}.ns_per_packet"


@contextlib.contextmanager
def folder():
    """In memory: the table has to outlive each step, and the files are large."""
    where = tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm")
    try:
        yield where
    finally:
        shutil.rmtree(where, ignore_errors=True)


def forget_flows(where):
    for f in glob.glob(os.path.join(where, "*.flows")):
        os.unlink(f)


class Worker:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet
        self.binary = os.path.join(args.build, "perf", "load", "lb_bench")

    def step(self, step, where, *more, mode=None, timeout=240):
        cmd = [self.binary, step, "--dir", where, "--limit", str(timeout), *map(str, more)]
        if mode:
            cmd += ["--mode", mode]
        if self.args.cpus:
            cmd += ["--cpus", self.args.cpus]
        try:
            r = subprocess.run(cmd, capture_output=True, text=True, timeout=timeout + 10, check=False)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"{step}: no end after {e.timeout:.0f} s") from e
        if r.returncode != 0:
            raise Failed(f"{step}: {' | '.join(r.stderr.strip().splitlines()[-2:]) or r.returncode}")
        return json.loads(r.stdout.strip().splitlines()[-1])

    def floor(self, pcap, flows, mem):
        return testpmd.floor(pcap, flows, mem, self.args.seconds, 0.5, self.args.cpus)

    # ---- cost per packet ------------------------------------------------------------------------

    def runs_of(self, label):
        return self.args.runs if label in NAMED else min(3, self.args.runs)

    def per_packet(self, label):
        """Both modes in turn with one floor, so that a busy machine is busy for all."""
        modes = [m for m in MODES if self.sheet.wants(per_packet(m, label))]
        if self.args.quick and label != "1Ki":
            modes = modes[:1]
        if not modes:
            return
        with folder() as where:
            take = self.scatter if label in SCATTER else self.repeat
            take(label, modes, where)

    def prepare(self, label, mode, where, mem):
        """Open all flows and compare a pass byte by byte. Returns what was compared, None if it cannot be taken."""
        more = ["--flows", SIZES[label], *mem.options()]
        try:
            os.mkdir(where)
            self.step("open", where, *more, mode=mode)
            self.step("shake", where, *more, mode=mode)
            compared = self.step("check", where, *more, mode=mode)["compared"]
            for name in ("syn", "shake", "expected", "out"):
                os.unlink(os.path.join(where, f"{name}.pcap"))
            return compared
        except Failed as e:
            self.sheet.put_absent(per_packet(mode, label), "ns", str(e),
                                  floor=absent(testpmd.NAME, "not run: the figure itself could not be taken"))
            return None

    def repeat(self, label, modes, where):
        flows = SIZES[label]
        mem = memory.choose(flows)
        places = {m: os.path.join(where, m) for m in modes}
        checked = {m: self.prepare(label, m, places[m], mem) for m in modes}
        modes = [m for m in modes if checked[m] is not None]
        values, floors, failed = {m: [] for m in modes}, [], {}
        for _ in range(self.runs_of(label) if modes else 0):
            for m in modes:
                try:
                    values[m].append(self.step("run", places[m], "--flows", flows, "--seconds", self.args.seconds,
                                               *mem.options(), mode=m)["ns_per_packet"])
                except Failed as e:
                    failed[m] = str(e)
            floors.append(self.floor(os.path.join(places[modes[0]], "traffic.pcap"), flows, mem))
        more = {"buffers": mem.note} if mem.note else {}
        for m in modes:
            if m in failed:
                self.sheet.put_absent(per_packet(m, label), "ns", failed[m], floor=middle(testpmd.NAME, floors))
            else:
                self.sheet.put(per_packet(m, label), values[m], "ns", floor=middle(testpmd.NAME, floors), floors=floors,
                               checked_packets=checked[m], flows=flows, **more)

    def scatter(self, label, modes, where):
        flows = SIZES[label]
        more = ["--flows", flows, "--seconds", self.args.seconds]
        values, floors, failed, checked = {m: [] for m in modes}, [], {}, 0
        for _ in range(self.runs_of(label)):
            for m in modes:
                forget_flows(where)
                try:
                    r = self.step("scatter", where, *more, mode=m)
                    values[m].append(r["ns_per_packet"])
                    checked = r["checked"]
                except Failed as e:
                    failed[m] = str(e)
            floors.append(self.own_floor("scatter", where, *more, turn=lambda r: r["ns_per_packet"]))
        for m in modes:
            if m in failed:
                self.sheet.put_absent(per_packet(m, label), "ns", failed[m], floor=middle(OWN_FLOOR, floors))
            else:
                self.sheet.put(per_packet(m, label), values[m], "ns", floor=middle(OWN_FLOOR, floors), floors=floors,
                               checksums_checked=checked, flows=flows)

    def own_floor(self, step, where, *more, turn):
        """The same generator, ports and loop, with addresses and ports swapped instead of balanced."""
        forget_flows(where)
        try:
            return turn(self.step(step, where, *more, "--floor"))
        except Failed as e:
            return str(e)

    # ---- connections ----------------------------------------------------------------------------

    def new_flows(self):
        name, table = "lb.new_flows.per_second", 1 << 23  # a second's flows and more
        if not self.sheet.wants(name):
            return
        runs, floors, mem = [], [], memory.choose(1024)
        with folder() as where:
            try:
                for _ in range(self.args.runs):
                    forget_flows(where)
                    runs.append(self.step("new", where, "--table", table, "--seconds", self.args.seconds, *mem.options()))
                    ns = self.floor(os.path.join(where, "syn.pcap"), 1024, mem)
                    floors.append(ns if isinstance(ns, str) else 1e9 / ns)
            except Failed as e:
                self.sheet.put_absent(name, "1/s", str(e))
                return
        refused = sum(r["refused"] for r in runs)
        if refused:  # a flow that is not made costs less than one that is
            self.sheet.put_absent(name, "1/s", f"{refused} flows were refused: no place or no port for them")
            return
        self.sheet.put(name, [r["per_second"] for r in runs], "1/s", floor=middle(testpmd.NAME, floors), floors=floors,
                       digits=0, live_flows=runs[-1]["live"], refused=refused,
                       ended=sum(r["ended"] for r in runs))

    def connections(self):
        name, table = "lb.connections.per_second", 1 << 22
        if not self.sheet.wants(name):
            return
        runs, floors = [], []
        with folder() as where:
            try:
                for _ in range(self.args.runs):
                    forget_flows(where)
                    runs.append(self.step("connections", where, "--table", table, "--seconds", self.args.seconds))
                    floors.append(self.own_floor("connections", where, "--seconds", self.args.seconds,
                                                 turn=lambda r: r["per_second"]))
            except Failed as e:
                self.sheet.put_absent(name, "1/s", str(e))
                return
        bad = [r for r in runs if r["lost"] or r["dropped"] or r["refused"]]
        if bad:
            self.sheet.put_absent(name, "1/s", f"connections were not whole: {bad[0]['lost']} without a SYN, "
                                               f"{bad[0]['dropped']} packets dropped")
            return
        self.sheet.put(name, [r["per_second"] for r in runs], "1/s", floor=middle(OWN_FLOOR, floors), floors=floors,
                       digits=0, live_flows=runs[-1]["live"], packets_per_connection=10,
                       ended=sum(r["ended"] for r in runs), checksums_checked=sum(r["checked"] for r in runs))

    # ---- memory ---------------------------------------------------------------------------------

    def flow_bytes(self):
        name, flows = "lb.flow.bytes", 1 << 20 if self.args.quick else 10_000_000
        if not self.sheet.wants(name):
            return
        floor = absent(testpmd.NAME, "testpmd keeps no flows: there is nothing to compare bytes with")
        with folder() as where:
            try:
                r = self.step("table", where, "--flows", flows)
            except Failed as e:
                self.sheet.put_absent(name, "B", str(e), floor=floor, peer=kernel_flow())
                return
        self.sheet.put(name, [r["bytes_per_flow"]], "B", floor=floor, peer=kernel_flow(), flows=r["flows"],
                       table_bytes=r["bytes"], bytes_per_ipv6_flow=r["bytes_per_flow6"],
                       take_over_ms=r["take_over_ms"])

    def take(self):
        for label in SIZES:
            if not self.args.quick or label in ("1Ki", "64Ki"):
                self.per_packet(label)
        self.new_flows()
        self.connections()
        self.flow_bytes()


__all__ = ["NO_PEER", "SIZES", "NAMED", "MODES", "Worker", "folder", "per_packet", "forget_flows"]
