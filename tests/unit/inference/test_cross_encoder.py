"""The stronger checker: a real cross-encoder, tiny and of random weights."""

import pytest

from agentic_rag.errors import CheckerUnavailable
from agentic_rag.inference.cross_encoder import CrossEncoderChecker

PAIRS = [("Scaling takes 40 minutes.", "Scaling takes 40 minutes."), ("Rest.", "Run.")]


@pytest.fixture
def make_model(tmp_path):
    """Save a cross-encoder whose labels have these names."""

    def make(*labels: str):
        from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "scaling", "takes", "minutes"]
        (tmp_path / "vocab.txt").write_text("\n".join(words))
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={name: at for at, name in enumerate(labels)},
        )
        model = BertForSequenceClassification(config)
        model.classifier.weight.data.zero_()  # the bias alone decides: the first label wins
        model.classifier.bias.data.zero_()
        model.classifier.bias.data[0] = 5.0
        model.save_pretrained(tmp_path)
        BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
        return CrossEncoderChecker(str(tmp_path))

    return make


async def test_what_the_model_finds_entailed_is_carried(make_model):
    checker = make_model("entailment", "contradiction", "neutral")

    assert await checker.carries(PAIRS) == [True, True]


async def test_what_the_model_finds_contradicted_is_not_carried(make_model):
    checker = make_model("contradiction", "entailment", "neutral")

    assert await checker.carries(PAIRS) == [False, False]


async def test_a_model_with_one_score_is_read_by_it(make_model):
    assert await make_model("score").carries(PAIRS) == [True, True]


async def test_a_model_that_knows_no_entailment_can_judge_nothing(make_model):
    with pytest.raises(CheckerUnavailable, match="SUPPORT_MODEL"):
        await make_model("spam", "ham").carries(PAIRS)


async def test_a_model_that_is_not_there_can_judge_nothing(tmp_path):
    with pytest.raises(CheckerUnavailable, match="SUPPORT_MODEL"):
        await CrossEncoderChecker(str(tmp_path / "none")).carries(PAIRS)


async def test_nothing_to_judge_loads_no_model(tmp_path):
    assert await CrossEncoderChecker(str(tmp_path / "none")).carries([]) == []
