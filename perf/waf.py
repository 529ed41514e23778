# SPDX-License-Identifier: BSD-3-Clause
"""What inspecting a request costs, on labelled requests that WAF_SET names (README.md).

waf.engine.{benign_mean,benign_p99,attack_mean}.us and waf.engine.large.ns_per_byte: load/waf_bench judges every request of
the folder once a round in a new order, parsing and decoding included, all classes on, balanced level. `benign` are those
up to 8 KB, `large` is what longer ones cost a byte. Floor: the HTTP/1 parser alone. Peer: libmodsecurity with Debian's
rule set (modsecurity-crs, as it is installed) on the same requests in the same run, parsed by the same parser."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from figure import Failed, absent, middle

ROUNDS, PEER_ROUNDS = 7, 1
FIGURES = {  # name: (unit, part, key, divisor)
    "benign_mean": ("us", "benign", "mean_ns", 1000),
    "benign_p99": ("us", "benign", "p99_ns", 1000),
    "attack_mean": ("us", "attack", "mean_ns", 1000),
    "large": ("ns_per_byte", "benign_large", "ns_per_byte", 1),
}
RULES = "/usr/share/modsecurity-crs/rules"
SETUP = "/etc/modsecurity/crs/crs-setup.conf"
# As modsecurity.conf-recommended has it, without audit log and temporary files.
CONF = f"""SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 134217728
SecRequestBodyNoFilesLimit 134217728
SecResponseBodyAccess Off
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
Include {SETUP}
Include {RULES}/*.conf
"""


class Waf:
    def __init__(self, args, sheet):
        self.args, self.sheet = args, sheet
        self.set = os.environ.get("WAF_SET", "")

    def judge(self, who, seed, *more):
        cmd = [str(pathlib.Path(self.args.build) / "perf" / "load" / "waf_bench"), who, "--set", self.set,
               "--seed", str(seed), *more]
        r = subprocess.run(cmd, capture_output=True, text=True, check=False)
        if r.returncode != 0:
            raise Failed(r.stderr.strip() or f"waf_bench ended with {r.returncode}")
        return json.loads(r.stdout)

    def peer(self, seed, conf):
        if not (os.path.exists(SETUP) and os.path.isdir(RULES)):
            return "no rule set: modsecurity-crs is not installed"
        try:
            return self.judge("peer", seed, "--rounds", str(PEER_ROUNDS), "--rules", conf)
        except Failed as e:
            return f"libmodsecurity could not be run: {e}"

    def take(self):
        names = [f"waf.engine.{n}.{unit}" for n, (unit, *_) in FIGURES.items()]
        if not self.sheet.wants(*names):
            return
        if not self.set:
            print("waf.py: SKIPPED: WAF_SET names no set of labelled requests, so nothing is known of the engine's cost",
                  file=sys.stderr)
            if self.sheet.only.startswith("waf"):
                for name, (unit, *_) in zip(names, FIGURES.values()):
                    self.put_absent(name, unit, "skipped: WAF_SET is not set")
            return
        ours, floor, peer = [], [], []
        with tempfile.TemporaryDirectory() as where:
            conf = os.path.join(where, "peer.conf")
            pathlib.Path(conf).write_text(CONF, encoding="ascii")
            try:
                for run in range(self.args.runs):
                    seed = 2 * run + 1
                    ours.append(self.judge("engine", seed, "--rounds", str(ROUNDS)))
                    floor.append(self.judge("parser", seed, "--rounds", str(ROUNDS)))
                    peer.append(self.peer(seed, conf))
            except Failed as e:
                for name, (unit, *_) in zip(names, FIGURES.values()):
                    self.put_absent(name, unit, str(e))
                return
        for name, figure in zip(names, FIGURES.values()):
            self.put(name, figure, ours, floor, peer)

    def put_absent(self, name, unit, reason):
        self.sheet.put_absent(name, unit, reason, peer=absent("libmodsecurity.crs", "not run"))

    def put(self, name, figure, ours, floor, peer):
        unit, part, key, divisor = figure

        def of(run):
            return run if isinstance(run, str) else run[part][key] / divisor

        last = peer[-1] if peer and not isinstance(peer[-1], str) else None
        more = {"requests": ours[-1][part]["requests"], "refused": ours[-1][part]["refused"]}
        if last is not None:
            more["peer_refused"] = last[part]["refused"]
        floors = [of(r) for r in floor]
        self.sheet.put(name, [of(r) for r in ours], unit, floor=middle("http1.parser", floors), floors=floors,
                       peer=middle("libmodsecurity.crs", [of(r) for r in peer]) if peer else
                       absent("libmodsecurity.crs", "not run"), **more)
