"""Learning rules, one module each, chosen by ``--rule``."""

from sw.rules.bstdg import Bstdg
from sw.rules.rule import Rule

__all__ = ["RULES", "Rule"]

RULES: dict[str, type[Rule]] = {rule.name: rule for rule in (Bstdg,)}
