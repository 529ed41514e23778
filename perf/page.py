# SPDX-License-Identifier: BSD-3-Clause
"""The page: one HTML file with its drawings inline, which needs nothing but a browser."""
import html
import math
import re

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 860, 420, 60, 50, 20, 20
COLOURS = {"fullnat": "#1f5fa8", "nat": "#2a8a4a", "floor": "#777", "dpvs": "#b5541c", "katran": "#8a3f8f"}
# As issue 4 gives them: taken on such a machine, not in this run.
DPVS = ((1 << 10, 133), (1 << 14, 520))
KATRAN = (1 << 20, 102, 241)
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20}

STYLE = """body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:900px;margin:2em auto;padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse;width:100%;font-size:.87em}
td,th{text-align:right;padding:.2em .5em;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}
.none{color:#a33}.note{color:#555;font-size:.87em}svg text{font:12px system-ui,sans-serif;fill:#333}
.legend{list-style:none;padding:0;font-size:.87em}.legend span{display:inline-block;width:16px;height:4px;margin:0 8px 4px 60px}
.grid{stroke:#e4e4e4}.axis{stroke:#555}"""


def flows_of(name):
    m = re.fullmatch(r"lb\.(fullnat|nat)\.64B\.(\d+)(Ki|Mi)\.ns_per_packet", name)
    return (m.group(1), int(m.group(2)) * UNITS[m.group(3)]) if m else None


def short(n):
    return f"{n >> 20}Mi" if n >= 1 << 20 else f"{n >> 10}Ki"


def number(v):
    if v is None:
        return "-"
    return f"{v:,.0f}" if abs(v) >= 1000 else f"{v:g}"


class Chart:
    """Logarithmic on both axes: flows 1 Ki to 4 Mi, ns per packet."""

    def __init__(self, low, high):
        self.low, self.high, self.parts = math.log2(low), math.log2(high), []

    def x(self, flows):
        return LEFT + (math.log2(flows) - 10) / 12 * (WIDTH - LEFT - RIGHT)

    def y(self, ns):
        return HEIGHT - BOTTOM - (math.log2(ns) - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)

    def text(self, x, y, text, anchor="middle", colour=None):
        fill = f' style="fill:{colour}"' if colour else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{html.escape(text)}</text>')

    def rule(self, x1, y1, x2, y2, kind="grid"):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def axes(self):
        for e in range(10, 23, 2):
            self.rule(self.x(1 << e), TOP, self.x(1 << e), HEIGHT - BOTTOM)
            self.text(self.x(1 << e), HEIGHT - BOTTOM + 18, short(1 << e))
        for ns in (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000):
            if self.low <= math.log2(ns) <= self.high:
                self.rule(LEFT, self.y(ns), WIDTH - RIGHT, self.y(ns))
                self.text(LEFT - 6, self.y(ns) + 4, str(ns), "end")
        self.rule(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis")
        self.rule(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis")
        self.text((LEFT + WIDTH) / 2, HEIGHT - 10, "established flows")
        self.text(LEFT, TOP - 6, "ns per packet", "start")

    def line(self, points, colour, dash="", hollow=False):
        points = sorted(points)
        path = " ".join(f"{self.x(f):.1f},{self.y(v):.1f}" for f, v in points)
        self.parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" points="{path}"/>')
        for f, v in points:
            fill = "#fff" if hollow else colour
            self.parts.append(f'<circle cx="{self.x(f):.1f}" cy="{self.y(v):.1f}" r="4" fill="{fill}" stroke="{colour}">'
                              f'<title>{short(f)} flows: {v:g} ns</title></circle>')

    def bar(self, flows, low, high, colour):
        self.parts.append(f'<line x1="{self.x(flows):.1f}" x2="{self.x(flows):.1f}" y1="{self.y(low):.1f}" '
                          f'y2="{self.y(high):.1f}" stroke="{colour}" stroke-width="5" opacity=".7"/>')

    def svg(self):
        return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="cost per packet against number of flows">'
                + "".join(self.parts) + "</svg>")


def curve(sheet):
    """Points by series: {name: [(flows, ns)]}."""
    series = {"fullnat": [], "nat": [], "floor": [], "own floor": []}
    for f in sheet.lines:
        at = flows_of(f["name"])
        if at is None or f["value"] is None:
            continue
        series[at[0]].append((at[1], f["value"]))
        if f["floor"]["value"]:
            kind = "floor" if f["floor"]["name"].startswith("testpmd") else "own floor"
            if at[1] not in [p[0] for p in series[kind]]:
                series[kind].append((at[1], f["floor"]["value"]))
    return series


def cost_chart(sheet):
    series = curve(sheet)
    if not series["fullnat"] and not series["nat"]:
        return ""
    lowest = min(v for points in series.values() for _, v in points)
    highest = max(v for points in series.values() for _, v in points)
    c = Chart(min(10, lowest * 0.9), max(700, highest * 1.1))
    c.axes()
    for name, dash in (("fullnat", ""), ("nat", "")):
        c.line(series[name], COLOURS[name], dash)
    c.line(series["floor"], COLOURS["floor"])
    c.line(series["own floor"], COLOURS["floor"], hollow=True)
    c.line(DPVS, COLOURS["dpvs"], "5 4", hollow=True)
    c.bar(*KATRAN, COLOURS["katran"])
    c.text(c.x(DPVS[1][0]) + 8, c.y(DPVS[1][1]) + 4, "DPVS (quoted)", "start", COLOURS["dpvs"])
    c.text(c.x(KATRAN[0]) + 8, c.y(KATRAN[2]) + 4, "Katran (quoted)", "start", COLOURS["katran"])
    legend = [("fullnat", "sluice-lb, FULLNAT"), ("nat", "sluice-lb, NAT"),
              ("floor", "floor in the same run: testpmd 5tswap (4Mi: the same loop, swapping)"),
              ("dpvs", "DPVS FULLNAT: quoted, not measured in this run"),
              ("katran", "Katran, net: quoted, not measured in this run")]
    keys = "".join(f'<li><span style="background:{COLOURS[key]}"></span>{html.escape(text)}</li>' for key, text in legend)
    return ("<h2>Cost against number of flows</h2>" + c.svg() + f'<ul class="legend">{keys}</ul>' +
            '<p class="note">64-byte packets, one worker, CPU time of the worker; both axes logarithmic. Half of the packets are '
            "replies, in shuffled order, 128 servers; one pass compared byte by byte. Peers are the figures that issue 4 gives: "
            "DPVS FULLNAT 133 ns at 1Ki and about 520 at 16Ki flows, Katran 102 to 241 ns net, both measured earlier on such a "
            "machine, not in this run.</p>")


def bars(sheet, kind, title, unit):
    """The end-to-end figures of one kind."""
    rows = [(f["name"].split(".")[2], f) for f in sheet.lines if re.fullmatch(rf"lb\.veth\.\w+\.{kind}", f["name"])]
    rows = [(n, f) for n, f in rows if f["value"] is not None]
    if not rows:
        return ""
    most, parts = max(f["value"] for _, f in rows), []
    for i, (n, f) in enumerate(rows):
        y, colour = 8 + 26 * i, COLOURS["fullnat" if n.startswith("sluice") else "floor"]
        width = max(1, f["value"] / most * 520)
        parts.append(f'<text x="120" y="{y + 13}" text-anchor="end">{html.escape(n)}</text>'
                     f'<rect x="128" y="{y}" width="{width:.0f}" height="18" fill="{colour}" opacity=".8"/>'
                     f'<text x="{134 + width:.0f}" y="{y + 13}">{number(f["value"])} {unit}</text>')
    return (f"<h3>{html.escape(title)}</h3>"
            f'<svg viewBox="0 0 860 {16 + 26 * len(rows)}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>')


def wire(sheet):
    drawn = (bars(sheet, "requests_per_second", "Requests on lasting connections", "1/s") +
             bars(sheet, "connections_per_second", "A new connection for each request", "1/s") +
             bars(sheet, "p99_us", "99th percentile of a request's time (less is better)", "us"))
    if not drawn:
        return ""
    return ("<h2>End to end over veth</h2>" + drawn +
            '<p class="note">wrk with 64 connections, nginx on two servers (direct: one, nobody balances), offloads off for all. '
            "All share this machine's CPUs with clients and servers.</p>")


def side(s):
    if s["value"] is None:
        return f'<span class="none" title="{html.escape(s["reason"])}">{html.escape(s["name"])}: -</span>'
    return f'{html.escape(s["name"])}: {number(s["value"])}'


def row(f):
    value = number(f["value"])
    if f["value"] is None:
        value = f'<span class="none">not taken: {html.escape(f.get("reason", ""))}</span>'
    return (f"<tr><td>{html.escape(f['name'])}</td><td>{value}</td><td>{html.escape(f['unit'])}</td>"
            f"<td>{number(f['spread'])}</td><td>{f['runs']}</td><td>{number(f.get('ratio'))}</td>"
            f"<td>{side(f['floor'])}</td><td>{side(f['peer'])}</td></tr>")


def page(sheet):
    rows = "".join(row(f) for f in sheet.lines)
    return ("<!doctype html><html lang=en><meta charset=utf-8><title>Sluice: figures</title>"
            f"<style>{STYLE}</style><h1>Sluice: figures</h1>"
            f'<p class="note">{html.escape(sheet.machine)}; commit {html.escape(sheet.commit)}. How they are taken: perf/README.md.</p>'
            f"{cost_chart(sheet)}{wire(sheet)}<h2>All figures</h2>"
            "<table><tr><th>name<th>value<th>unit<th>spread<th>runs<th>ratio<th>floor<th>peer</tr>"
            f"{rows}</table></html>\n")


def write_page(path, sheet):
    with open(path, "w", encoding="utf-8") as f:
        f.write(page(sheet))
