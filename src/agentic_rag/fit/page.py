"""The page of docs/models.md: what each model takes, and on what it fits. Markdown."""

from collections.abc import Iterable

from agentic_rag.fit.figures import Model, Named, figures
from agentic_rag.fit.memory import MOST_SEQUENCES, Wish, per_token
from agentic_rag.fit.verdict import Verdict, judge, precision, weights_gb


def write_page() -> str:
    """Return the tables."""
    known = [Named(name, model) for name, model in figures().models.items()]
    gpus = sorted(figures().gpus, key=lambda name: figures().gpus[name].memory_mib)
    shapes = ("model", "parameters", "weights", "GB", "published GB", "KV cache a token", "context")
    rooms = ("model", *gpus)
    flags = ("model", "least that serves it", "flags")
    return "\n".join(
        [
            "### What each takes\n",
            *_table(shapes, (_shape(each) for each in known)),
            "\n### How many sequences of 8,192 tokens fit at once\n",
            f"On one GPU, else on as few as it takes (`2x`); at most {MOST_SEQUENCES}.\n",
            *_table(rooms, ((f"`{e.name}`", *(_best(e, gpu) for gpu in gpus)) for e in known)),
            "\n### Flags\n",
            *_table(flags, (_least(each, gpus) for each in known)),
            "",
        ]
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    names = list(head)
    return (f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows))


def _shape(each: Named) -> tuple[str, ...]:
    model: Model = each.model
    published = f"{model.published / 1e9:.2f}" if model.published else ""
    return (
        f"`{each.name}`",
        f"{model.parameters / 1e9:.2f} B",
        precision(model),
        f"{weights_gb(model):.2f}",
        published,
        f"{per_token(model) / 1024:.0f} KiB",
        f"{model.context:,}",
    )


def _ways(each: Named, gpu: str) -> Iterable[tuple[int, Verdict]]:
    probe = judge(each, Wish(gpu=gpu))
    for gpus in probe.split:
        found = judge(each, Wish(gpu=gpu, gpus=gpus))
        if found.fits:
            yield gpus, found


def _best(each: Named, gpu: str) -> str:
    gpus, found = next(iter(_ways(each, gpu)), (0, None))
    if found is None:
        return "no"
    count = min(found.sequences, MOST_SEQUENCES)
    return f"{count}" if gpus == 1 else f"{gpus}x: {count}"


def _least(each: Named, gpus: list[str]) -> tuple[str, ...]:
    found = ((n, gpu, how) for gpu in gpus for n, how in _ways(each, gpu))
    n, gpu, how = min(found, key=lambda way: way[0])
    on = gpu if n == 1 else f"{n} x {gpu}"
    return (f"`{each.name}`", on, " ".join(f"`{flag}`" for flag in how.flags))
