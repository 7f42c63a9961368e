"""Writes scikit-learn's breast cancer set as a CSV, and says what two other methods reach on the
examples that ``firstspike`` holds out for testing.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sw.data.partition import by_class
from sw.selection import TEST_FRACTION


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("out", type=Path, help="the CSV that is written")
    args = flags.parse_args()
    data = load_breast_cancer(as_frame=True)
    names = np.array(data.target_names)[data.target]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    data.data.assign(diagnosis=names).to_csv(args.out, index=False)
    print(f"{args.out}: {data.data.shape[0]} rows, {data.data.shape[1]} measurements")

    labels = np.unique(names, return_inverse=True)[1]
    test = by_class(labels, TEST_FRACTION)
    methods = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "random forest": RandomForestClassifier(500, random_state=0),
    }
    for name, method in methods.items():
        method.fit(data.data[~test], labels[~test])
        right = int((method.predict(data.data[test]) == labels[test]).sum())
        print(f"{name}: {right} of {test.sum()} test rows right, {right / test.sum():.2%}")


if __name__ == "__main__":
    main()
