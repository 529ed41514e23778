# SPDX-License-Identifier: BSD-3-Clause
"""perf/bench.py: every figure of the balancer comes in the promised form, beside a floor taken in the same run.

The quick run says nothing about speed; it shows that the figures can be taken, and that the packets were right.
"""
import html.parser
import json
import re
import shutil
import subprocess
import sys
import time

import pytest
from lab import BUILD, ROOT, program

sys.path.insert(0, str(ROOT / "perf"))
import memory  # noqa: E402

PER_PACKET = {"lb.fullnat.64B.1Ki.ns_per_packet": 1 << 10, "lb.nat.64B.1Ki.ns_per_packet": 1 << 10,
              "lb.fullnat.64B.64Ki.ns_per_packet": 1 << 16}
COMMIT, SHOW = "lb.commit.added_latency_us", "lb.show_flows.added_percent"
NAMES = {**{n: "ns" for n in PER_PACKET}, "lb.new_flows.per_second": "1/s", "lb.connections.per_second": "1/s",
         "lb.flow.bytes": "B", COMMIT: "us", SHOW: "%", "lb.memif.64B.64Ki.packets_per_second": "1/s",
         "lb.memif.64B.64Ki.ns_per_packet": "ns"}
TESTPMD, OWN = "testpmd.5tswap", "lb_bench.5tswap"


def bench(*args, timeout=150):
    r = subprocess.run([sys.executable, ROOT / "perf" / "bench.py", "--build", BUILD, "--quick", *args],
                       capture_output=True, text=True, timeout=timeout, check=False)
    return r, {f["name"]: f for f in map(json.loads, r.stdout.splitlines())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    page = tmp_path_factory.mktemp("bench") / "page.html"
    r, lines = bench("--only", "lb", "--page", page)
    assert r.returncode == 0, r.stdout + r.stderr
    return lines, page.read_text()


@pytest.fixture(scope="module")
def quick(whole):
    return whole[0]


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
    assert isinstance(f["value"], (int, float)) and (f["value"] > 0 or name in (COMMIT, SHOW))
    assert f["runs"] == 1 and f["spread"] == 0
    assert f["machine"] and f["commit"] and "reason" not in f
    given_or_explained(f["floor"])
    given_or_explained(f["peer"])


@pytest.mark.parametrize(("name", "floor"), [*((n, TESTPMD) for n in PER_PACKET), ("lb.new_flows.per_second", TESTPMD),
                                             ("lb.connections.per_second", OWN)])
def test_floor_ran_beside(quick, name, floor):
    f = quick[name]
    assert f["floor"]["name"] == floor and f["floor"]["value"] > 0, f
    assert f["ratio"] == pytest.approx(f["value"] / f["floor"]["value"], abs=0.01)
    assert f["net"] == pytest.approx(f["value"] - f["floor"]["value"], abs=1)


@pytest.mark.parametrize("name", PER_PACKET)
def test_each_packet_was_compared(quick, name):
    assert quick[name]["checked_packets"] == PER_PACKET[name]


@pytest.mark.parametrize("name", ["lb.new_flows.per_second", "lb.connections.per_second"])
def test_flows_were_in_steady_state(quick, name):
    f = quick[name]
    assert f["ended"] > 0 and f["live_flows"] > 0 and f.get("refused", 0) == 0


def test_bytes_of_a_flow_are_measured(quick):
    """Ten million of them would be within 1.3 GB."""
    f = quick["lb.flow.bytes"]
    assert f["flows"] == 1 << 20 and f["value"] <= 130
    assert f["value"] == pytest.approx(f["table_bytes"] / f["flows"], abs=0.1)


def test_commits_were_made_while_packets_flowed(quick):
    f = quick[COMMIT]
    assert f["commits"] > 5 and f["servers"] == 10_000 and f["packets_per_second"] > 0
    for key in ("p50_us", "p999_us", "longest_turn_cpu_us"):
        assert f[key]["with"] > 0 and f[key]["without"] > 0
    assert f["own_time"]["p999_us"]["with"] > 0


def test_flows_were_looked_through_while_packets_flowed(quick):
    """One in 65,536 of those without packets is meant: each query finds them all, in a table that stays full."""
    f = quick[SHOW]
    assert f["flows"] == 200_000 and f["found"] == (f["flows"] - f["packet_flows"]) // 65536 + 1
    assert f["queries"] > 0 and f["query_s"] > 0 and f["ns_per_packet"]["with"] > 0 and f["ns_per_packet"]["without"] > 0
    assert f["looked_at_per_second"] == pytest.approx(f["flows"] / f["query_s"], rel=0.02)
    assert f["value"] == pytest.approx((f["ns_per_packet"]["with"] / f["ns_per_packet"]["without"] - 1) * 100, abs=0.1)


class Page(html.parser.HTMLParser):
    """What a page draws, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.fetched = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [v for k, v in attrs if k in ("src", "href")]


def test_the_page_draws_and_needs_nothing(whole):
    lines, text = whole
    p = Page(text)
    assert "polyline" in p.tags and not p.fetched and "script" not in p.tags
    assert all(name in text for name in lines)
    assert "quoted, not measured in this run" in text


def test_a_figure_that_cannot_be_taken_says_why():
    """No such CPU: neither we nor testpmd start. All keys are there, and the exit status tells."""
    r, lines = bench("--only", "lb.fullnat.64B.1Ki", "--cpus", "4000", "--page", "-")
    assert r.returncode == 1
    f = lines["lb.fullnat.64B.1Ki.ns_per_packet"]
    assert f["value"] is None and len(f["reason"]) > 10
    assert f["floor"]["value"] is None and f["peer"]["value"] is None
    given_or_explained(f["floor"])
    given_or_explained(f["peer"])


def test_a_run_by_hand_has_a_limit_and_takes_a_relative_folder(tmp_path):
    cmd = [program("lb_bench"), "new", "--dir", ".", "--limit", "1", "--seconds", "60"]
    start = time.monotonic()
    r = subprocess.run(cmd, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert r.returncode == 1 and "--limit" in r.stderr, r.stderr
    assert time.monotonic() - start < 15
    assert (tmp_path / "syn.pcap").exists()


@pytest.mark.parametrize("bad", [["--flows", "0"], ["--flows", "x"], ["--dir", "/nowhere/at/all"], ["--mode", "tunnel"],
                                 ["--limit", "-1"]])
def test_lb_bench_refuses(tmp_path, bad):
    r = subprocess.run([program("lb_bench"), "table", "--dir", tmp_path, *bad], capture_output=True, text=True, timeout=20,
                       check=False)
    assert r.returncode == 2 and bad[0] in r.stderr


@pytest.mark.parametrize(("free_mb", "small", "no_huge"), [(8192, False, False), (2048, True, False), (64, True, True)])
def test_buffers_fit_the_hugepages_that_are_there(free_mb, small, no_huge):
    m = memory.choose(1 << 20, free_mb)
    assert (m.small, m.no_huge) == (small, no_huge)
    assert ("hugepages are wanted" in m.note) == small


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="STAGES NOT SHOWN: no valgrind")
def test_stages_say_where_instructions_go():
    r = subprocess.run([sys.executable, ROOT / "perf" / "bench.py", "--build", BUILD, "--stages", "--flows", "1024",
                        "--only", "lb.fullnat"],
                       capture_output=True, text=True, timeout=120, check=False)
    assert r.returncode == 0, r.stderr
    part = r.stdout.split("fullnat, 1024 flows, by source file")[1]
    assert 100 < float(re.search(r"^\s*([\d.]+).*  all$", part, re.M).group(1)) < 3000
    assert re.search(r"^\s*[\d.]+.*  dataplane/flow/table.h$", part, re.M)
