# SPDX-License-Identifier: BSD-3-Clause
"""make demo: the main job on real traffic, in namespaces of its own, told step by step.

Real HTTP clients (curl, wrk) reach three real nginx through sluice-lb over IPv4 and IPv6. The balancer is
configured over NETCONF by ncclient. A server dies and comes back; then sluice-lb itself is killed.
"""
import argparse
import collections
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIGHTS = (2, 1, 1)
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def say(text):
    print(f"  {text}", flush=True)


def step(text):
    print(f"\n== {text}", flush=True)


def reserve_hugepages(wanted):
    """Returns what to restore, or None."""
    try:
        now = int(HUGE.read_text())
        if now >= wanted:
            return None
        HUGE.write_text(str(wanted))
        return now
    except OSError:
        return None


def xml_config(lab):
    """The configuration that ncclient sends: ports, pools, services."""
    interfaces = "".join(
        f"""<interface><name>{n}</name><type xmlns:sp="urn:sluice:yang:port">sp:af-xdp</type>
        <port xmlns="urn:sluice:yang:port"><owner>lb</owner></port></interface>""" for n in ("up", "down"))
    pools = services = ""
    for fam, vip in ((4, lab.vip4), (6, lab.vip6)):
        servers = "".join(f"""<server><name>{s.name}</name><address>{s.ip4 if fam == 4 else s.ip6}</address>
            <port>80</port><weight>{w}</weight></server>""" for s, w in zip(lab.servers, WEIGHTS))
        pools += f"""<pool><name>web{fam}</name><health-check><type>http</type><interval>1000</interval>
            <timeout>1000</timeout><rise>1</rise><fall>2</fall>
            <http><path>/health</path><body-match>ok</body-match></http></health-check>
            <servers>{servers}</servers></pool>"""
        services += f"""<service><name>web{fam}</name><address>{vip}</address><port>80</port>
            <protocol>tcp</protocol><pool>web{fam}</pool><local-address-pool>snat</local-address-pool></service>"""
    return f"""<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
      <interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">{interfaces}</interfaces>
      <load-balancers xmlns="urn:sluice:yang:lb"><load-balancer><name>lb</name>
        <local-address-pools><local-address-pool><name>snat</name><address>10.20.0.200</address>
          <address>fd20::200</address></local-address-pool></local-address-pools>
        <pools>{pools}</pools><services>{services}</services>
      </load-balancer></load-balancers></config>"""


class Tally:
    """Requests and errors of one demo, who answered, and where the packets went."""

    def __init__(self):
        self.requests = self.errors = 0
        self.by_server = {}  # new connections while all servers were up
        self.packets = collections.Counter()
        self.drops = {}
        self.adds_up = True

    def count_packets(self, counters):
        """Add the counters of one life of sluice-lb."""
        from border import sums_hold

        s = counters["sum"]
        self.adds_up = self.adds_up and sums_hold(s) and s["received"] > 0
        self.packets.update(s)
        for name, n in counters["drop"].items():
            self.drops[name] = self.drops.get(name, 0) + n


def requests(lab, tally, count, what):
    """`count` requests over each family, each on a new connection: who answered. Errors are counted."""
    from clients import shares

    total = collections.Counter()
    for vip in (lab.vip4, lab.vip6):
        try:
            got = shares(lab.client, vip, count)
            total.update(got)
            tally.requests += count
        except OSError as e:
            tally.requests += 1
            tally.errors += 1
            say(f"error while {what}: {e}")
    return total


def failover(lab, tally):
    victim = lab.servers[1]
    step(f"server {victim.name} dies")
    start = time.monotonic()
    victim.stop_http()
    for pool in ("web4", "web6"):
        lab.wait_health(f"{pool}/{victim.name}", "down")
    say(f"its health check marked it down after {time.monotonic() - start:.1f} s")
    errors = tally.errors
    seen = requests(lab, tally, 200, f"{victim.name} is down")[victim.name]
    say(f"400 requests since: {tally.errors - errors} errors, {seen} of them to {victim.name}")
    down_ok = seen == 0 and tally.errors == errors
    step(f"server {victim.name} comes back")
    start = time.monotonic()
    victim.serve_http()
    for pool in ("web4", "web6"):
        lab.wait_health(f"{pool}/{victim.name}", "up")
    say(f"its health check marked it up after {time.monotonic() - start:.1f} s")
    back = requests(lab, tally, 200, f"{victim.name} is back")[victim.name]
    say(f"400 requests since: {back} of them to {victim.name}")
    return down_ok and back > 0


def crash(lab, tally):
    from clients import Crowd, Probe

    step("sluice-lb is killed (SIGKILL) under 200 open connections")
    crowd = Crowd(lab.client, [f"{lab.vip4}:80", f"[{lab.vip6}]:80"], 200, 0.5)
    crowd.wait_all()
    with Probe(lab.client, lab.vip4) as probe:
        time.sleep(0.3)
        tally.count_packets(lab.whole_counters())
        start = time.monotonic()
        lab.kill9("sluice-lb")
        time.sleep(4)
        gap = probe.back_after(start)
    went_on = crowd.went_on(start + 1)
    lost = crowd.lost()
    stats = crowd.stop()
    tally.requests += stats["answers"] + len(probe.attempts)
    tally.errors += sum(lost.values()) + len(probe.errors())
    say(f"serving again after {gap * 1000:.0f} ms; {went_on} of 200 connections went on, {sum(lost.values())} lost")
    return went_on == 200 and gap <= 1.0


def summary(lab, tally, seen_failover, seen_crash):
    from border import SUMS

    tally.count_packets(lab.whole_counters())
    print("\n" + "=" * 72)
    print(f"  requests          {tally.requests}")
    print(f"  errors            {tally.errors}")
    total = sum(tally.by_server.values()) or 1
    for (name, n), weight in zip(sorted(tally.by_server.items()), WEIGHTS):
        print(f"  share of {name}       {100 * n / total:.1f} % of {total} new connections (weight {weight})")
    print(f"  failover          {'seen: no client noticed once the health check had marked it' if seen_failover else 'FAILED'}")
    print(f"  crash             {'seen: every connection went on' if seen_crash else 'FAILED'}")
    print(f"  packets received  {tally.packets['received']}")
    for key in SUMS:
        print(f"    {key:15} {tally.packets[key]}")
    for name, n in sorted(tally.drops.items()):
        if n:
            print(f"      {name:15} {n}")
    print(f"  counters          {'add up' if tally.adds_up else 'DO NOT ADD UP'}")
    print("=" * 72)


def demo():
    from border import Border
    from clients import wrk
    from netconf_user import add_user, connect

    tally = Tally()
    step("three nginx servers, a border node and a client, each in a network namespace")
    with Border(servers=3) as lab:
        lab.serve_http()
        lab.supervise()
        say("sluiced, sluice-lb, sluice-checkd and sluice-netconfd run under runit")
        step("configured over NETCONF by ncclient")
        add_user(lab)
        with connect(lab) as m:
            m.edit_config(target="candidate", config=xml_config(lab))
            m.validate(source="candidate")
            m.commit()
            say(f"session {m.session_id}: edit-config, validate, commit")
        for pool in ("web4", "web6"):
            for s in lab.servers:
                lab.wait_health(f"{pool}/{s.name}", "up")
        print(lab.ctl("show", "services").stdout)
        step("clients, over IPv4 and IPv6")
        for vip, url in ((lab.vip4, f"http://{lab.vip4}/"), (lab.vip6, f"http://[{lab.vip6}]/")):
            say(f"curl {url} -> " + lab.client.out("curl", "-sS", "-g", "--max-time", "5", url).strip())
            r = wrk(lab.client, url, 100, 3)
            tally.requests += r["requests"]
            tally.errors += r["errors"]
            say(f"wrk, 100 connections, 3 s: {r['requests']} requests, {r['errors']} errors")
        lab.wait_all_up()
        tally.by_server = requests(lab, tally, 400, "all servers are up")
        seen_failover = failover(lab, tally)
        seen_crash = crash(lab, tally)
        print(lab.ctl("show", "servers").stdout)
        summary(lab, tally, seen_failover, seen_crash)
    return 0 if tally.errors == 0 and seen_failover and seen_crash and tally.adds_up else 1


def main():
    p = argparse.ArgumentParser(description="the main job on real traffic")
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    os.environ["SLUICE_BUILD"] = str(p.parse_args().build.resolve())
    if os.geteuid() != 0:
        sys.exit("the demo needs root: it makes network namespaces")
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    from lab import sweep

    sweep()
    restore = reserve_hugepages(1024)
    try:
        return demo()
    finally:
        if restore is not None:
            HUGE.write_text(str(restore))


if __name__ == "__main__":
    sys.exit(main())
