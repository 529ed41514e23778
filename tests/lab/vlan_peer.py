# SPDX-License-Identifier: BSD-3-Clause
"""A tagged host for a kernel without 8021q: `vlan_peer.py DEVICE VLAN TAP` makes TAP and carries its frames over
DEVICE with the tag VLAN. Whatever uses TAP is then a client on that VLAN."""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
ETH_P_ALL, TP_STATUS_VLAN_VALID = 3, 0x10


def main(device, vlan, tap):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", "dev", tap, "mtu", "1496", "up"], check=True)
    subprocess.run(["ethtool", "-K", tap, "tx", "off", "tso", "off", "gso", "off", "gro", "off"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.bind((device, ETH_P_ALL))
    # Frames for the TAP's own MAC are for another host in the eyes of DEVICE.
    subprocess.run(["ip", "link", "set", "dev", device, "promisc", "on"], check=True)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([fd, s], [], [])
        if fd in ready:
            frame = os.read(fd, 65536)
            s.send(frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:])
        if s in ready:
            frame, aux, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(32))
            for level, kind, data in aux:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci = struct.unpack_from("=IIIHHH", data)
                    if status & TP_STATUS_VLAN_VALID and tci & 0xFFF == vlan:
                        os.write(fd, frame)


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
