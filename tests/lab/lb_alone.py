# SPDX-License-Identifier: BSD-3-Clause
"""sluice-lb in the usual topology without sluiced: configured over its control link, counters read from it."""
import time

import ctl_link as ctl
from border import Border, VIP4, VIP6
from lab import wait_for

UP_PORT, DOWN_PORT, LOCAL, POOL4, POOL6 = 1, 2, 10, 20, 21


class LbAlone(Border):
    """Border with sluice-lb alone; .link is the control link."""

    def __init__(self, servers=2, queues=1, workers=None, records=(), no_default=False, port_number=80):
        super().__init__(servers=servers, queues=queues, capture=False)
        self.port_number = port_number  # of the servers; 0: the one that the client asked for
        try:
            self.serve_http()
            self.start_lb(*(["--workers", str(workers)] if workers else []))
            self.link = ctl.CtlLink(self.base / "run" / "lb.ctl", timeout=30)
            self.link.hello()
            base = [] if no_default else self.records()
            self.link.transaction(0, 1, [*base, *records])
        except BaseException:
            self.keep("lb-alone-start")
            self.close()
            raise

    def records(self):
        out = [ctl.settings(), ctl.port(UP_PORT, "up"), ctl.port(DOWN_PORT, "down"), ctl.local_pool(LOCAL, "snat"),
               ctl.local_address(11, LOCAL, "10.20.0.200"), ctl.local_address(12, LOCAL, "fd20::200"),
               ctl.pool(POOL4, "web4"), ctl.pool(POOL6, "web6"),
               ctl.service(30, POOL4, LOCAL, "web4", VIP4), ctl.service(31, POOL6, LOCAL, "web6", VIP6)]
        for i, s in enumerate(self.servers):
            out += [ctl.server(40 + i, POOL4, s.name, s.ip4, self.port_number),
                    ctl.server(60 + i, POOL6, s.name, s.ip6, self.port_number)]
        return out

    def counters(self):
        return self.link.query("counters")

    def settled(self, timeout=10):
        """Counters once nothing moves any more."""
        last = [None]

        def same():
            now = self.counters()
            key = (now["sum"], [p["rx-depth"] for p in now["port"]])
            if key == last[0] and now["sum"]["held"] == 0:
                return now
            last[0] = key
            return None

        time.sleep(0.1)
        return wait_for("counters at rest", same, timeout, step=0.25)
