# SPDX-License-Identifier: BSD-3-Clause
"""Filters over the wire: each kind of RFC 6241 section 6, compared with the expected XML, and XPath."""
import pytest
from lxml import etree
from ncclient.operations import RPCError
from netconf_lab import BASE, IF, LB, SP, NetconfLab, canonical, config, data_of, expected

NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"

S1 = "<server><name>s1</name><address>10.0.0.1</address><port>80</port></server>"
S2 = "<server><name>s2</name><address>fd00::2</address><port>81</port><weight>3</weight></server>"
P1 = f"<pool><name>p1</name><on-server-down>keep</on-server-down><servers>{S1}{S2}</servers></pool>"
P2 = f"<pool><name>p2</name><servers>{S1}</servers></pool>"
LB1 = f"<load-balancer><name>lb</name><flow-table><size>4096</size></flow-table><pools>{P1}{P2}</pools></load-balancer>"
LB2 = "<load-balancer><name>lb2</name><timeouts><udp>5000</udp></timeouts></load-balancer>"
UP = (f'<interface><name>up</name><type xmlns:sp="{SP}">sp:memif</type><port xmlns="{SP}"><owner>lb</owner>'
      "<prefix>10.1.0.0/16</prefix><prefix>fd01::/64</prefix><peer-mac>02:00:00:00:00:02</peer-mac>"
      "<memif><socket>/run/m.sock</socket></memif></port></interface>")
DOWN = (f'<interface><name>down</name><type xmlns:sp="{SP}">sp:tap</type><port xmlns="{SP}"><owner>lb2</owner></port>'
        "</interface>")


def lbs(inner):
    return f'<load-balancers xmlns="{LB}">{inner}</load-balancers>'


def ifs(inner):
    return f'<interfaces xmlns="{IF}">{inner}</interfaces>'


@pytest.fixture(scope="module")
def m():
    with NetconfLab() as lab:
        with lab.connect() as m:
            m.edit_config(target="candidate", config=config(lbs(LB1 + LB2) + ifs(UP + DOWN)))
            m.commit()
            yield m


def same(reply, want):
    """Equal but for the order of siblings, which the models leave to the system."""
    def key(e):
        return (canonical(e)[: 0], e.tag, (e.text or "").strip(), sorted(map(repr, map(key, e))), sorted(e.attrib.items()))
    got = sorted(repr(key(e)) for e in etree.fromstring(reply.xml.encode())[0])
    return got == sorted(repr(key(e)) for e in etree.fromstring(f"<x>{want}</x>".encode()))


CASES = [
    # selection
    ("selection of a container", lbs(""), lbs(LB1 + LB2)),
    ("selection of a leaf in each entry", lbs("<load-balancer><name/></load-balancer>"),
     lbs("<load-balancer><name>lb</name></load-balancer><load-balancer><name>lb2</name></load-balancer>")),
    ("selection of an inner container", lbs("<load-balancer><flow-table/></load-balancer>"),
     lbs("<load-balancer><name>lb</name><flow-table><size>4096</size></flow-table></load-balancer>")),
    ("selection of several siblings", lbs("<load-balancer><flow-table/><timeouts/></load-balancer>"),
     lbs("<load-balancer><name>lb</name><flow-table><size>4096</size></flow-table></load-balancer>" + LB2)),
    # content match
    ("content match alone", lbs("<load-balancer><name>lb2</name></load-balancer>"), lbs(LB2)),
    ("content match with white space", lbs("<load-balancer><name>\n lb2 </name></load-balancer>"), lbs(LB2)),
    ("content match without a hit", lbs("<load-balancer><name>nix</name></load-balancer>"), ""),
    ("content match of no possible value", lbs("<load-balancer><name>a b</name></load-balancer>"), ""),
    ("content match on a leaf that is no key",
     lbs("<load-balancer><pools><pool><on-server-down>keep</on-server-down></pool></pools></load-balancer>"),
     lbs(f"<load-balancer><name>lb</name><pools>{P1}</pools></load-balancer>")),
    ("two content matches, both true",
     lbs("<load-balancer><pools><pool><servers><server><address>fd00:0::2</address><weight>3</weight></server>"
         "</servers></pool></pools></load-balancer>"),
     lbs(f"<load-balancer><name>lb</name><pools><pool><name>p1</name><servers>{S2}</servers></pool></pools>"
         "</load-balancer>")),
    ("two content matches, one false",
     lbs("<load-balancer><pools><pool><servers><server><name>s2</name><weight>4</weight></server></servers></pool>"
         "</pools></load-balancer>"), ""),
    ("content match of a leaf-list", ifs(f'<interface><port xmlns="{SP}"><prefix>10.1.0.0/16</prefix></port></interface>'),
     ifs(UP.replace(f'<type xmlns:sp="{SP}">sp:memif</type>', ""))),
    ("content match of an identity, other prefix",
     ifs(f'<interface><type xmlns:q="{SP}">q:tap</type></interface>'), ifs(DOWN)),
    ("content match of an identity, wrong namespace", ifs(f'<interface><type xmlns:q="{LB}">q:tap</type></interface>'), ""),
    # containment with both
    ("content match and selection",
     lbs("<load-balancer><name>lb</name><pools><pool><name>p1</name><servers><server><name/><port/></server></servers>"
         "</pool></pools></load-balancer>"),
     lbs("<load-balancer><name>lb</name><pools><pool><name>p1</name><servers><server><name>s1</name><port>80</port>"
         "</server><server><name>s2</name><port>81</port></server></servers></pool></pools></load-balancer>")),
    ("content match, and a sibling that does not exist",
     lbs("<load-balancer><name>lb</name><timeouts/></load-balancer>"),
     lbs("<load-balancer><name>lb</name></load-balancer>")),
    ("nothing inside a containment", lbs("<load-balancer><services><service/></services></load-balancer>"), ""),
    # several filters
    ("several entries by key",
     lbs("<load-balancer><name>lb2</name></load-balancer><load-balancer><name>lb</name><flow-table/></load-balancer>"),
     lbs("<load-balancer><name>lb</name><flow-table><size>4096</size></flow-table></load-balancer>" + LB2)),
    ("several trees", lbs("<load-balancer><name>lb2</name></load-balancer>") + ifs("<interface><name>up</name></interface>"),
     lbs(LB2) + ifs(UP)),
    # namespaces
    ("prefixes do not matter", f'<a:load-balancers xmlns:a="{LB}"><a:load-balancer><a:name>lb2</a:name>'
     "</a:load-balancer></a:load-balancers>", lbs(LB2)),
    ("the namespace does", f'<load-balancers xmlns="{IF}"/>', ""),
    ("an unknown namespace selects nothing", '<load-balancers xmlns="urn:nix"/>', ""),
    ("no namespace means any",
     '<load-balancers xmlns=""><load-balancer><name>lb2</name></load-balancer></load-balancers>', lbs(LB2)),
    ("the base namespace is not any", f'<load-balancers xmlns="{BASE}"/>', ""),
    ("an augmented node has its own", ifs('<interface><name>up</name><port/></interface>'),
     ifs("<interface><name>up</name></interface>")),
    # attributes
    ("an attribute that no data has", lbs('<load-balancer x="y"><name>lb2</name></load-balancer>'), ""),
    # names that the schema does not have
    ("an unknown element selects nothing", lbs("<nix/>"), ""),
    ("and does not spoil the rest", lbs("<nix/><load-balancer><name>lb2</name></load-balancer>"), lbs(LB2)),
]


@pytest.mark.parametrize("name, flt, want", CASES, ids=[c[0] for c in CASES])
@pytest.mark.parametrize("operation", ["get-config", "get"])
def test_subtree(m, operation, name, flt, want):
    if operation == "get" and "selection of a container" in name:
        pytest.skip("there is state beside it")
    spec = [etree.tostring(e).decode() for e in etree.fromstring(f"<x>{flt}</x>".encode())]
    reply = m.get_config("running", filter=spec) if operation == "get-config" else m.get(filter=spec)
    if operation == "get":
        drop_state(reply)
    assert same(reply, want), reply.xml


def drop_state(reply):
    """What the daemon adds of its own to `get` inside selected nodes."""
    tree = etree.fromstring(reply.xml.encode())
    for e in list(tree.iter()):
        if isinstance(e.tag, str) and e.tag.split("}")[1] in ("state", "statistics", "port-state", "oper-status",
                                                              "admin-status", "last-change", "phys-address", "if-index",
                                                              "speed", "higher-layer-if", "lower-layer-if"):
            e.getparent().remove(e)
    reply._raw = etree.tostring(tree).decode()


def test_no_filter_and_empty_filter(m):
    assert f'xmlns="{NACM}"' in m.get_config("running").xml
    empty = etree.fromstring(f'<filter xmlns="{BASE}" type="subtree"/>')
    assert data_of(m.get_config("running", filter=empty)) == ""
    assert data_of(m.get(filter=empty)) == ""


def xpath(m, select, **ns):
    return m.get_config("running", filter=("xpath", (ns, select)))


def test_xpath(m):
    assert same(xpath(m, "/a:load-balancers/a:load-balancer[a:name='lb2']", a=LB), lbs(LB2))
    assert same(xpath(m, "/a:load-balancers/a:load-balancer/a:pools/a:pool/a:servers/a:server[a:port > 80]/a:weight", a=LB),
                lbs("<load-balancer><name>lb</name><pools><pool><name>p1</name><servers><server><name>s2</name>"
                    "<weight>3</weight></server></servers></pool></pools></load-balancer>"))
    assert same(xpath(m, "/i:interfaces/i:interface[i:name='up'] | /l:load-balancers/l:load-balancer[l:name='lb2']", i=IF,
                      l=LB), ifs(UP) + lbs(LB2))
    assert same(xpath(m, "//p:owner[.='lb']", p=SP),
                ifs(f'<interface><name>up</name><port xmlns="{SP}"><owner>lb</owner></port></interface>'))
    assert same(xpath(m, "/a:load-balancers/a:load-balancer[a:name='nix']", a=LB), "")
    # A prefix inside quotes is text.
    assert same(xpath(m, "/a:load-balancers/a:load-balancer[a:name='a:lb2']", a=LB), "")


@pytest.mark.parametrize("select", ["/a:load-balancers[", "///", "", "a:b c", "/a:nix:b", "string(1)", "//*[//*[//*[//*]]]"])
def test_what_is_no_xpath_is_refused(m, select):
    with pytest.raises(RPCError) as e:
        xpath(m, select, a=LB)
    assert e.value.tag in ("invalid-value", "bad-element", "missing-attribute", "operation-failed",
                           "unknown-namespace"), e.value.xml
    assert e.value.message
    assert same(xpath(m, "/a:load-balancers/a:load-balancer[a:name='lb2']", a=LB), lbs(LB2))


def test_xpath_reaches_our_own_state(m):
    mon = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
    reply = m.get(filter=("xpath", ({"n": mon}, f"/n:netconf-state/n:sessions/n:session[n:session-id='{m.session_id}']"
                                                "/n:username")))
    assert data_of(reply) == expected(f'<netconf-state xmlns="{mon}"><sessions><session><session-id>{m.session_id}'
                                      "</session-id><username>alice</username></session></sessions></netconf-state>")
