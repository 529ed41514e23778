# SPDX-License-Identifier: BSD-3-Clause
"""The configuration of load/lb_packets.h as records of the control link: what the generator's packets are for."""
import ipaddress

SERVICES, SERVERS, LOCALS = 4, 128, 8
LOCAL, POOL, FIRST_SERVER, FIRST_SERVICE = 10, 11, 1000, 500
OURS, PEER = bytes((2, 0, 0, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 2))
MORE_PER_POOL = 100  # servers of each pool beside the one in use


def nth(first, i):
    return str(ipaddress.ip_address(first) + i)


def server(ctl, i, weight=1):
    """Server i of the pool in use."""
    return ctl.server(FIRST_SERVER + i, POOL, f"s{i}", nth("172.16.0.1", i), 8080, weight)


def records(ctl, port, flows, more_servers=0):
    """All of it; more_servers stand in pools and services of their own. port: the port's record, id 1."""
    out = [ctl.settings(flows, flow_max6=0, syn=600000, established=86400000), port, ctl.prefix(2, 1, "0.0.0.0/0"),
           ctl.local_pool(LOCAL, "local")]
    out += [ctl.local_address(100 + i, LOCAL, nth("198.51.100.1", i)) for i in range(LOCALS)]
    out.append(ctl.pool(POOL, "pool"))
    out += [server(ctl, i) for i in range(SERVERS)]
    out += [ctl.service(FIRST_SERVICE + i, POOL, LOCAL, f"v{i}", nth("192.0.2.1", i)) for i in range(SERVICES)]
    for p in range((more_servers + MORE_PER_POOL - 1) // MORE_PER_POOL):
        pool, count = 1_000_000 + p, min(MORE_PER_POOL, more_servers - p * MORE_PER_POOL)
        out.append(ctl.pool(pool, f"p{p}"))
        out += [ctl.server(10_000_000 + p * MORE_PER_POOL + i, pool, f"s{i}",
                           nth("172.20.0.1", p * MORE_PER_POOL + i), 8080) for i in range(count)]
        out.append(ctl.service(2_000_000 + p, pool, LOCAL, f"w{p}", nth("203.0.113.0", 0), 1000 + p))
    return out
