# SPDX-License-Identifier: BSD-3-Clause
"""What the READMEs tell a reader to type is there."""
import re

import pytest
from lab import ROOT

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
