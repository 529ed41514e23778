# SPDX-License-Identifier: BSD-3-Clause
"""What the READMEs tell a reader to type is there."""
import json
import pathlib
import re

import pytest
from border import Border
from lab import ROOT, program, wait_for
from rpc_client import RpcError

PAGES = [ROOT / "README.md", *sorted(p for p in ROOT.glob("*/**/README.md") if "build" not in p.parts[len(ROOT.parts)])]
CODE = re.compile(r"`([^`\n]+)`|^(?:    )(.*)$", re.M)


def make_words(page):
    """Targets of each `make` line in code."""
    for inline, block in CODE.findall(page.read_text()):
        line = (inline or block).split("#")[0].split()
        if line[:1] == ["make"]:
            yield from (w for w in line[1:] if "=" not in w and not w.startswith("-") and w.isalpha())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_make_targets_exist(page):
    known = set(re.findall(r"^([a-z]+)(?=[ a-z]*:(?!=))", (ROOT / "GNUmakefile").read_text(), re.M))
    assert set(make_words(page)) <= known


def test_make_words_are_seen():
    assert {"demo", "test", "unit", "lab"} <= set(make_words(ROOT / "README.md"))


@pytest.fixture(scope="module")
def border():
    """A border node whose interfaces are called as in the samples."""
    with Border(servers=1, capture=False) as lab:
        for i in range(1, 5):
            lab.veth(lab.border, f"eth{i}", lab.switch, f"port{i}")
        for name in ("lb", "lb2"):
            lab.start_lb("--instance", name) if name == "lb" else lab.start_daemon("sluice-lb", "--instance", name)
        wait_for("lb2", lambda: (lab.base / "run" / "lb2.ctl").exists())
        lab.start_sluiced()
        lab.start_checkd()
        yield lab


def sluicectl_lines(page):
    """Each `sluicectl` command of a page, comments cut off, `a && b` as two."""
    for line in re.findall(r"`(sluicectl [^`\n]+)`|^(sluicectl .*)$", page.read_text(), re.M):
        for part in re.sub(r"\s+#.*", "", line[0] or line[1]).split("&&"):
            yield part.strip()


PLACES = {"FILE": "web.pcapng", "config/sample/": f"{ROOT}/config/sample/"}


def typed(lab, line):
    """Run a documented line as it stands, placeholders replaced."""
    for word, place in PLACES.items():
        line = line.replace(word, place)
    bin_dir = program("sluicectl").parent
    return lab.border.run("sh", "-c", f"PATH={bin_dir}:$PATH SLUICE_BASE={lab.base} timeout 20 {line}", check=False)


def test_the_first_configuration_of_the_readme_works_as_typed(border):
    lines = list(sluicectl_lines(ROOT / "README.md"))
    first = lines.index(next(x for x in lines if x.startswith("sluicectl edit")))
    last = max(i for i, x in enumerate(lines) if x.startswith("sluicectl rollback"))
    for line in lines[first:last + 2]:
        r = typed(border, line)
        assert r.returncode == 0, f"{line}\n{r.stdout}"


@pytest.mark.parametrize("line", sorted({x for p in PAGES for x in sluicectl_lines(p)
                                         if re.match(r"sluicectl (show|doctor|capture|trace)", x)}))
def test_a_documented_command_runs(border, line):
    if " trace" in line or " capture" in line:
        line += " --limit 1"
        border.client.start("ping", "ping", "-c", "20", "-i", "0.2", "10.10.0.1")
    r = typed(border, line)
    # doctor: 5 and 6 say what it found; trace and capture wait for packets that may not come
    assert r.returncode in (0, *((5, 6) if "doctor" in line else ()), *((124,) if "--limit" in line else ())), r.stdout


HARDWARE = {"pci.json": r"no PCI device '0000:0[34]:00\.0' on this machine"}  # what a machine without it says


@pytest.mark.parametrize("sample", sorted(HARDWARE))
def test_a_sample_for_hardware_is_refused_with_its_reason(border, sample):
    border.configure({})
    if any(pathlib.Path(f"/sys/bus/pci/devices/0000:0{i}:00.0").exists() for i in (3, 4)):
        pytest.skip("this machine has such a device")
    with pytest.raises(RpcError) as e:
        border.configure(json.loads((ROOT / "config" / "sample" / sample).read_text()))
    assert re.fullmatch(HARDWARE[sample], e.value.message), e.value.message
    assert re.search(r"/sluice-port:port/(pci-address|bond/member)$", e.value.path), e.value.path


@pytest.mark.parametrize("sample", sorted({p.name for p in (ROOT / "config" / "sample").glob("*.json")} - set(HARDWARE)))
def test_a_sample_is_committed_on_the_real_balancer(border, sample):
    border.configure({})  # a port in use does not change its VLANs
    text = (ROOT / "config" / "sample" / sample).read_text().replace("/run/sluice/", f"{border.base}/run/")
    result = border.configure(json.loads(text))  # a warning is an error here
    assert result["version"] > 0
