"""The baseline: a chat API over documents, written the usual way.

FastAPI, a client of the model made for each request, MiniLM asked for each question, the three
nearest paragraphs in the prompt, and what comes back is passed on unchecked. With `--each-time`
MiniLM is made for each request, too, as many a tutorial has it.
"""

import argparse
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from openai import OpenAI
from sentence_transformers import SentenceTransformer

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.embedding.weights import find_weights
from agentic_rag.settings import get_settings

app = FastAPI()
_TOP = 3


class Library:
    """The clinic's paragraphs and their vectors."""

    def __init__(self, *, each_time: bool) -> None:
        self._each_time = each_time
        files = sorted(SHIPPED_PACK.glob("documents/**/*.md"))
        texts = [file.read_text("utf-8") for file in files]
        self.paragraphs = [p.strip() for text in texts for p in text.split("\n\n") if p.strip()]
        self.model = _embedder()
        self.vectors = self.model.encode(self.paragraphs, normalize_embeddings=True)

    def nearest(self, question: str) -> list[str]:
        """Return the paragraphs nearest to a question."""
        model = _embedder() if self._each_time else self.model
        vector = model.encode([question], normalize_embeddings=True)[0]
        return [self.paragraphs[at] for at in np.argsort(-(self.vectors @ vector))[:_TOP]]


def _embedder() -> SentenceTransformer:
    return SentenceTransformer(find_weights(get_settings().embedding_model))


@app.get("/v2/models/rag-agent/ready")
def ready() -> dict[str, bool]:
    """Tell that it is."""
    return {"ready": True}


@app.post("/v1/models/rag-agent:predict")
def predict(body: dict[str, Any]) -> dict[str, Any]:
    """Answer one question."""
    question = body["instances"][0]
    context = "\n".join(app.state.library.nearest(question))
    settings = get_settings()
    client = OpenAI(base_url=settings.llm_base_url, api_key="EMPTY")
    reply = client.chat.completions.create(
        model=settings.llm_model_name,
        messages=[
            {"role": "system", "content": "Answer the patient from the context."},
            {"role": "user", "content": f"Context:\n{context}\n\nQuestion: {question}"},
        ],
    )
    return {"predictions": [reply.choices[0].message.content]}


def main() -> None:
    """Serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http_port", type=int, required=True)
    parser.add_argument("--grpc_port", type=int)
    parser.add_argument("--each-time", action="store_true", help="make MiniLM for each request")
    asked = parser.parse_args()
    app.state.library = Library(each_time=asked.each_time)
    uvicorn.run(app, port=asked.http_port, log_level="warning")


if __name__ == "__main__":
    main()
