# SPDX-License-Identifier: BSD-3-Clause
"""Every configuration of config/sample is committed by a real daemon and arrives at the apps it names."""
import json

import pytest
from border import Border
from fake_app import SERVICE, FakeApp
from lab import ROOT

SAMPLES = sorted((ROOT / "config" / "sample").glob("*.json"))


def ordered(tree):
    """Our lists are ordered by the system: their order says nothing."""
    if isinstance(tree, dict):
        return {k: ordered(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return sorted((ordered(v) for v in tree), key=json.dumps)
    return tree


@pytest.fixture(scope="module")
def lab():
    with Border(servers=0, capture=False) as lab:
        lab.start_sluiced()
        lab.apps = {n: FakeApp(str(lab.base / "run"), n).start() for n in ("lb", "lb2")}
        yield lab
        for app in lab.apps.values():
            app.stop()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_sample(lab, path):
    config = json.loads(path.read_text())
    with lab.rpc() as c:
        c.call("edit-config", config=config, **{"default-operation": "replace"})
        result = c.call("commit", comment=path.stem)
        running = c.call("get-config", source="running")["config"]
    named = {i["name"]: i for i in config["sluice-lb:load-balancers"]["load-balancer"]}
    for name, inst in named.items():
        app = lab.apps[name]
        app.wait(lambda a=app: a.applied == result["version"])
        assert app.names(SERVICE) == sorted(s["name"] for s in inst["services"]["service"])
    assert ordered(running) == ordered(config)


def test_there_are_samples():
    assert len(SAMPLES) >= 7
