"""Trains the hunch of triage on the project's set, and writes it as plain data.

    python benchmarks/train_triage.py path/to/triage.jsonl

The threshold lies where messages that a fold was not trained on raise hardly a false alarm.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from agentic_rag.safety.hunch import WEIGHTS, letter_runs
from agentic_rag.safety.spelling import read_words

FALSE_ALARMS = {"crisis": 0.004, "emergency": 0.012}
STRENGTH = 0.5
SMALL = 0.015


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("suite", type=Path)
    lines = arguments.parse_args().suite.read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    features = [runs_of(case["text"]) for case in cases]
    expected = np.array([case["expected"] for case in cases])
    table = {
        "crisis": train(features, expected == "crisis", FALSE_ALARMS["crisis"]),
        "emergency": train(features, expected != "none", FALSE_ALARMS["emergency"]),
    }
    WEIGHTS.write_text(json.dumps(table, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


def runs_of(text: str) -> Counter[str]:
    words = [word.text for word in read_words(text)]
    counted: Counter[str] = Counter(run for word in words for run in letter_runs(word))
    return Counter({run: n / max(1, len(words)) ** 0.5 for run, n in counted.items()})


def train(features: list[Counter[str]], wanted: np.ndarray, share: float) -> dict[str, object]:
    scores = np.zeros(len(wanted))
    folds = StratifiedKFold(8, shuffle=True, random_state=0)
    for seen, unseen in folds.split(features, wanted):
        model, words = fit([features[at] for at in seen], wanted[seen])
        scores[unseen] = model.decision_function(
            narrow(words.transform([features[a] for a in unseen]))
        )
    threshold = float(np.quantile(scores[~wanted], 1 - share))
    found = (scores[wanted] > threshold).mean()
    print(f"threshold {threshold:.2f}: alone finds {found:.2f} of what it was not trained on")
    model, words = fit(features, wanted)
    weights = dict(zip(words.feature_names_, model.coef_[0].round(3).tolist(), strict=True))
    kept = {run: weight for run, weight in weights.items() if abs(weight) > SMALL}
    return {"bias": float(model.intercept_[0]), "threshold": threshold, "weights": kept}


def fit(features, wanted):  # noqa: ANN001, ANN201  # scikit-learn ships no types
    words = DictVectorizer()
    matrix = narrow(words.fit_transform(features))
    model = LogisticRegression(
        C=STRENGTH, max_iter=500, class_weight="balanced", solver="liblinear"
    )
    return model.fit(matrix, wanted), words


def narrow(matrix):  # noqa: ANN001, ANN201  # scikit-learn ships no types
    """Liblinear takes indices of 32 bits only."""
    matrix.indices, matrix.indptr = matrix.indices.astype("int32"), matrix.indptr.astype("int32")
    return matrix


if __name__ == "__main__":
    main()
