# SPDX-License-Identifier: BSD-3-Clause
"""perf/bench.py: every figure of the balancer comes in the promised form, beside a floor taken in the same run.

The quick run says nothing about speed; it shows that the figures can be taken, and that the packets were right.
"""
import json
import subprocess
import sys

import pytest
from lab import BUILD, ROOT

FLOWS = {"lb.fullnat.64B.1Ki.ns_per_packet": 1 << 10, "lb.fullnat.64B.64Ki.ns_per_packet": 1 << 16}
NAMES = {**{n: "ns" for n in FLOWS}, "lb.new_flows.per_second": "1/s", "lb.flow.bytes": "B"}
FLOOR = "testpmd.5tswap"


def bench(*args, timeout=120):
    r = subprocess.run([sys.executable, ROOT / "perf" / "bench.py", "--build", BUILD, "--quick", *args],
                       capture_output=True, text=True, timeout=timeout, check=False)
    return r, {f["name"]: f for f in map(json.loads, r.stdout.splitlines())}


@pytest.fixture(scope="module")
def quick():
    r, lines = bench("--only", "lb")
    assert r.returncode == 0, r.stdout + r.stderr
    return lines


def given_or_explained(side):
    assert isinstance(side["name"], str) and side["name"], side
    if side["value"] is None:
        assert len(side["reason"]) > 10, side
    else:
        assert side["value"] > 0 and "reason" not in side, side


def test_all_names_come(quick):
    assert set(quick) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_form(quick, name):
    f = quick[name]
    assert list(f)[:7] == ["name", "value", "unit", "floor", "peer", "runs", "spread"]
    assert f["unit"] == NAMES[name]
    assert isinstance(f["value"], (int, float)) and f["value"] > 0
    assert f["runs"] == 1 and f["spread"] == 0
    assert f["machine"] and f["commit"] and "reason" not in f
    given_or_explained(f["floor"])
    given_or_explained(f["peer"])


@pytest.mark.parametrize("name", [*FLOWS, "lb.new_flows.per_second"])
def test_floor_ran_beside(quick, name):
    floor = quick[name]["floor"]
    assert floor["name"] == FLOOR and floor["value"] > 0, floor
    assert quick[name]["ratio"] == pytest.approx(quick[name]["value"] / floor["value"], abs=0.01)


@pytest.mark.parametrize("name", FLOWS)
def test_each_packet_was_compared(quick, name):
    assert quick[name]["checked_packets"] == FLOWS[name]


def test_new_flows_were_in_steady_state(quick):
    f = quick["lb.new_flows.per_second"]
    assert f["ended"] > 0 and f["refused"] == 0 and f["live_flows"] > 0


def test_bytes_of_ten_million_flows(quick):
    f = quick["lb.flow.bytes"]
    assert f["flows"] == 10_000_000 and f["table_bytes"] <= 1_300_000_000
    assert f["value"] == pytest.approx(f["table_bytes"] / f["flows"], abs=0.1)


def test_a_figure_that_cannot_be_taken_says_why():
    """No such CPU: neither we nor testpmd start. All keys are there, and the exit status tells."""
    r, lines = bench("--only", "lb.fullnat.64B.1Ki", "--cpus", "4000")
    assert r.returncode == 1
    f = lines["lb.fullnat.64B.1Ki.ns_per_packet"]
    assert f["value"] is None and len(f["reason"]) > 10
    assert f["floor"]["value"] is None and f["peer"]["value"] is None
    given_or_explained(f["floor"])
    given_or_explained(f["peer"])
