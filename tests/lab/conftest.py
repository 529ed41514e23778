# SPDX-License-Identifier: BSD-3-Clause
"""Shared fixtures: hugepages for the run, sweeping of old labs, logs kept of failed tests."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lab as lab_module  # noqa: E402

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
WANTED = 1024
_before = None


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=10, help="rounds of the kill tests (nightly: 100)")
    parser.addoption("--soak", type=int, default=20, help="seconds of the soak (nightly: 1800)")


def pytest_configure(config):
    """In the controlling process only: sweep, and reserve hugepages where there are none."""
    global _before
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if os.geteuid() != 0:
        pytest.exit("the lab needs root: it makes network namespaces", 3)
    lab_module.sweep()
    try:
        now = int(HUGE.read_text())
        if now < WANTED:
            HUGE.write_text(str(WANTED))
            _before = now
    except OSError:
        pass


def pytest_unconfigure(config):
    if _before is not None:
        HUGE.write_text(str(_before))


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        name = item.nodeid.replace("/", "_").replace("::", ".")
        for value in list(item.funcargs.values()):
            if isinstance(value, lab_module.Lab) and not value.closed:
                kept = value.keep(name)
                report.sections.append(("lab", f"logs and captures kept in {kept}"))
                for p in value.processes:
                    if not p.name.startswith(("capture", "nginx")):
                        report.sections.append((f"{p.node.name}-{p.name}", p.tail(25)))
