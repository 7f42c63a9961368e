"""Measurements of each heartbeat, as a microcontroller could take them, for ``--dataset``.

From beats (``mitbih_beats.npz``, which ``make_beats.py`` makes of PhysioNet's records) come two
files: ``patients.npz``, split by patient as de Chazal has it, with 17 measurements of each beat
that are relative to what is usual for the patient; and ``random.npz``, all beats shuffled, with the
waveform besides, since there the patients of both parts are the same. ``--fold K`` writes
``fold.npz`` too: the patients of the first part alone, a fifth of them for testing; with these the
settings were chosen.

What is usual for a patient is a template: the median of the first 16 beats, moved by a 16th of its
difference, at most 1 mV, towards each further beat that did not come early. All of it is sums,
comparisons and shifts over 128 samples, and a few divisions per beat.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

RATE = 360  # intervals are counted in samples of that rate, per second
MILLIVOLT = 50.0  # units of the waveform
WARM_UP = 16  # beats that a patient's template and mean interval start from
SHARE = 1 / 16  # of a new beat in them
EARLY = 0.85  # an interval that is shorter than this share of the mean one
QRS = slice(38, 66)  # samples of the main deflection; R is sample 50
STEEP = 0.1  # share of the steepest slope that counts as steep
FOLDS = 5
RANDOM_TEST = 0.2


def template_of(beats: np.ndarray, early: np.ndarray) -> np.ndarray:
    """The template before each beat, float [N, 128], of one patient's ``beats``, in time order."""
    templates = np.empty_like(beats)
    template = np.median(beats[:WARM_UP], axis=0)
    for index, beat in enumerate(beats):
        templates[index] = template
        if not early[index]:
            template = template + SHARE * np.clip(beat - template, -MILLIVOLT, MILLIVOLT)
    return templates


def mean_interval(before: np.ndarray) -> np.ndarray:
    """The running mean before each beat of one patient's intervals ``before``, seconds."""
    means = np.empty_like(before)
    mean = np.median(before[:WARM_UP])
    for index, interval in enumerate(before):
        means[index] = mean
        mean += SHARE * (interval - mean)
    return means


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row; 1 where they have one shape."""
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1) + 1)


def means(waves: np.ndarray) -> np.ndarray:
    """21 means of each waveform: of 4 samples in the main deflection, of 8 elsewhere."""
    edges = [0, 8, 16, 24, *range(32, 72, 4), *range(72, 128, 8)]
    sums = np.add.reduceat(waves, edges, axis=1)
    return sums / np.diff([*edges, 128])


def measure(waves: np.ndarray, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """17 relative measurements, and 42 of the waveform, of one patient's beats in time order.

    Parameters
    ----------
    waves : float [N, 128], 50 per mV, 0 is the base line
    intervals : float [N, 2], seconds to the beat before and after
    """
    before, after = intervals.T
    usual = mean_interval(before)
    template = template_of(waves, before <= EARLY * usual)
    size = np.ptp(template, axis=1) + MILLIVOLT / 5  # the fifth keeps small ones from exploding
    differs = np.abs(waves - template)
    slope, usual_slope = (np.abs(np.diff(each, axis=1)) for each in (waves, template))
    steep, usual_steep = (
        (each > STEEP * each.max(axis=1, keepdims=True)).sum(axis=1)
        for each in (slope, usual_slope)
    )
    relative = (
        before / usual,
        after / usual,
        before / after,
        usual,
        before / np.append(before[:1], before[:-1]),
        differs.mean(axis=1) / size,
        differs[:, QRS].mean(axis=1) / size,
        np.ptp(waves, axis=1) / size,
        slope.sum(axis=1) / usual_slope.sum(axis=1),
        slope.max(axis=1) / usual_slope.max(axis=1),
        correlation(waves, template),
        correlation(waves[:, QRS], template[:, QRS]),
        steep,
        steep / np.maximum(usual_steep, 1),
        np.abs(waves).mean(axis=1) / np.abs(template).mean(axis=1),
        waves.max(axis=1) / size,
        waves.min(axis=1) / size,
    )
    shape = means(waves), means(waves - template) / size[:, None]
    return np.stack(relative, axis=1), np.concatenate(shape, axis=1)


def fold_of(groups: np.ndarray, ventricular: np.ndarray) -> np.ndarray:
    """A fold 0 … 4 for each beat, whole patients in each; those with many beats of class V first,
    forth and back over the folds.
    """
    names = np.unique(groups)
    order = sorted(names, key=lambda name: -ventricular[groups == name].sum())
    turn = [*range(FOLDS), *reversed(range(FOLDS))]
    fold = {name: turn[place % len(turn)] for place, name in enumerate(order)}
    return np.array([fold[name] for name in groups])


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("beats", type=Path, help="mitbih_beats.npz")
    flags.add_argument("out", type=Path, help="folder for patients.npz and random.npz")
    flags.add_argument("--fold", type=int, choices=range(FOLDS), help="write fold.npz too")
    args = flags.parse_args()
    if not args.beats.is_file():
        sys.exit(f"{args.beats}: is not there; make it with make_beats.py")
    with np.load(args.beats) as file:
        inputs, labels, groups, test, intervals = (
            file[name] for name in ("inputs", "labels", "groups", "test", "rr")
        )
    waves = inputs[:, 0].astype(np.float64) - 128
    seconds = np.clip(intervals / RATE, 0.2, 2.5)
    relative, shape = np.empty((len(labels), 17)), np.empty((len(labels), 42))
    for group in np.unique(groups):
        rows = groups == group
        relative[rows], shape[rows] = measure(waves[rows], seconds[rows])
    relative, shape = relative.astype(np.float32), shape.astype(np.float32)
    args.out.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    chosen = generator.random(len(labels)) < RANDOM_TEST
    both = np.concatenate([relative, shape], axis=1)
    for name, part, values in (("patients", test, relative), ("random", chosen, both)):
        # shuffled, so that the first few beats for testing, of which energy is counted, are of all
        order = np.concatenate([np.flatnonzero(~part), generator.permutation(np.flatnonzero(part))])
        rows = {"inputs": values, "labels": labels, "test": part}
        if name == "patients":
            rows["groups"] = groups
        np.savez(args.out / f"{name}.npz", **{key: value[order] for key, value in rows.items()})
    if args.fold is not None:
        folds = fold_of(groups[~test], labels[~test] == "V")
        np.savez(
            args.out / "fold.npz",
            inputs=relative[~test],
            labels=labels[~test],
            groups=groups[~test],
            test=folds == args.fold,
        )
    print(f"{args.out}: {len(labels):,} beats of {len(np.unique(groups))} patients")


if __name__ == "__main__":
    main()
