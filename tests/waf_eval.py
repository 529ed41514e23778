#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How well the web application firewall tells attacks from harmless requests, on a set of labelled ones.

    make eval WAF_SET=DIR
    tests/waf_eval.py --build BUILD DIR [--folder NAME]... [--missed] [--alarms] [--kind WORD] [--quick]

DIR holds folders of raw HTTP requests, one a file: *.black is an attack, *.white is none. Prints detection and false
positives of each folder at both levels, of each kind (the folder below), which classes were told, and whether the
verdicts are the same with the router off. --missed and --alarms name the requests that were judged wrong (at the
balanced level) with what the engine said of them; --kind keeps those whose path has the word; --quick runs the
balanced level only. Exit status: 0 the table was printed and the router changes nothing, 1 not, 2 wrong usage.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SAME = ("verdict", "class", "score", "place", "decoded", "fragment")
REFERER = re.compile(rb"^referer[ \t]*:[^\n]*\n", re.I | re.M)


def run(check, folder, *options):
    """Verdicts of all files of a folder, by name."""
    done = subprocess.run([check, *options, folder], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{check} {folder}: exit status {done.returncode}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {v["name"]: v for v in lines if v["name"].endswith((".black", ".white"))}


def count(verdicts, suffix):
    mine = [v for n, v in verdicts.items() if n.endswith(suffix)]
    return sum(v["verdict"] == "block" for v in mine), len(mine)


def rate(part, whole):
    return f"{part:5d}/{whole:5d} {100 * part / whole:6.2f}%" if whole else f"{'-':>19}"


def kinds(names):
    """The kind of each request: the first folder in which they differ, without a number at its end."""
    parts = {n: [re.sub(r"(\.[a-z]+)?_\d+$", "", p) for p in n.split("/")[:-1]] for n in names}
    depth = 0
    while parts and len({tuple(p[: depth + 1]) for p in parts.values()}) == 1 and depth < 8:
        depth += 1
    found = {n: p[depth] if len(p) > depth else "-" for n, p in parts.items()}
    return found if len(set(found.values())) <= 64 else {n: "all" for n in names}


def only_in_referer(check, folder, verdicts):
    """Attacks that are refused, and are not when their Referer is taken away."""
    black = [n for n, v in verdicts.items() if n.endswith(".black") and v["verdict"] == "block"]
    with tempfile.TemporaryDirectory() as tmp:
        kept = 0
        for i, n in enumerate(black):
            raw = (folder / n).read_bytes()
            cut = REFERER.sub(b"", raw, count=1)
            if cut != raw:
                pathlib.Path(tmp, f"{i}.black").write_bytes(cut)
                kept += 1
        if kept == 0:
            return 0
        return sum(v["verdict"] == "pass" for v in run(check, tmp).values())


def show_kinds(verdicts):
    kind = kinds(list(verdicts))
    for k in sorted(set(kind.values())):
        mine = {n: v for n, v in verdicts.items() if kind[n] == k}
        told = collections.Counter(v["class"] for n, v in mine.items() if n.endswith(".black"))
        text = ", ".join(f"{c} {n}" for c, n in told.most_common(6))
        print(f"  {k[:42]:42} {rate(*count(mine, '.black'))}  {rate(*count(mine, '.white'))}   {text}")


def show_names(title, folder, verdicts, suffix, verdict):
    for n, v in verdicts.items():
        if n.endswith(suffix) and v["verdict"] == verdict:
            rules = "+".join(f"{e['rule']}({e['points']})" for e in v["evidence"])
            print(f"{title} {folder.name}/{n}: {v['class']} {v['score']} {v['place']} {'>'.join(v['decoded'])} {rules} "
                  f"{json.dumps(v['fragment'])}")


def cost(verdicts, suffix):
    ns = sorted(v["ns"] for n, v in verdicts.items() if n.endswith(suffix))
    return f"{sum(ns) / len(ns) / 1000:.1f}/{ns[len(ns) * 99 // 100] / 1000:.1f}" if ns else "-"


def evaluate(check, folder, args):
    """Prints a folder's part of the table. Returns the names whose verdict the router changes."""
    verdicts = run(check, folder, "--explain")
    if args.kind:
        verdicts = {n: v for n, v in verdicts.items() if args.kind.lower() in n.lower()}
    if not verdicts:
        return []
    print(f"{folder.name[:44]:44} {rate(*count(verdicts, '.black'))}  {rate(*count(verdicts, '.white'))}   balanced")
    changed = []
    if not args.quick:
        strict = run(check, folder, "--level", "strict")
        strict = {n: strict[n] for n in verdicts}
        bare = run(check, folder, "--no-router")
        changed = [n for n, v in verdicts.items() if any(v[k] != bare[n][k] for k in SAME)]
        print(f"{'':44} {rate(*count(strict, '.black'))}  {rate(*count(strict, '.white'))}   strict")
        print(f"  attacks refused for their Referer alone: {only_in_referer(check, folder, verdicts)}")
        print(f"  us, mean/p99: attacks {cost(verdicts, '.black')}, harmless {cost(verdicts, '.white')}")
        print(f"  changed by the router: {len(changed)} {' '.join(changed[:3])}")
    show_kinds(verdicts)
    if args.missed:
        show_names("missed", folder, verdicts, ".black", "pass")
    if args.alarms:
        show_names("alarm", folder, verdicts, ".white", "block")
    return changed


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("set", type=pathlib.Path)
    p.add_argument("--build", type=pathlib.Path, default="build")
    p.add_argument("--folder", action="append", help="of the set; default: all")
    p.add_argument("--kind", default="")
    for flag in ("--missed", "--alarms", "--quick"):
        p.add_argument(flag, action="store_true")
    args = p.parse_args()
    check = args.build / "apps/waf/sluice-waf-check"
    folders = sorted(d for d in args.set.iterdir() if d.is_dir()) if args.set.is_dir() else []
    if args.folder:
        folders = [d for d in folders if d.name in args.folder]
    if not folders or not check.exists():
        print(f"eval: {'no such program: ' + str(check) if folders else 'no folder of requests in ' + str(args.set)}")
        return 2
    print(f"{'folder, kind':44} {'attacks refused':>19}  {'harmless refused':>19}   level; classes told of attacks")
    changed = [n for d in folders for n in evaluate(str(check), d, args)]
    return 1 if changed else 0


sys.exit(main())
