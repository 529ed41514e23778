# SPDX-License-Identifier: BSD-3-Clause
"""The lab's modules (tests/lab) for figures that need namespaces, daemons or the control link."""
import os
import sys

from figure import HERE


def use_lab(build):
    """Must come before anything of the lab is imported: it reads the build directory when it is."""
    os.environ["SLUICE_BUILD"] = os.path.abspath(build)
    path = os.path.join(os.path.dirname(HERE), "tests", "lab")
    if path not in sys.path:
        sys.path.insert(0, path)
