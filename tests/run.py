# SPDX-License-Identifier: BSD-3-Clause
"""Run the test stages and end with one line: `N passed, N failed, N skipped`.

    tests/run.py --build DIR all       lint, gcc, unit, clang, sanitizers, lab: what CI runs
    tests/run.py --build DIR unit|asan|clang|lint|lab|nightly

The lab runs with two workers and RSS deliberately wrong, so that every test sees packets at a worker that
does not own them; SLUICE_LAB_WORKERS and SLUICE_LAB_RSS say otherwise (empty: as sluice-lb by itself).
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.bad = []

    def add(self, name, ok):
        self.passed += ok
        self.failed += not ok
        if not ok:
            self.bad.append(name)

    def junit(self, path, stage):
        """Count the cases of a JUnit file; a stage that ran nothing has failed."""
        n = 0
        try:
            cases = list(xml.parse(path).getroot().iter("testcase"))
        except (OSError, xml.ParseError):
            cases = []
        for c in cases:
            n += 1
            name = f"{c.get('classname', '')}.{c.get('name')}"
            if c.find("failure") is not None or c.find("error") is not None:
                self.failed += 1
                self.bad.append(name)
            elif c.find("skipped") is not None:
                self.skipped += 1
                print(f"SKIPPED {name}: {c.find('skipped').get('message', '')}")
            else:
                self.passed += 1
        if n == 0:
            self.add(f"{stage}: no test ran", False)


def sh(cmd, **env):
    print(f"+ {' '.join(map(str, cmd))}", flush=True)
    return subprocess.call([str(c) for c in cmd], cwd=ROOT, env=dict(os.environ, **env), stdin=subprocess.DEVNULL)


def build(totals, where, stage, *options, **env):
    """Configure once and build with warnings as errors."""
    rc = 0
    if not (where / "build.ninja").exists():
        rc = sh(["meson", "setup", where, ".", "--werror", *options], **env)
    else:
        rc = sh(["meson", "configure", where, "-Dwerror=true"])
    rc = rc or sh(["ninja", "-C", where])
    totals.add(f"build {stage}", rc == 0)
    return rc == 0


def meson_tests(totals, where, stage, **env):
    log = where / "meson-logs" / "testlog.junit.xml"
    log.unlink(missing_ok=True)
    rc = sh(["meson", "test", "-C", where, "--no-rebuild", "--print-errorlogs", "-t", "3"], **env)
    before = totals.failed
    totals.junit(log, stage)
    if rc != 0 and totals.failed == before:
        totals.add(f"{stage}: meson test ended with {rc}", False)


def stage_lint(totals, args):
    for script in sorted((ROOT / "tests" / "lint").iterdir()):
        if os.access(script, os.X_OK) and script.is_file():
            totals.add(f"lint {script.name}", sh([script]) == 0)


def stage_unit(totals, args):
    if build(totals, args.build, "gcc"):
        meson_tests(totals, args.build, "unit")


def stage_clang(totals, args):
    build(totals, args.build.with_name(args.build.name + "-clang"), "clang", CC="clang")


def stage_asan(totals, args):
    where = args.build.with_name(args.build.name + "-asan")
    if build(totals, where, "sanitizers", "-Db_sanitize=address,undefined", "-Dbuildtype=debug", "-Doptimization=1"):
        meson_tests(totals, where, "asan",
                    ASAN_OPTIONS="abort_on_error=0:detect_stack_use_after_return=0",
                    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                    LSAN_OPTIONS=f"suppressions={ROOT}/tests/lint/lsan.supp")


def stage_lab(totals, args, *extra, **env):
    spread = {"SLUICE_LAB_WORKERS": "2", "SLUICE_LAB_RSS": "wrong"}
    env = {k: os.environ.get(k, v) for k, v in spread.items()} | env
    if not build(totals, args.build, "gcc"):
        return
    out = args.build / "lab.junit.xml"
    out.unlink(missing_ok=True)
    workers = ["-n", str(args.jobs)] if args.jobs > 1 else []
    only = ["-k", args.only] if args.only else []
    rc = sh([PYTHON, "-m", "pytest", "-c", "tests/lab/pytest.ini", "tests/lab", f"--junitxml={out}",
             "--dist", "loadfile", *workers, *only, *extra], SLUICE_BUILD=str(args.build), PYTHONDONTWRITEBYTECODE="1",
            **env)
    before = totals.failed
    totals.junit(out, "lab")
    if rc not in (0, 1) and totals.failed == before:
        totals.add(f"lab: pytest ended with {rc}", False)


def stage_all(totals, args):
    for stage in (stage_lint, stage_unit, stage_clang, stage_asan, stage_lab):
        start = time.monotonic()
        stage(totals, args)
        print(f"--- {stage.__name__[6:]}: {time.monotonic() - start:.0f} s\n", flush=True)


def stage_nightly(totals, args):
    stage_all(totals, args)
    for workers in ("1", "2", "4"):
        for rss in ("known", "wrong", "unknown"):
            if (workers, rss) != ("2", "wrong"):  # that was stage_all
                stage_lab(totals, args, SLUICE_LAB_WORKERS=workers, SLUICE_LAB_RSS=rss)
    stage_lab(totals, args, "-k", "test_kill", "--rounds", "100")
    stage_lab(totals, args, "-k", "test_soak", "--soak", "1800", "--timeout", "3600")
    totals.add("fuzz", sh(["tests/fuzz/fuzz.sh"]) == 0)


STAGES = {"all": stage_all, "unit": stage_unit, "asan": stage_asan, "clang": stage_clang, "lint": stage_lint,
          "lab": stage_lab, "nightly": stage_nightly}


def main():
    p = argparse.ArgumentParser(description="run the tests")
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    p.add_argument("--only", default="", help="pytest -k expression for the lab")
    p.add_argument("--jobs", type=int, default=1 if (os.cpu_count() or 1) < 4 else 2)
    p.add_argument("stage", choices=STAGES)
    args = p.parse_args()
    args.build = args.build.resolve()
    totals = Totals()
    STAGES[args.stage](totals, args)
    for name in totals.bad:
        print(f"FAILED {name}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
