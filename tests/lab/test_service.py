# SPDX-License-Identifier: BSD-3-Clause
"""The service definitions of config/service start what `meson install` installs, with options it takes."""
import os
import re
import shlex
import shutil
import subprocess

import pytest
from lab import BUILD, ROOT

GENERATE = ROOT / "config" / "service" / "generate.sh"
NAMES = {"sluiced", "sluice-lb", "sluice-checkd", "sluice-netconfd"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The tree of `meson install`."""
    dest = tmp_path_factory.mktemp("dest")
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet"], check=True, capture_output=True,
                   env=dict(os.environ, DESTDIR=str(dest)))
    return dest


@pytest.fixture(scope="module")
def units(installed):
    """Command of each installed unit, by name."""
    found = {u.stem: u.read_text() for u in installed.rglob("systemd/system/*.service")}
    return {name: shlex.split(re.search(r"^ExecStart=(.*)$", text, re.M)[1]) for name, text in found.items()}


def check_command(installed, command):
    """The program is installed there, and knows every option it is given."""
    program = installed / command[0].lstrip("/")
    assert os.access(program, os.X_OK), f"{command[0]} is not installed"
    # --help ends the program after the options before it were taken
    p = subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True, timeout=20)
    assert p.returncode == 0, p.stderr
    bad = subprocess.run([program, "--no-such-option", "--help"], capture_output=True, text=True, timeout=20)
    assert bad.returncode != 0, "unknown options pass: this test sees nothing"


def test_a_unit_for_each_daemon(units):
    assert set(units) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_units_start_what_is_installed(installed, units, name):
    check_command(installed, units[name])


def test_units_are_those_of_generate_sh(units, tmp_path):
    bindir = os.path.dirname(units["sluiced"][0])
    subprocess.run([GENERATE, "systemd", tmp_path, bindir], check=True)
    made = {u.stem: shlex.split(re.search(r"^ExecStart=(.*)$", u.read_text(), re.M)[1])
            for u in tmp_path.glob("*.service")}
    assert made == units


@pytest.mark.parametrize("name", sorted(NAMES))
def test_runit_scripts_start_what_is_installed(installed, units, tmp_path, name):
    bindir = os.path.dirname(units["sluiced"][0])
    subprocess.run([GENERATE, "runit", tmp_path / "sv", bindir, tmp_path / "base"], check=True)
    run = tmp_path / "sv" / name / "run"
    assert os.access(run, os.X_OK) and os.access(tmp_path / "sv" / name / "log" / "run", os.X_OK)
    check_command(installed, shlex.split(re.search(r"^exec (/.*)$", run.read_text(), re.M)[1]))


def test_systemd_finds_no_fault(installed, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    for unit in installed.rglob("systemd/system/*.service"):
        # the programs are not at their place on this machine: name them where they are
        text = unit.read_text().replace("ExecStart=/", f"ExecStart={installed}/")
        (tmp_path / unit.name).write_text(text)
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True,
                           text=True)
        said = [line for line in (p.stdout + p.stderr).splitlines() if "sluice" in line]
        assert not said and "Failed" not in p.stderr, p.stderr


def test_every_user_of_the_list_is_made(installed):
    users = set(re.findall(r"^u (\S+)", next(installed.rglob("sysusers.d/sluice.conf")).read_text(), re.M))
    lines = (ROOT / "config" / "service" / "services").read_text().splitlines()
    named = {line.split()[1] for line in lines if line and not line.startswith("#")}
    for line in lines:
        if line and not line.startswith("#"):
            named.update(re.findall(r"-user (\S+)", line))
    assert named <= users
    readme = (ROOT / "config" / "service" / "README.md").read_text()
    assert named == set(re.findall(r"^ +useradd --system .* (\S+)$", readme, re.M))


def test_sysusers_makes_them(installed, tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("no systemd-sysusers")
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", next(installed.rglob("sysusers.d/sluice.conf"))],
                   check=True, capture_output=True)
    made = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    assert {u[0] for u in made} >= {"sluice", "sluice-netconfd"}
    assert all(int(u[2]) < 1000 for u in made if u[0].startswith("sluice"))
