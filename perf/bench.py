#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: one JSON line per figure, in the form of README.md, and a page that draws them.

    bench.py [--only PREFIX] [--build DIR] [--runs N] [--seconds S] [--quick] [--cpus LIST] [--page FILE]
    bench.py --stages [--flows N]     where the worker's instructions and cache misses go, by valgrind
"""
import argparse
import os
import signal
import sys

from check import Check
from commit import Commit
from control import Control
from figure import HERE, Sheet
from flows import ShowFlows
from link import Link
from page import write_page
from stages import stages
from waf import Waf
from wire import Wire
from worker import Worker


def arguments():
    p = argparse.ArgumentParser(description="benchmarks, one JSON line per figure")
    p.add_argument("--only", default="", help="figures whose name begins so")
    p.add_argument("--build", default=os.path.join(os.path.dirname(HERE), "build"),
                   help="build directory")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=2, help="of each run")
    p.add_argument("--quick", action="store_true", help="one short run each, of few figures")
    p.add_argument("--cpus", default="", help="CPUs to use, as in taskset(1)")
    p.add_argument("--page", default="", help="file of the page (default: <build>/bench.html; - for none)")
    p.add_argument("--stages", action="store_true", help="instructions and cache misses per packet by function")
    p.add_argument("--flows", type=int, default=1 << 16, help="of --stages")
    args = p.parse_args()
    if args.quick:
        args.runs, args.seconds = 1, 1
    if args.runs < 1 or args.seconds < 1:
        p.error("--runs and --seconds: 1 or more")
    if not os.access(os.path.join(args.build, "perf", "load", "lb_bench"), os.X_OK):
        sys.exit(f"bench.py: no perf/load/lb_bench in {args.build}; build first")
    return args


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and namespaces are removed
    if args.stages:
        return stages(args)
    sheet = Sheet(args.only)
    worker = Worker(args, sheet)
    worker.take()
    for figures in (Commit(args, sheet, worker), ShowFlows(args, sheet, worker), Link(args, sheet), Wire(args, sheet),
                    Check(args, sheet), Control(args, sheet), Waf(args, sheet)):
        figures.take()
    if args.page != "-" and sheet.lines:
        path = args.page or os.path.join(args.build, "bench.html")
        write_page(path, sheet)
        print(f"bench.py: drawn in {path}", file=sys.stderr)
    return 1 if sheet.failed else 0


if __name__ == "__main__":
    sys.exit(main())
