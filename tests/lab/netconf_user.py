# SPDX-License-Identifier: BSD-3-Clause
"""A NETCONF user for labs: made over the RPC socket as root, used by ncclient from the client node."""
import crypt
import socket

from border import NETCONF_PORT

USER, PASSWORD = "operator", "lab-only"


def add_user(lab, user=USER, password=PASSWORD):
    """A user with a password who may do everything (ietf-system, RFC 8341 rules)."""
    lab.configure({
        "ietf-system:system": {"authentication": {"user": [
            {"name": user, "password": crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=5000))}]}},
        "ietf-netconf-acm:nacm": {
            "groups": {"group": [{"name": "operators", "user-name": [user]}]},
            "rule-list": [{"name": "operators", "group": ["operators"], "rule": [
                {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}]}]},
    }, operation="merge")


def connect(lab, user=USER, password=PASSWORD, address="10.10.0.1", **kw):
    """An ncclient session from the client node."""
    from ncclient import manager

    sock = lab.client.in_netns(socket.create_connection, (address, NETCONF_PORT), 10)
    return manager.connect(sock_fd=sock.detach(), host=address, username=user, password=password, hostkey_verify=False,
                           look_for_keys=False, allow_agent=False, timeout=30, **kw)
