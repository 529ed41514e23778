# SPDX-License-Identifier: BSD-3-Clause
"""A figure: its line of JSON, its floor and peer, and the machine it was taken on."""
import json
import os
import platform
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A figure that could not be taken, and why."""


def absent(name, reason):
    """A floor or peer that could not run."""
    return {"name": name, "value": None, "reason": reason}


# No peer can be given the packets of a file in the same run; README.md has what is known of them.
NO_PEER = absent("dpvs.fullnat", "Debian packages neither DPVS nor Katran, and IPVS and nftables of the kernel take "
                 "packets from a device, not from the file that floor and value share")


def spread(values):
    """(largest - smallest) / median."""
    middle = statistics.median(values)
    return round((max(values) - min(values)) / abs(middle), 3) if middle else 0


def middle(name, values, digits=2):
    """A floor or peer out of its runs: numbers, or the reason why there is none."""
    taken = [v for v in values if not isinstance(v, str)]
    if not taken:
        return absent(name, values[-1] if values else "not run")
    return {"name": name, "value": round(statistics.median(taken), digits)}


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def commit():
    r = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty", "--abbrev=12"],
                       capture_output=True, text=True, check=False)
    return r.stdout.strip() or "unknown"


class Sheet:
    """Takes figures down: prints each as it comes, keeps all for the page."""

    def __init__(self, only):
        self.only, self.lines, self.failed = only, [], False
        self.machine, self.commit = machine(), commit()

    def wants(self, *names):
        return any(n.startswith(self.only) or self.only.startswith(n + ".") for n in names)

    def put(self, name, values, unit, floor=None, peer=None, floors=(), digits=2, **more):
        """floors: what the floor was in each of the runs; the ratio is the median of those of the runs."""
        line = {"name": name, "value": None, "unit": unit,
                "floor": floor or absent("none", "the figure itself could not be taken"), "peer": peer or NO_PEER,
                "runs": len(values), "spread": None}
        if values:
            line["value"] = round(statistics.median(values), digits)
            line["spread"] = spread(values)
        else:
            self.failed = True
        pairs = [(v, f) for v, f in zip(values, floors) if not isinstance(f, str) and f]
        if pairs:
            ratios = [v / f for v, f in pairs]
            line["ratio"] = round(statistics.median(ratios), 2)
            line["ratio_spread"] = spread(ratios)
            line["net"] = round(statistics.median(v - f for v, f in pairs), digits)
        line.update(more)
        line.update({"machine": self.machine, "commit": self.commit})
        self.lines.append(line)
        print(json.dumps(line), flush=True)

    def put_absent(self, name, unit, reason, floor=None, peer=None):
        self.put(name, [], unit, floor=floor, peer=peer, reason=reason)
