"""Makes ``mitbih_beats.npz`` of the MIT-BIH Arrhythmia Database as PhysioNet has it.

Needs wfdb (``pip install wfdb``), which reads the records of a folder, or downloads them into it:
https://physionet.org/content/mitdb/1.0.0/. Licence: ODC-By 1.0. To be cited: G. B. Moody and
R. G. Mark, "The impact of the MIT-BIH Arrhythmia Database", IEEE Engineering in Medicine and
Biology 20(3), 2001; A. L. Goldberger et al., "PhysioBank, PhysioToolkit, and PhysioNet",
Circulation 101(23), 2000.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# P. de Chazal, M. O'Dwyer and R. B. Reilly, "Automatic classification of heartbeats using ECG
# morphology and heartbeat interval features", IEEE Transactions on Biomedical Engineering 51(7),
# 2004: what is learnt, and what is for testing; the four records with paced beats are left out
LEARNT = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
TESTED = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234"

# AAMI EC57's classes; the fifth, Q, is left out: paced, fused with paced, unclear
CLASSES = dict.fromkeys("NLRej", "N") | dict.fromkeys("AaJS", "S") | dict.fromkeys("VE", "V")
CLASSES |= {"F": "F"}
UNCLEAR = set("/fQ")
RATE = 360
BEFORE, AFTER = 100, 156  # samples around R; averaged in pairs they give 128


def beats_of(
    signal: np.ndarray, samples: Sequence[int], symbols: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Beats of one record that have a class, a beat on either side, and a whole window.

    Parameters
    ----------
    signal : float [L], mV at 360 Hz
    samples, symbols
        Annotations in time order: sample of R, and kind.

    Returns
    -------
    inputs uint8 [N, 1, 128], labels [N], and rr uint16 [N, 2]: samples to the beat before and after
    """
    kinds = CLASSES.keys() | UNCLEAR
    beats = [(r, kind) for r, kind in zip(samples, symbols, strict=True) if kind in kinds]
    inputs, labels, intervals = [], [], []
    for (last, _), (r, kind), (following, _) in zip(beats, beats[1:], beats[2:], strict=False):
        if kind in UNCLEAR or r < BEFORE or r + AFTER > len(signal):
            continue
        base_line = np.median(signal[max(r - RATE, 0) : r + RATE])
        wave = (signal[r - BEFORE : r + AFTER] - base_line).reshape(-1, 2).mean(axis=1)
        inputs.append(np.rint(128 + 50 * wave).clip(0, 255).astype(np.uint8)[None])
        labels.append(CLASSES[kind])
        intervals.append((r - last, following - r))
    return np.array(inputs), np.array(labels), np.array(intervals).clip(0, 65_535).astype(np.uint16)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("records", type=Path, help="folder with mitdb's records, or for them")
    flags.add_argument("out", type=Path, help="the .npz that is written")
    flags.add_argument("--download", action="store_true", help="download the records first")
    flags.add_argument("--only", nargs="+", metavar="RECORD", help="these records only")
    args = flags.parse_args()
    try:
        import wfdb
    except ModuleNotFoundError:
        sys.exit("wfdb is not installed; install it with pip install wfdb")
    names = args.only or sorted((LEARNT + " " + TESTED).split())
    if args.download:
        wfdb.dl_database("mitdb", str(args.records), records=names, annotators=["atr"])
    parts = []
    for name in names:
        path = args.records / name
        if not path.with_suffix(".hea").is_file():
            sys.exit(f"{path}.hea: is not there; name mitdb's folder, or add --download")
        record = wfdb.rdrecord(str(path))
        lead = record.sig_name.index("MLII") if "MLII" in record.sig_name else 0
        notes = wfdb.rdann(str(path), "atr")
        inputs, labels, rr = beats_of(record.p_signal[:, lead], notes.sample, notes.symbol)
        groups = np.full(len(labels), int(name), np.int16)
        test = np.full(len(labels), name in TESTED.split())
        parts.append({"inputs": inputs, "labels": labels, "groups": groups, "test": test, "rr": rr})
    arrays = {each: np.concatenate([part[each] for part in parts]) for each in parts[0]}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, **arrays)
    print(f"{args.out}: {len(arrays['labels']):,} beats of {len(names)} records")


if __name__ == "__main__":
    main()
