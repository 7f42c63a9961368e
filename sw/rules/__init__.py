"""Learning rules, one module each, chosen by ``--rule``."""

from sw.rules.bistable import Bistable
from sw.rules.bs4nn import Bs4nn
from sw.rules.bstdg import Bstdg
from sw.rules.rule import Rule
from sw.rules.s4nn import S4nn
from sw.rules.sstdp import Sstdp
from sw.rules.stdg import Stdg
from sw.rules.surrogate import Surrogate

__all__ = ["RULES", "Rule"]

RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (Bstdg, Stdg, Surrogate, Bistable, Bs4nn, S4nn, Sstdp)
}
