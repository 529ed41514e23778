# SPDX-License-Identifier: BSD-3-Clause
"""How packet buffers are to be had: net_pcap holds a file that it repeats in buffers, one a packet."""
import dataclasses

PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
BUFFER, SMALL = 2368, 448  # bytes of one in a pool, as a NIC has it and with --small-buffers
OTHERS = 8192 + 512        # buffers beside those of the file
EXTRA_MB = 96              # what the EAL takes for itself


@dataclasses.dataclass(frozen=True)
class Memory:
    small: bool
    no_huge: bool
    megabytes: int
    note: str = ""

    def options(self):
        """For lb_bench."""
        o = ["--small-buffers"] if self.small else []
        return o + (["--no-huge", "--memory", str(self.megabytes)] if self.no_huge else [])


def megabytes(packets, buffer):
    return (packets + OTHERS) * buffer * 11 // 10 // (1 << 20) + EXTRA_MB


def free_megabytes(path=PAGES):
    try:
        with open(path, encoding="ascii") as f:
            return 2 * int(f.read())
    except (OSError, ValueError):
        return 0


def choose(packets, free_mb=None):
    """The best that the free hugepages allow, the same for value and floor; what is missing is said in `note`."""
    free_mb = free_megabytes() if free_mb is None else free_mb
    whole, small = megabytes(packets, BUFFER), megabytes(packets, SMALL)
    want = f"{whole // 2} free 2 MB hugepages are wanted, {free_mb // 2} are there"
    if free_mb >= whole:
        return Memory(False, False, whole)
    if free_mb >= small:
        return Memory(True, False, small, f"buffers of 256 bytes: {want}")
    return Memory(True, True, small, f"buffers of 256 bytes in pages of 4 KiB: {want}")
