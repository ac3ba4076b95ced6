"""Expected questions: what patients may ask of each section, and what nothing there answers.

A question that is asked is nearer to a question than to a sentence that answers it, so that
documents are found by the questions that they answer (Nogueira and Lin, 2019, docTTTTTquery); and
the questions that look as if a document answered them, and none does, tell what to decline.
"""

from collections.abc import Collection, Sequence

import numpy as np

from agentic_rag.domain import Likeness
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.index import Expected


class ExpectedQuestions:
    """The expected questions of one index version; pure, and quick: one product of matrices."""

    def __init__(self, questions: Sequence[Expected], vectors: Vectors) -> None:
        """Sort them out.

        Args:
            questions: those of one section together.
            vectors: of the questions [questions, dimension].
        """
        is_answered = np.array([each.answered for each in questions], dtype=bool)
        labels = [each.section for each in questions if each.answered]
        before = [None, *labels]
        self._firsts = [at for at, label in enumerate(labels) if label != before[at]]
        self._labels = [labels[at] for at in self._firsts]
        self._answered, self._unanswered = vectors[is_answered], vectors[~is_answered]

    def likeness(self, question: Vectors, labels: Collection[str]) -> Likeness:
        """Say how like a question, a unit vector [dimension], is to what was expected.

        Args:
            question: its vector.
            labels: the sections that are looked at; others may have questions, too.
        """
        nearest = zip(self._labels, self._nearest(question[None]).tolist(), strict=True)
        return Likeness(
            answered={label: cosine for label, cosine in nearest if label in labels},
            unanswered=float((self._unanswered @ question).max(initial=0.0)),
        )

    def sections(self, questions: Vectors, *, at_least: float) -> list[str]:
        """Return the labels of the sections that such questions were expected of, likest first.

        Args:
            questions: unit vectors [any, dimension].
            at_least: the cosine of the nearest two.
        """
        nearest = self._nearest(questions)
        like = int((nearest >= at_least).sum())
        return [self._labels[at] for at in np.argsort(-nearest, kind="stable")[:like].tolist()]

    def _nearest(self, questions: Vectors) -> Vectors:
        """Return the best cosine of each section [sections]."""
        if not self._labels:
            return np.empty(0, dtype=np.float32)
        best: Vectors = (self._answered @ questions.T).max(axis=1)
        return np.maximum.reduceat(best, self._firsts)
