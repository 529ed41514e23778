# SPDX-License-Identifier: BSD-3-Clause
"""lb.commit.added_latency_us: what commits add to the residence time of packets that flow meanwhile."""
import contextlib
import json
import os
import statistics
import subprocess
import time

from figure import Failed, absent
from lab_path import use_lab
from worker import folder
import world

NAME = "lb.commit.added_latency_us"
PEER = absent("dpvs.ipvsadm", "Debian packages no DPVS; IPVS of the kernel has no worker whose residence time could be "
                              "told from the device's")
PAUSE = 0.02  # between two commits
RATE = 500_000
BUSY_US = 500  # a worker that is left alone stays far below


@contextlib.contextmanager
def off_the_workers_cpu(cpus):
    """lb_bench binds its worker to the first CPU it may use; what commits must not take time of it there."""
    before = os.sched_getaffinity(0)
    others = before - {min(before)}
    if others and not cpus:
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Bench:
    """A step of lb_bench that is driven by words on its stdin, and the control link to it."""

    def __init__(self, binary, step, where, cpus, *options):
        import ctl_link
        self.ctl, self.where, self.step = ctl_link, where, step
        cmd = [binary, step, "--dir", where, "--limit", "200", *map(str, options)]
        self.errors = open(os.path.join(where, "stderr"), "w+", encoding="utf-8")
        self.p = subprocess.Popen(cmd + (["--cpus", cpus] if cpus else []), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.link, self.version = None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        self.errors.close()

    def hear(self):
        line = self.p.stdout.readline()
        while line and not line.startswith("{"):
            line = self.p.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise Failed(f"{self.step}: {self.errors.read().strip().splitlines()[-1:]}")
        return json.loads(line)

    def say(self, word):
        self.p.stdin.write(word + "\n")
        self.p.stdin.flush()


class Committed(Bench):
    """lb_bench commit."""

    def __init__(self, binary, where, flows, cpus):
        super().__init__(binary, "commit", where, cpus, "--flows", flows, "--rate", RATE)
        self.flows = flows

    def configure(self, servers):
        """All servers in one transaction. Returns the seconds it took."""
        ctl = self.ctl
        port = ctl.port(1, "wire", kind=ctl.PCAP, flags=2, mac=world.OURS, peer_mac=world.PEER,
                        path=os.path.join(self.where, "syn.pcap").encode())
        records = world.records(ctl, port, 2 * self.flows, servers - world.SERVERS)
        self.link = ctl.CtlLink(os.path.join(self.where, "bench.ctl"), timeout=60)
        self.link.hello(instance="bench")
        start = time.monotonic()
        self.link.transaction(0, 1, records)
        self.version = 1
        return time.monotonic() - start

    def commit(self):
        """Another weight for one server of the pool that serves. Returns the seconds from first record to answer."""
        rec = world.server(self.ctl, 0, 1 + self.version % 2)
        start = time.monotonic()
        self.link.transaction(self.version, self.version + 1, [rec])
        self.version += 1
        return time.monotonic() - start

    def open_flows(self):
        self.say("go")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.say("opened")
            if self.hear()["opened"]:
                return
            time.sleep(0.05)
        raise Failed("commit: the flows were not opened in time")

    def window(self, seconds, commits, clock="tsc"):
        """Residence times of a while, and how long each commit took."""
        took = []
        self.say(clock)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if commits:
                took.append(self.commit())
            time.sleep(min(PAUSE if commits else left, max(left, 0)))
        self.say("report")
        r = self.hear()
        if r["wrong"] or r["lost"] or r["dropped"] > 64:
            raise Failed(f"commit: packets were lost or wrong: {r}")
        return r, took


class Commit:
    def __init__(self, args, sheet, worker):
        self.args, self.sheet, self.binary = args, sheet, worker.binary

    def take(self):
        if not self.sheet.wants(NAME):
            return
        servers, flows = (10_000, 1 << 12) if self.args.quick else (100_000, 1 << 16)
        quiet, busy, own, took = [], [], [], []
        use_lab(self.args.build)
        try:
            with folder() as where, Committed(self.binary, where, flows, self.args.cpus) as b, \
                    off_the_workers_cpu(self.args.cpus):
                cpus = b.hear()["cpus"]
                load = b.configure(servers)
                b.open_flows()
                b.window(1, True)  # warm
                for _ in range(self.args.runs):
                    quiet.append(b.window(self.args.seconds, False)[0])
                    r, times = b.window(self.args.seconds, True)
                    busy.append(r)
                    took += times
                    own.append([b.window(1, commits, "own-time")[0] for commits in (False, True)])
        except (Failed, OSError) as e:
            self.sheet.put_absent(NAME, "us", str(e), peer=PEER)
            return
        added = [b["p999_us"] - q["p999_us"] for q, b in zip(quiet, busy)]

        def of(key):
            return {"without": round(statistics.median(q[key] for q in quiet), 1),
                    "with": round(statistics.median(b[key] for b in busy), 1)}

        own_added = [w["p999_us"] - q["p999_us"] for q, w in own]
        more = {}
        if of("p999_us")["without"] > BUSY_US:
            more["busy"] = "p99.9 without commits is the machine's, not ours: read own_time"
        floor = {"name": "sluice-lb.no_commits.p999_us", "value": of("p999_us")["without"]}
        self.sheet.put(NAME, added, "us", floor=floor, peer=PEER, spread=round(max(added) - min(added), 1), spread_unit="us",
                       p50_us=of("p50_us"), p99_us=of("p99_us"), p999_us=of("p999_us"), max_us=of("max_us"),
                       longest_turn_cpu_us=of("turn_cpu_us"), longest_turn_us=of("turn_us"),
                       own_time={"added_us": round(statistics.median(own_added), 1),
                                 "spread_us": round(max(own_added) - min(own_added), 1),
                                 "p999_us": {"without": round(statistics.median(q["p999_us"] for q, _ in own), 1),
                                             "with": round(statistics.median(w["p999_us"] for _, w in own), 1)}},
                       packets_per_second=RATE, missed=of("missed"), servers=servers, flows=flows,
                       commits=len(took), commit_ms=round(statistics.median(took) * 1e3, 2) if took else None,
                       load_s=round(load, 2), cpus=cpus, **more)
