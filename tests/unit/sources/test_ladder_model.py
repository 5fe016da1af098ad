"""The model of a ladder, with its gradients by hand, beside that of transformers and autograd."""

import json

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from infogeo.sources import ladder_model, products
from infogeo.sources.ladder_model import Shape

SHAPES = [Shape(16, 1, 50, 12, 16), Shape(32, 3, 300, 10, 8), Shape(64, 2, 120, 5, 32)]
INIT_STD = 0.1


def of_transformers(shape):
    """The model as transformers builds it, with its own settings and random weights everywhere."""
    config = GPTNeoXConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        num_attention_heads=shape.width // shape.head_width,
        intermediate_size=4 * shape.width,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        initializer_range=INIT_STD,
        bos_token_id=0,
        eos_token_id=0,
        architectures=["GPTNeoXForCausalLM"],
        dtype="float32",
    )
    model = GPTNeoXForCausalLM(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0.0, 0.3, generator=generator)
    return model


def with_weights_of(model, shape):
    """Our weights with the values of a model, room for gradients, and tables."""
    flat = torch.cat([value.detach().flatten() for value in model.parameters()])
    weights = ladder_model.Weights(shape, flat)
    gradients = ladder_model.Weights(shape, torch.full_like(flat, torch.nan))
    return weights, gradients, ladder_model.tables(shape.context, shape.head_width, flat)


def tokens(shape, sequences=3):
    ids = torch.randint(
        shape.vocabulary,
        (sequences * shape.context + 1,),
        generator=torch.Generator().manual_seed(1),
    )
    return ids[:-1].view(sequences, shape.context), ids[1:]


@pytest.mark.parametrize("shape", SHAPES)
def test_names_shapes_and_order_are_those_of_transformers(shape):
    expected = {name: value.shape for name, value in of_transformers(shape).named_parameters()}
    assert list(ladder_model.shapes(shape).items()) == list(expected.items())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_configuration_is_the_whole_one_of_transformers(shape):
    expected = json.loads(of_transformers(shape).config.to_json_string(use_diff=False))
    expected.pop("_name_or_path")
    expected["dtype"] = "float32"  # that of the checked model is double
    assert ladder_model.configuration(shape, INIT_STD) == expected


@pytest.mark.parametrize("rows", [7, 1000])  # the last block is shorter; one block
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_autograd_in_float64(shape, rows, monkeypatch):
    model = of_transformers(shape)
    inputs, targets = tokens(shape)
    expected = cross_entropy(model(input_ids=inputs).logits.flatten(0, 1), targets)
    expected.backward()
    weights, gradients, tables = with_weights_of(model, shape)
    blocks = [slice(start, start + rows) for start in range(0, len(targets), rows)]
    monkeypatch.setattr(ladder_model, "_row_blocks", lambda *_: blocks)
    loss = ladder_model.loss_and_gradients(weights, gradients, tables, inputs, targets)
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-10)
    for name, value in model.named_parameters():
        torch.testing.assert_close(
            gradients.named[name], value.grad, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: n + m
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_in_float32_are_those_of_float64_but_for_rounding(shape, monkeypatch):
    monkeypatch.setattr(products, "LEAST", 0)
    inputs, targets = tokens(shape)
    exact, gradients, tables = with_weights_of(of_transformers(shape), shape)
    loss = ladder_model.loss_and_gradients(exact, gradients, tables, inputs, targets)
    weights = ladder_model.Weights(shape, exact.flat.float())
    rounded = ladder_model.Weights(shape, torch.empty_like(weights.flat))
    tables = ladder_model.tables(shape.context, shape.head_width, weights.flat)
    found = ladder_model.loss_and_gradients(weights, rounded, tables, inputs, targets)
    assert found.item() == pytest.approx(loss.item(), rel=1e-5)
    for name, value in gradients.named.items():
        off = (rounded.named[name].double() - value).norm() / value.norm()
        assert off < 1e-4, name


def test_the_loss_alone_is_the_same():
    shape = SHAPES[1]
    weights, gradients, tables = with_weights_of(of_transformers(shape), shape)
    inputs, targets = tokens(shape)
    expected = ladder_model.loss_and_gradients(weights, gradients, tables, inputs, targets)
    assert ladder_model.mean_loss(weights, tables, inputs, targets) == expected


def test_large_logits_overflow_nothing():
    shape = SHAPES[0]
    weights = ladder_model.initial(shape, 0, INIT_STD)
    weights.scale.fill_(1e4)
    gradients = ladder_model.Weights(shape, torch.empty_like(weights.flat))
    tables = ladder_model.tables(shape.context, shape.head_width, weights.flat)
    inputs, targets = tokens(shape)
    loss = ladder_model.loss_and_gradients(weights, gradients, tables, inputs, targets)
    assert loss > 100
    assert gradients.flat.isfinite().all()


def test_row_blocks_cover_every_row_once():
    blocks = ladder_model._row_blocks(torch.zeros(4, 1000), torch.zeros(2048, 4))
    assert len(blocks) > 1
    assert [i for block in blocks for i in range(1000)[block]] == list(range(1000))


def test_initial_weights_follow_the_recipe_and_the_seed():
    shape = Shape(64, 4, 500, 8, 32)
    weights, same, other = (ladder_model.initial(shape, seed, 0.1).named for seed in (0, 0, 1))
    for name, value in weights.items():
        if value.ndim == 1:
            one = "norm" in name and name.endswith("weight")
            assert (value == (1.0 if one else 0.0)).all(), name
        else:
            assert value.std().item() == pytest.approx(0.1, rel=0.05)
            assert (value == same[name]).all()
            assert (value != other[name]).any()


def test_gradients_and_weights_are_views_of_one_array():
    shape = SHAPES[1]
    weights = ladder_model.initial(shape, 0, INIT_STD)
    weights.blocks[2].up[1, 2] = 7.0
    assert weights.named["gpt_neox.layers.2.mlp.dense_h_to_4h.weight"][1, 2] == 7.0
    assert (weights.flat == 7.0).sum() == 1
    assert sum(value.numel() for value in weights.named.values()) == len(weights.flat)
