# SPDX-License-Identifier: BSD-3-Clause
"""Where the worker's time goes: instructions, branches and cache misses per packet and function, by callgrind.

Two runs that differ in nothing but the number of packets; what is printed is their difference, so that start,
configuration and the first look at each flow cancel out. The cache is callgrind's model, with this machine's first
level and second level sizes; branches are those of its predictor. They tell where to look, not how long it takes.
"""
import os
import re
import shutil
import subprocess
import sys

from figure import Failed, Sheet
from worker import MODES, Worker, folder

EVENTS = ("Ir", "Bcm", "D1mr", "D1mw", "DLmr", "DLmw")
TITLES = ("instr", "br.miss", "L1d rd", "L1d wr", "L2 rd", "L2 wr")
PASSES = (2, 10)


def caches():
    """--D1 and --LL of this machine: size, ways, line."""
    def read(index, what):
        with open(f"/sys/devices/system/cpu/cpu0/cache/index{index}/{what}", encoding="ascii") as f:
            return f.read().strip()

    found = {}
    try:
        for i in range(4):
            if read(i, "type") in ("Data", "Unified"):
                size = int(read(i, "size").rstrip("K")) * 1024
                found[int(read(i, "level"))] = (size, int(read(i, "ways_of_associativity")), int(read(i, "coherency_line_size")))
    except (OSError, ValueError):
        pass
    first, second = found.get(1, (49152, 12, 64)), found.get(2, (2 << 20, 16, 64))

    def plain(size, ways, line):  # the model wants a power of two of sets
        sets = 1 << ((size // ways // line).bit_length() - 1)
        return f"{sets * ways * line},{ways},{line}"

    return [f"--D1={plain(*first)}", f"--LL={plain(*second)}"]


def one_run(worker, where, mode, flows, passes):
    out = os.path.join(where, f"callgrind.{passes}")
    cmd = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--cache-sim=yes", "--branch-sim=yes",
           "--separate-threads=no", *caches(), worker.binary, "run", "--dir", where, "--flows", str(flows), "--passes",
           str(passes), "--mode", mode, "--no-huge", "--memory", "1024", "--small-buffers", "--limit", "280"]
    r = subprocess.run(cmd, capture_output=True, text=True, timeout=300, check=False)
    if r.returncode != 0:
        raise Failed(f"callgrind: {' | '.join(r.stderr.strip().splitlines()[-3:])}")
    return read_callgrind(out)


def read_callgrind(path):
    """{(object, function, file): [count of each of EVENTS]}, exclusive of what is called; file: where the line stands,
    which for an inlined function is not where its caller stands."""
    names, costs, events, skip = {"ob": {}, "fn": {}, "fl": {}}, {}, [], False
    now = {"ob": "", "fn": "", "fl": ""}
    kinds = {"ob": "ob", "fn": "fn", "fl": "fl", "fi": "fl", "fe": "fl", "cob": "ob", "cfn": "fn", "cfi": "fl", "cfl": "fl"}
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            m = re.match(r"(c?ob|c?fn|c?f[lie])=\((\d+)\)(?: (.*))?", line)
            if m:
                kind = kinds[m.group(1)]
                if m.group(3):
                    names[kind][m.group(2)] = m.group(3).strip()
                if not m.group(1).startswith("c"):
                    now[kind] = names[kind].get(m.group(2), "?")
            elif line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("calls="):
                skip = True  # the next line is the callee's cost
            elif line[:1] in "0123456789+-*" and now["fn"]:
                if not skip:
                    add(costs, (now["ob"], now["fn"], now["fl"]), line.split()[1:], events)
                skip = False
    return costs


def add(costs, key, counts, events):
    total = costs.setdefault(key, [0] * len(EVENTS))
    for event, n in zip(events, counts):
        if event in EVENTS:
            total[EVENTS.index(event)] += int(n)


def by(costs, name_of):
    out = {}
    for key, counts in costs.items():
        total = out.setdefault(name_of(*key), [0] * len(EVENTS))
        for i, n in enumerate(counts):
            total[i] += n
    return out


def function(ob, fn, _):
    """Libraries of the system have no names for their own static functions."""
    fn = re.sub(r"'.*", "", fn)
    return f"{os.path.basename(ob)}:{fn}" if fn.startswith("0x") else fn


def stage(ob, _, fl):
    """The source file: parse, flow, out and so on, inlined or not."""
    m = re.search(r"(?:^|/)((?:dataplane|apps|perf)/.*)", fl)
    if m:
        return m.group(1)
    return os.path.basename(fl) if "dpdk" in fl or "rte_" in fl else os.path.basename(ob)


def table(less, more, packets):
    rows = [(name, [(m - b) / packets for m, b in zip(counts, less.get(name, [0] * len(EVENTS)))])
            for name, counts in more.items()]
    return sorted(rows, key=lambda r: -r[1][0])


def show(title, rows):
    print(f"\n{title}, per packet")
    print("  ".join(f"{t:>8}" for t in TITLES))
    for name, d in rows:
        if d[0] >= 0.1 or max(d[1:]) >= 0.02:
            print("  ".join(f"{abs(v) if abs(v) < 0.005 else v:8.2f}" for v in d) + f"  {name}")
    print("  ".join(f"{sum(d[i] for _, d in rows):8.2f}" for i in range(len(EVENTS))) + "  all")


def stages(args):
    if shutil.which("valgrind") is None:
        print("bench.py: no stages: valgrind is not installed (apt-get install valgrind)", file=sys.stderr)
        return 0
    worker, status = Worker(args, Sheet("")), 0
    for mode in MODES:
        if args.only and not f"lb.{mode}".startswith(args.only):
            continue
        with folder() as where:
            try:
                for step in ("open", "shake"):
                    worker.step(step, where, "--flows", args.flows, "--small-buffers", mode=mode)
                less, more = (one_run(worker, where, mode, args.flows, p) for p in PASSES)
                packets = args.flows * (PASSES[1] - PASSES[0])
                for title, name_of in (("function", function), ("source file", stage)):
                    show(f"{mode}, {args.flows} flows, by {title}", table(by(less, name_of), by(more, name_of), packets))
            except (Failed, subprocess.TimeoutExpired) as e:
                print(f"bench.py: no stages of {mode}: {e}", file=sys.stderr)
                status = 1
    return status
