"""The import rules of pyproject.toml name every module that they are about."""

import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}


def modules(package):
    """Names of the modules and packages that lie directly in ``package``."""
    folder = ROOT / package
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_hw_is_kept_from_all_of_sw_that_lies_above_the_network():
    layers = CONTRACTS["sw"]["layers"]
    (network,) = (index for index, layer in enumerate(layers) if "network" in layer.split(" | "))
    above = set(" | ".join(layers[:network]).split(" | "))
    above.remove("early")  # is of the contract: the golden model decides by it
    named = {name.removeprefix("sw.") for name in CONTRACTS["contract"]["forbidden_modules"]}
    assert named >= above


@pytest.mark.smoke
@pytest.mark.parametrize("package", ["hw", "sim", "sw"])
def test_layers_leave_nothing_out(package):
    (container,) = CONTRACTS[package]["containers"]
    assert container == package
    assert CONTRACTS[package]["exhaustive"]
    named = " | ".join(CONTRACTS[package]["layers"]).split(" | ")
    assert sorted(named) == sorted(modules(package))
