"""``python -m sw.catalogue``: writes the page that lists the networks of the zoo.

Every figure on it is measured when it is written, on the whole test set of each network's data.
"""

from collections.abc import Sequence
from pathlib import Path

from sw import cli
from sw.cli import UserError, atomic_path, check_output
from sw.data.registry import load_dataset_for
from sw.evaluate import evaluate
from sw.flags import parser
from sw.network import CODINGS, ZOO, find, zoo_names
from sw.selection import Selection

__all__ = ["main", "page", "section"]

_HEAD = """\
# Networks that ship

Written by `python -m sw.catalogue`; a test compares it with the files. Accuracy is strict
(docs/spec.md), on the test images or recordings, which were used for these figures only. Of several
seeds the one that ships did best on held-out training data. A step counts from 1.
"""
_ROW = """
## {name}
{weight_bits:,} 1-bit weights, {steps} steps, rule `{rule}`, {epochs} epochs, seed {seed}, \
trained on {device} with PyTorch {torch}.

| accuracy, strict | lenient | on held-out training data | mean decision step | hidden spikes, \
whole window | to the decision |
|---|---|---|---|---|---|
| {accuracy:.2%} | {lenient_accuracy:.2%} | {held_out} | \
{decision_step_mean:.2f} of {steps} | {hidden_spikes_mean:.1f} | \
{hidden_spikes_before_decision_mean:.1f} |

```
{command}
```
"""
_BISTABLE_ROW = """
## {name}
{weight_bits:,} 1-bit weights, bistable, values of {steps} bits, rule `{rule}`, {epochs} epochs, \
seed {seed}, trained on {device} with PyTorch {torch}.

| accuracy, strict | lenient | on held-out training data | steps to the decision | \
until the class is certain, mean | hidden spikes |
|---|---|---|---|---|---|
| {accuracy:.2%} | {lenient_accuracy:.2%} | {held_out} | {decision_step_mean:g} | \
{certain_step_mean:.2f} | {hidden_spikes_mean:.1f} |

```
{command}
```
"""


def page(data_dir: Path | None = None) -> str:
    """The page as Markdown. Raises as :func:`section` does."""
    return "".join([_HEAD, *(section(name, data_dir) for name in zoo_names())])


def section(name: str, data_dir: Path | None = None) -> str:
    """What the page says of the network ``name``.

    Raises
    ------
    UserError
        Its data set is not available, or its test accuracy is not what its provenance says.
    """
    network = find(name, codings=CODINGS)
    provenance = network.provenance
    figures = evaluate(network, load_dataset_for(network, Selection(data_dir=data_dir)))
    if figures.accuracy != provenance["test_accuracy"]:
        raise UserError(
            f"{name}: test accuracy is {figures.accuracy}, its provenance says "
            f"{provenance['test_accuracy']}; train it again by its command"
        )
    held_out = provenance["validation_accuracy"]
    row = _BISTABLE_ROW if network.coding == "bistable" else _ROW
    return row.format(
        **{**provenance, **provenance["versions"], **figures.to_dict()},
        name=name,
        held_out="none held out" if held_out is None else f"{held_out:.2%}",
        weight_bits=network.weight_bits,
        steps=network.steps,
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = parser("Write the zoo's page, sw/zoo/README.md.", json=False, data=True).parse_args(argv)
    check_output(ZOO / "README.md")
    text = page(args.data_dir)
    with atomic_path(ZOO / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    if not args.quiet:
        print(f"{ZOO / 'README.md'}: {len(zoo_names())} networks")


if __name__ == "__main__":
    cli.run(main)
