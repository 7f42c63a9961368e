"""Makes ``vowels.npz`` of the JapaneseVowels files inside the wheel of ``aeon`` 1.6.0."""

import argparse
import sys
import zipfile
from pathlib import Path

import numpy as np

FOLDER = "aeon/datasets/data/JapaneseVowels"
LENGTH = 16  # values per channel; an utterance has 7 … 29


def read(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Utterances float32 [N, 12, 16], each stretched linearly to one length, and speakers [N].

    In a line of the ``.ts`` format colons stand between the channels and before the label.
    """
    inputs, labels = [], []
    for line in text.partition("@data\n")[2].splitlines():
        *channels, label = line.split(":")
        values = np.array([channel.split(",") for channel in channels], float)
        places = np.linspace(0, values.shape[1] - 1, LENGTH)
        inputs.append([np.interp(places, np.arange(values.shape[1]), row) for row in values])
        labels.append(int(label))
    return np.array(inputs, np.float32), np.array(labels)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("wheel", type=Path, help="aeon-1.6.0-py3-none-any.whl")
    flags.add_argument("out", type=Path, help="the .npz that is written")
    args = flags.parse_args()
    if not args.wheel.is_file():
        sys.exit(f"{args.wheel}: is not there; get it with pip download aeon==1.6.0 --no-deps")
    arrays = {}
    with zipfile.ZipFile(args.wheel) as wheel:
        for part in ("train", "test"):
            text = wheel.read(f"{FOLDER}/JapaneseVowels_{part.upper()}.ts").decode()
            arrays[f"{part}_inputs"], arrays[f"{part}_labels"] = read(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, **arrays)
    train, test = (len(arrays[f"{part}_labels"]) for part in ("train", "test"))
    print(f"{args.out}: {train} utterances to learn from, {test} for testing, 12 × {LENGTH} values")


if __name__ == "__main__":
    main()
