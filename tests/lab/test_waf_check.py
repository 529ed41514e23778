# SPDX-License-Identifier: BSD-3-Clause
"""sluice-waf-check and tests/waf_eval.py as an operator runs them, on requests of our own."""
import json
import pathlib
import subprocess

import pytest
from lab import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTACK = b"GET /?id=1'%20union%20select%20password%20from%20users%20where%20'a'='a HTTP/1.1\r\nHost: h\r\n\r\n"
HARMLESS = b"GET /?id=1 HTTP/1.1\r\nHost: h\r\n\r\n"


def check(*args, rc=0):
    p = subprocess.run([str(program("sluice-waf-check")), *map(str, args)], text=True, capture_output=True, timeout=60)
    assert p.returncode == rc, f"rc {p.returncode}, wanted {rc}\n{p.stdout}\n{p.stderr}"
    return p


@pytest.fixture
def requests(tmp_path):
    (tmp_path / "kind" / "sub").mkdir(parents=True)
    for name, raw in {"a.black": ATTACK, "sub/b.white": HARMLESS, "sub/empty.black": b"", "sub/c.white": HARMLESS}.items():
        (tmp_path / "kind" / name).write_bytes(raw)
    return tmp_path


def test_a_file_is_explained(requests):
    text = check(requests / "kind/a.black").stdout
    assert ": block, sql-injection, score " in text and "place     query:id" in text and "evidence" in text
    assert "nothing in it speaks for an attack" in check(requests / "kind/sub/b.white").stdout
    assert "unreadable" in check(requests / "kind/sub/empty.black").stdout


def test_a_folder_gives_lines(requests):
    lines = [json.loads(line) for line in check(requests / "kind").stdout.splitlines()]
    assert [v["name"] for v in lines] == ["a.black", "sub/b.white", "sub/c.white", "sub/empty.black"]
    assert [v["verdict"] for v in lines] == ["block", "pass", "pass", "block"]
    assert set(lines[0]) == {"name", "verdict", "class", "score", "place", "decoded", "fragment", "ns"}
    assert lines[0]["class"] == "sql-injection" and lines[0]["score"] >= 50 and lines[0]["decoded"] == ["percent"]
    assert lines[1]["class"] == "none" and lines[1]["score"] == 0 and lines[1]["ns"] > 0
    lines = [json.loads(line) for line in check("--explain", "--level", "strict", "--no-router", requests).stdout.splitlines()]
    assert lines[0]["name"] == "kind/a.black" and lines[0]["evidence"][0].keys() == {"rule", "points", "why"}
    assert lines[3]["message"] == ["unreadable"]


def test_links_to_files_are_files(requests):
    (requests / "kind/link.black").symlink_to("a.black")
    (requests / "kind/broken").symlink_to("nowhere")
    (requests / "kind/circle").symlink_to("..")
    names = [json.loads(line)["name"] for line in check(requests / "kind").stdout.splitlines()]
    assert names == ["a.black", "link.black", "sub/b.white", "sub/c.white", "sub/empty.black"]


def test_wrong_usage_and_missing_files(requests):
    assert "usage" in check(rc=2).stderr
    assert "no level" in check("--level", "soft", requests, rc=2).stderr
    check("--nothing", rc=2)
    assert "usage" in check("--help").stdout
    assert "No such file" in check(requests / "none", rc=1).stderr
    # The others are judged all the same.
    assert "block" in check(requests / "none", requests / "kind/a.black", rc=1).stdout


def test_the_evaluation_counts(requests):
    build = program("sluice-waf-check").parents[2]
    p = subprocess.run([ROOT / "tests/waf_eval.py", "--build", build, "--missed", "--alarms", requests], text=True,
                       capture_output=True, timeout=60, check=False)
    assert p.returncode == 0, p.stdout + p.stderr
    row = next(line for line in p.stdout.splitlines() if line.startswith("kind"))
    assert row.split() == ["kind", "2/", "2", "100.00%", "0/", "2", "0.00%", "balanced"]
    assert "changed by the router: 0" in p.stdout and "missed" not in p.stdout
    assert subprocess.run([ROOT / "tests/waf_eval.py", "--build", build, requests / "none"], check=False,
                          capture_output=True).returncode == 2
