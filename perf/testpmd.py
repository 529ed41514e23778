# SPDX-License-Identifier: BSD-3-Clause
"""The floor: testpmd's 5tswap on the packets of a file, in nanoseconds of its worker's CPU time."""
import os
import re
import select
import subprocess
import time

from figure import Failed

NAME = "testpmd.5tswap"


def cpu_ns(pid, tid):
    """CPU time that a thread has had."""
    with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def worker_thread(pid, names=("lcore-worker-1", "rte-worker-1", "dpdk-worker1")):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
            if f.read().strip() in names:
                return tid
    raise Failed(f"process {pid}: no worker thread")


def _read_until(p, pattern, deadline):
    text, fd = "", p.stdout.fileno()
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        got = os.read(fd, 65536)
        if not got:
            break
        text += got.decode(errors="replace")
        if re.search(pattern, text):
            return text
    raise Failed(f"testpmd: no '{pattern}': {text[-300:]}")


def _measure(p, seconds, warm):
    def say(word):
        p.stdin.write(word + "\n")
        p.stdin.flush()

    _read_until(p, "testpmd>", time.monotonic() + 120)
    tid = worker_thread(p.pid)
    say("start")
    time.sleep(warm)
    say("stop")
    _read_until(p, r"Accumulated[^!]*Done", time.monotonic() + 60)
    before = cpu_ns(p.pid, tid)
    say("start")
    time.sleep(seconds)
    say("stop")
    text = _read_until(p, r"Accumulated[^!]*Done", time.monotonic() + 60)
    after = cpu_ns(p.pid, tid)  # the thread waits again: its time stands still
    say("quit")
    p.wait(timeout=60)
    m = re.search(r"Accumulated forward statistics.*?TX-packets: *(\d+)", text, re.S)
    if not m or int(m.group(1)) == 0:
        raise Failed(f"testpmd: no packets: {text[-300:]}")
    return (after - before) / int(m.group(1))


def floor(pcap, flows, memory, seconds, warm=1.0, cpus=""):
    """ns per packet, receiving and sending on one port; or the reason why there is none, as text."""
    cpus = cpus or ",".join(map(str, sorted(os.sched_getaffinity(0))))
    eal = ["--in-memory", "--single-file-segments"]
    if memory.no_huge:
        eal = ["--no-huge", "--no-shconf", "-m", str(memory.megabytes)]
    cmd = ["stdbuf", "-oL", "dpdk-testpmd", *eal, "--no-pci", "--no-telemetry", "--iova-mode=va",
           "--lcores", f"0@({cpus}),1@{cpus.split(',')[-1]}",
           "--vdev", f"net_pcap0,rx_pcap={pcap},infinite_rx=1", "--",
           f"--total-num-mbufs={8191 + flows}", "--forward-mode=5tswap", "--port-topology=loop",
           "--no-flush-rx", "--rxd=1024", "--txd=1024", "--burst=32", "-i"]
    if memory.small:
        cmd.append("--mbuf-size=256")
    try:
        with subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=dict(os.environ, LC_ALL="C")) as p:
            try:
                return _measure(p, seconds, warm)
            finally:
                if p.poll() is None:
                    p.kill()
    except (Failed, OSError, subprocess.SubprocessError) as e:
        return str(e)
