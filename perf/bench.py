#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: one JSON line per figure, in the form of README.md.

    bench.py [--only PREFIX] [--build DIR] [--runs N] [--seconds S] [--quick] [--cpus LIST]
"""
import argparse
import json
import os
import platform
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = [("1Ki", 1 << 10), ("64Ki", 1 << 16), ("1Mi", 1 << 20)]


# No peer can be given the packets of a file in the same run; README.md has what is known of them.
NO_PEER = ("dpvs.fullnat", "Debian packages neither DPVS nor Katran, and IPVS and nftables of the kernel take "
           "packets from a device, not from the file that floor and value share")
NO_FLOOR = ("testpmd.5tswap", "testpmd keeps no flows: there is nothing to compare bytes with")


class Failed(Exception):
    """A figure that could not be taken, and why."""


def absent(name, reason):
    """A floor or peer that could not run."""
    return {"name": name, "value": None, "reason": reason}


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


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def commit():
    r = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=12"],
                       capture_output=True, text=True, check=False)
    return r.stdout.strip() or "unknown"


class Bench:
    def __init__(self, args):
        self.args = args
        self.machine = machine()
        self.commit = commit()
        self.binary = os.path.join(args.build, "perf", "load", "lb_bench")
        self.failed = False

    def emit(self, name, values, unit, **more):
        line = {"name": name, "value": None, "unit": unit,
                "floor": absent("testpmd.5tswap", "not run: the figure itself could not be taken"),
                "peer": absent(*NO_PEER), "runs": 0, "spread": None}
        if values:
            middle = statistics.median(values)
            line["value"] = round(middle, 2)
            line["runs"] = len(values)
            line["spread"] = round((max(values) - min(values)) / middle, 3) if middle else 0
        else:
            self.failed = True
        line.update(more)
        if line["value"] is not None and line["floor"]["value"]:
            line["ratio"] = round(line["value"] / line["floor"]["value"], 2)
        line.update({"machine": self.machine, "commit": self.commit})
        print(json.dumps(line), flush=True)

    def wants(self, name):
        return name.startswith(self.args.only)

    def step(self, step, where, flows, *more):
        cmd = [self.binary, step, "--dir", where, "--flows", str(flows), *more]
        if self.args.cpus:
            cmd += ["--cpus", self.args.cpus]
        try:
            r = subprocess.run(cmd, capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"{step}: no end after {e.timeout:.0f} s") from e
        if r.returncode != 0:
            raise Failed(f"{step}: {r.stderr.strip().splitlines()[-1:]}")
        return json.loads(r.stdout.strip().splitlines()[-1])

    # ---- floor: testpmd on the same packets -----------------------------------------------------

    def floor(self, pcap, seconds, flows):
        """ns of worker CPU per packet of testpmd 5tswap, receiving and sending on the same port."""
        cpu = self.args.cpus or "0,1"
        last = cpu.split(",")[-1]
        mbufs = 8191 + flows
        cmd = ["stdbuf", "-oL", "dpdk-testpmd", "--in-memory", "--single-file-segments", "--no-pci",
               "--no-telemetry", "--lcores", f"0@({cpu}),1@{last}",
               "--vdev", f"net_pcap0,rx_pcap={pcap},infinite_rx=1", "--",
               f"--total-num-mbufs={mbufs}", "--forward-mode=5tswap", "--port-topology=loop",
               "--no-flush-rx", "--rxd=1024", "--txd=1024", "--burst=32", "-i"]
        env = dict(os.environ, LC_ALL="C")
        with subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=env) as p:
            try:
                return self.floor_of(p, seconds)
            finally:
                if p.poll() is None:
                    p.kill()

    @staticmethod
    def read_until(p, pattern, deadline):
        text, fd = "", p.stdout.fileno()
        while time.monotonic() < deadline:
            if not select.select([fd], [], [], 0.5)[0]:
                continue
            got = os.read(fd, 65536)
            if not got:
                break
            text += got.decode(errors="replace")
            if re.search(pattern, text):
                return text
        raise Failed(f"testpmd: no '{pattern}': {text[-300:]}")

    def floor_of(self, p, seconds):
        def say(word):
            p.stdin.write(word + "\n")
            p.stdin.flush()

        self.read_until(p, "testpmd>", time.monotonic() + 120)
        tid = self.worker_thread(p.pid)
        say("start")
        time.sleep(1)  # warm
        say("stop")
        self.read_until(p, r"Accumulated[^!]*Done", time.monotonic() + 60)
        before = self.cpu_ns(p.pid, tid)
        say("start")
        time.sleep(seconds)
        say("stop")
        text = self.read_until(p, r"Accumulated[^!]*Done", time.monotonic() + 60)
        after = self.cpu_ns(p.pid, tid)  # the thread waits again: its time stands still
        say("quit")
        p.wait(timeout=60)
        m = re.search(r"Accumulated forward statistics.*?TX-packets: *(\d+)", text, re.S)
        if not m or int(m.group(1)) == 0:
            raise Failed(f"testpmd: no packets: {text[-300:]}")
        return (after - before) / int(m.group(1))

    @staticmethod
    def worker_thread(pid):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
                if f.read().strip() in ("lcore-worker-1", "rte-worker-1"):
                    return tid
        raise Failed("testpmd: no worker thread")

    @staticmethod
    def cpu_ns(pid, tid):
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0])

    # ---- figures --------------------------------------------------------------------------------

    def fullnat(self, label, flows, where):
        name = f"lb.fullnat.64B.{label}.ns_per_packet"
        seconds = str(self.args.seconds)
        values, floors = [], []
        try:
            self.step("open", where, flows)
            self.step("shake", where, flows)
            checked = self.step("check", where, flows)["compared"]
            for _ in range(self.args.runs):  # in turn, so that a busy machine is busy for both
                values.append(self.step("run", where, flows, "--seconds", seconds)["ns_per_packet"])
                floors.append(self.try_floor(os.path.join(where, "traffic.pcap"), flows))
        except Failed as e:
            self.emit(name, [], "ns", reason=str(e))
            return
        self.emit(name, values, "ns", floor=self.middle_floor(floors), checked_packets=checked)

    def try_floor(self, pcap, flows):
        """A floor in ns, or why there is none."""
        try:
            return self.floor(pcap, self.args.seconds, flows)
        except (Failed, OSError, subprocess.SubprocessError) as e:
            return str(e)

    @staticmethod
    def middle_floor(floors, turn=lambda ns: ns):
        taken = [turn(f) for f in floors if not isinstance(f, str)]
        if not taken:
            return absent("testpmd.5tswap", floors[-1])
        return {"name": "testpmd.5tswap", "value": round(statistics.median(taken), 2)}

    def new_flows(self, where):
        name = "lb.new_flows.per_second"
        table = 1 << 22  # a second's flows and more
        runs, floors = [], []
        try:
            for _ in range(self.args.runs):
                runs.append(self.step("new", where, table, "--seconds", str(self.args.seconds)))
                floors.append(self.try_floor(os.path.join(where, "syn.pcap"), 1024))
        except Failed as e:
            self.emit(name, [], "1/s", reason=str(e))
            return
        if any(r["refused"] * 100 > r["made"] for r in runs):
            self.emit(name, [], "1/s", reason="flows were refused: the table was full")
            return
        self.emit(name, [r["per_second"] for r in runs], "1/s",
                  floor=self.middle_floor(floors, lambda ns: 1e9 / ns),
                  live_flows=runs[-1]["live"], refused=sum(r["refused"] for r in runs),
                  ended=sum(r["ended"] for r in runs))

    def flow_bytes(self, where):
        name = "lb.flow.bytes"
        try:
            r = self.step("bytes", where, 10_000_000)
        except Failed as e:
            self.emit(name, [], "B", floor=absent(*NO_FLOOR), peer=kernel_flow(), reason=str(e))
            return
        self.emit(name, [r["bytes_per_flow"]], "B", floor=absent(*NO_FLOOR), peer=kernel_flow(),
                  flows=10_000_000, table_bytes=r["bytes"],
                  bytes_per_ipv6_flow=r["bytes_per_flow6"])

    def run(self):
        sizes = SIZES[:2] if self.args.quick else SIZES
        # In memory: the table has to outlive each step, and the files are large.
        where = tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm")
        try:
            for label, flows in sizes:
                if self.wants(f"lb.fullnat.64B.{label}.ns_per_packet"):
                    self.fullnat(label, flows, where)
            if self.wants("lb.new_flows.per_second"):
                self.new_flows(where)
            if self.wants("lb.flow.bytes"):
                self.flow_bytes(where)
        finally:
            shutil.rmtree(where, ignore_errors=True)
        return 1 if self.failed else 0


def main():
    p = argparse.ArgumentParser(description="benchmarks, one JSON line per figure")
    p.add_argument("--only", default="", help="figures whose name begins so")
    p.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build"),
                   help="build directory")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3, help="of each run")
    p.add_argument("--quick", action="store_true", help="one short run each, without 1Mi")
    p.add_argument("--cpus", default="", help="CPUs to use, as in taskset(1)")
    args = p.parse_args()
    if args.quick:
        args.runs, args.seconds = 1, 1
    if not os.access(os.path.join(args.build, "perf", "load", "lb_bench"), os.X_OK):
        sys.exit(f"bench.py: no perf/load/lb_bench in {args.build}; build first")
    return Bench(args).run()


if __name__ == "__main__":
    sys.exit(main())
