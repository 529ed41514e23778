# SPDX-License-Identifier: BSD-3-Clause
"""lb.show_flows.added_percent: what `show flows` with a filter, asked again and again, adds to the cost of a packet."""
import os
import statistics
import time

from commit import Bench, off_the_workers_cpu
from figure import Failed, absent
from lab_path import use_lab
from worker import folder
import memory

NAME = "lb.show_flows.added_percent"
PEER = absent("dpvs.ipvsadm", "Debian packages no DPVS; IPVS and conntrack of the kernel are read by a system call, and have no "
                              "worker whose time could be told apart")
FILTER = "tcp established client=10.1.0.0/16 port=256"  # 1 of 65,536 of lb_show.c's flows, none of those with packets
PAGE = 8   # rows: half a million entries are looked at for them
FEW = 200


class Sum:
    """Several windows of one kind."""

    def __init__(self):
        self.cpu_ns = self.packets = 0

    def add(self, a, b):
        packets = b["forwarded"] - a["forwarded"]
        if b["dropped"] or b["received"] - a["received"] != packets:
            raise Failed(f"show: packets were not forwarded: {a} {b}")
        self.cpu_ns += b["cpu_ns"] - a["cpu_ns"]
        self.packets += packets

    def ns_per_packet(self):
        return self.cpu_ns / self.packets


class Queried(Bench):
    """lb_bench show, and the control link to it."""

    def __init__(self, binary, where, cpus, *options):
        super().__init__(binary, "show", where, cpus, *options)
        self.quiet, self.busy, self.found = Sum(), Sum(), None

    def connect(self):
        self.link = self.ctl.CtlLink(os.path.join(self.where, "bench.ctl"), timeout=60)
        self.link.hello(instance="bench")

    def sample(self):
        self.say("sample")
        return self.hear()

    def page(self, after):
        """Some rows of a query, asked for as the daemon does; after: "next" of the page before."""
        args = {"filter": FILTER, "limit": PAGE, "count": False}
        try:
            return self.link.query("flows", **args, **({"next": after} if after else {}))
        except self.ctl.LinkError as e:
            raise Failed(f"show: {e}") from e

    def wait(self, seconds):
        a = self.sample()
        time.sleep(seconds)
        self.quiet.add(a, self.sample())

    def ask(self, after):
        """A page, and the seconds it took."""
        a, start = self.sample(), time.monotonic()
        answer = self.page(after)
        took = time.monotonic() - start
        self.busy.add(a, self.sample())
        return answer, took

    def run(self, seconds):
        """Whole queries, page by page, and a while without before or after each page: the machine drifts in seconds.

        Returns: worker CPU time per packet without and with, and the seconds of each query
        """
        self.quiet, self.busy, queries, end = Sum(), Sum(), [], time.monotonic() + seconds
        while not queries or time.monotonic() < end:
            after, found, query, pages, page = None, 0, 0, 0, 0.2
            while pages == 0 or after:
                if pages % 2 == 0:
                    self.wait(page)
                answer, page = self.ask(after)
                if pages % 2 == 1:
                    self.wait(page)
                pages, query = pages + 1, query + page
                after, found = answer.get("next"), found + answer["total"]
            if not 0 < found <= FEW or self.found not in (None, found):
                raise Failed(f"show: {found} flows were found, {self.found} before")
            self.found = found
            queries.append(query)
        return self.quiet.ns_per_packet(), self.busy.ns_per_packet(), queries


class ShowFlows:
    def __init__(self, args, sheet, worker):
        self.args, self.sheet, self.worker = args, sheet, worker

    def take(self):
        if not self.sheet.wants(NAME):
            return
        table, flows = (200_000, 1 << 12) if self.args.quick else (10_000_000, 1 << 16)
        mem = memory.choose(flows)
        more = ["--flows", flows, "--table", table, *mem.options()]
        quiet, busy, took = [], [], []
        use_lab(self.args.build)
        try:
            with folder() as where:
                for step in ("open", "shake"):
                    self.worker.step(step, where, *more)
                with Queried(self.worker.binary, where, self.args.cpus, *more, "--limit", 200 + 30 * self.args.runs) as b, \
                        off_the_workers_cpu(self.args.cpus):
                    cpus = b.hear()["cpus"]
                    b.connect()
                    b.run(1)  # warm
                    for _ in range(self.args.runs):
                        without, ns, times = b.run(self.args.seconds)
                        quiet.append(without)
                        busy.append(ns)
                        took += times
                    found, live = b.found, b.sample()["flows"]
        except (Failed, OSError) as e:
            self.sheet.put_absent(NAME, "%", str(e), peer=PEER)
            return
        added = [(b / q - 1) * 100 for q, b in zip(quiet, busy)]
        floor = {"name": "sluice-lb.no_query.ns_per_packet", "value": round(statistics.median(quiet), 2)}
        query = statistics.median(took)
        note = {"buffers": mem.note} if mem.note else {}
        self.sheet.put(NAME, added, "%", floor=floor, peer=PEER, spread=round(max(added) - min(added), 2), spread_unit="%",
                       ns_per_packet={"without": floor["value"], "with": round(statistics.median(busy), 2)},
                       query_s=round(query, 3), queries=len(took), looked_at_per_second=round(live / query),
                       flows=live, found=found, packet_flows=flows, cpus=cpus, **note)
