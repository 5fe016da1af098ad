"""GPT-NeoX as a ladder trains it: its loss, and its gradients by hand, in plain PyTorch.

A batch is a matrix (features, n), a column a token: a layer is one product, weights @ tokens.
Autograd and transformers are not needed.

Shapes: b sequences of T tokens, n = b · T, width d, h heads of width w = d / h, vocabulary V.
"""

import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

import torch
from torch.nn.functional import embedding, gelu

from infogeo.sources.products import product

NORM_EPSILON = 1e-5
ROTARY_SHARE = 0.25  # of a head's coordinates
ROTARY_BASE = 10_000.0


@dataclass(frozen=True)
class Shape:
    """Sizes of a member: width d, blocks, vocabulary V, tokens of a sequence T, width of heads."""

    width: int
    depth: int
    vocabulary: int
    context: int
    head_width: int


class Block(NamedTuple):
    """Weights of a block, or their gradients, in the order of transformers."""

    attention_scale: torch.Tensor  # (d,), of the norm before attention
    attention_shift: torch.Tensor  # (d,)
    mlp_scale: torch.Tensor  # (d,), of the norm before the MLP
    mlp_shift: torch.Tensor  # (d,)
    qkv: torch.Tensor  # (3d, d), of each head its w queries, w keys, w values
    qkv_bias: torch.Tensor  # (3d,)
    dense: torch.Tensor  # (d, d)
    dense_bias: torch.Tensor  # (d,)
    up: torch.Tensor  # (4d, d)
    up_bias: torch.Tensor  # (4d,)
    down: torch.Tensor  # (d, 4d)
    down_bias: torch.Tensor  # (d,)


def shapes(shape: Shape) -> dict[str, tuple]:
    """The shape of each weight by its name in transformers, in the order of named_parameters()."""
    d = shape.width
    of_block = {
        "input_layernorm.weight": (d,),
        "input_layernorm.bias": (d,),
        "post_attention_layernorm.weight": (d,),
        "post_attention_layernorm.bias": (d,),
        "attention.query_key_value.weight": (3 * d, d),
        "attention.query_key_value.bias": (3 * d,),
        "attention.dense.weight": (d, d),
        "attention.dense.bias": (d,),
        "mlp.dense_h_to_4h.weight": (4 * d, d),
        "mlp.dense_h_to_4h.bias": (4 * d,),
        "mlp.dense_4h_to_h.weight": (d, 4 * d),
        "mlp.dense_4h_to_h.bias": (d,),
    }
    return {
        "gpt_neox.embed_in.weight": (shape.vocabulary, d),
        **{
            f"gpt_neox.layers.{layer}.{name}": size
            for layer in range(shape.depth)
            for name, size in of_block.items()
        },
        "gpt_neox.final_layer_norm.weight": (d,),
        "gpt_neox.final_layer_norm.bias": (d,),
    }


class Weights:
    """The weights of a member in one array, or their gradients.

    Attributes
    ----------
    flat : torch.Tensor (parameters,)
    named : dict
        Views of it, under the names of transformers.
    embeddings : (V, d), input and output
    blocks : list of Block
    scale, shift : (d,), of the last norm
    """

    def __init__(self, shape: Shape, flat: torch.Tensor):
        sizes = shapes(shape)
        parts = flat.split([math.prod(size) for size in sizes.values()])
        self.flat = flat
        self.named = {
            name: part.view(size) for part, (name, size) in zip(parts, sizes.items(), strict=True)
        }
        self.embeddings, *inner, self.scale, self.shift = self.named.values()
        per_block = len(Block._fields)
        self.blocks = [Block(*inner[i : i + per_block]) for i in range(0, len(inner), per_block)]


def initial(shape: Shape, seed: int, init_std: float) -> Weights:
    """Seeded weights: matrices normal with `init_std`, scales of norms 1, all else 0."""
    weights = Weights(shape, torch.zeros(sum(map(math.prod, shapes(shape).values()))))
    generator = torch.Generator().manual_seed(seed)
    for name, value in weights.named.items():
        if value.ndim == 2:
            value.normal_(0.0, init_std, generator=generator)
        elif name.endswith("norm.weight"):
            value.fill_(1.0)
    return weights


class Tables(NamedTuple):
    """What the heads of all blocks share: their width w, and what depends on positions alone."""

    head_width: int
    mask: torch.Tensor  # (T queries, T keys): 0, and −∞ where the key is later
    cos: torch.Tensor  # (pairs, T)
    sin: torch.Tensor  # (pairs, T)


def tables(length: int, head_width: int, like: torch.Tensor) -> Tables:
    """The tables of sequences of so many tokens, with the dtype and on the device of a tensor."""
    rotated = int(ROTARY_SHARE * head_width)
    frequency = 1.0 / ROTARY_BASE ** (torch.arange(0, rotated, 2).float() / rotated)
    angle = torch.outer(frequency, torch.arange(length).float())
    mask = torch.full((length, length), -torch.inf).triu(1)
    return Tables(head_width, *(part.to(like) for part in (mask, angle.cos(), angle.sin())))


def loss_and_gradients(weights: Weights, gradients: Weights, at: Tables, inputs, targets):
    """Overwrite the gradients with those of the mean cross-entropy, and return it.

    Parameters
    ----------
    weights, gradients : Weights
    at : Tables
    inputs : (b, T) int64
    targets : (b · T) int64
        The token that follows each.

    Returns
    -------
    torch.Tensor ()
        Nats per token.

    Notes
    -----
    Verified against autograd on transformers' GPTNeoXForCausalLM in float64, to 1e-10.
    """
    x, traces = _states(weights, at, inputs)
    z, factor = _normalised(x)
    last = torch.addcmul(_column(weights.shift), z, _column(weights.scale))
    d_last = torch.empty_like(last)  # (d, n)
    loss = _head(weights, last, targets, d_last, gradients.embeddings)

    _norm_gradients(d_last, z, gradients.scale, gradients.shift)
    dx = _through_norm(d_last.mul_(_column(weights.scale)), z, factor)
    for block, gradient, trace in zip(
        reversed(weights.blocks), reversed(gradients.blocks), reversed(traces), strict=True
    ):
        dx = _block_gradients(block, gradient, at, trace, dx)
    gradients.embeddings.index_add_(0, inputs.flatten(), dx.T.contiguous())
    return loss


def mean_loss(weights: Weights, at: Tables, inputs, targets) -> torch.Tensor:
    """The mean cross-entropy alone; parameters as of `loss_and_gradients`."""
    x, _ = _states(weights, at, inputs)
    z, _ = _normalised(x)
    last = torch.addcmul(_column(weights.shift), z, _column(weights.scale))
    return _head(weights, last, targets)


def _states(weights: Weights, at: Tables, inputs):
    """The states after the last block, (d, n), and what each block keeps for its gradients."""
    x = embedding(inputs.flatten(), weights.embeddings).T.contiguous()
    traces = []
    for block in weights.blocks:
        x, trace = _block(block, at, x)
        traces.append(trace)
    return x, traces


class Trace(NamedTuple):
    """What the forward pass of a block leaves for its gradients."""

    z: torch.Tensor  # (d, n), its input with mean 0 and variance 1
    factor: torch.Tensor  # (1, n), by which the deviations from the mean were multiplied
    before_attention: torch.Tensor  # (d, n)
    qkv: torch.Tensor  # (b · h, 3, w, T), queries and keys rotated
    shares: torch.Tensor  # (b · h, T queries, T keys), of attention
    mixed: torch.Tensor  # (b · h, w, T), values by attention
    before_mlp: torch.Tensor  # (d, n)
    up: torch.Tensor  # (4d, n)
    active: torch.Tensor  # (4d, n)


def _block(block: Block, at: Tables, x):
    """x + attention(norm(x)) + MLP(other norm(x)), (d, n), and what the gradients need."""
    z, factor = _normalised(x)
    before_attention = torch.addcmul(
        _column(block.attention_shift), z, _column(block.attention_scale)
    )
    qkv = product(block.qkv, before_attention).add_(_column(block.qkv_bias))
    qkv = _by_heads(qkv, 3, at)
    _rotate(qkv, at, at.sin)
    queries, keys, values = qkv.unbind(1)  # (b · h, w, T) each
    scores = torch.baddbmm(at.mask, queries.transpose(1, 2), keys, alpha=at.head_width**-0.5)
    shares = torch.softmax(scores, 2, out=scores)
    mixed = torch.bmm(values, shares.transpose(1, 2))

    before_mlp = torch.addcmul(_column(block.mlp_shift), z, _column(block.mlp_scale))
    up = product(block.up, before_mlp).add_(_column(block.up_bias))
    active = gelu(up)

    out = product(block.dense, _by_tokens(mixed, 1, x)).add_(x)
    out.add_(product(block.down, active)).add_(_column(block.dense_bias + block.down_bias))
    return out, Trace(z, factor, before_attention, qkv, shares, mixed, before_mlp, up, active)


def _block_gradients(block: Block, gradient: Block, at: Tables, trace: Trace, d_out):
    """Write the gradients of a block; return that of its input, (d, n)."""
    torch.sum(d_out, 1, out=gradient.down_bias)
    gradient.dense_bias.copy_(gradient.down_bias)

    gradient.down.copy_(product(d_out, trace.active.T))
    d_up = torch.ops.aten.gelu_backward(product(block.down.T, d_out), trace.up)
    _weight_gradients(gradient.up, gradient.up_bias, d_up, trace.before_mlp)
    d_mlp = product(block.up.T, d_up)
    _norm_gradients(d_mlp, trace.z, gradient.mlp_scale, gradient.mlp_shift)

    gradient.dense.copy_(product(d_out, _by_tokens(trace.mixed, 1, d_out).T))
    d_mixed = _by_heads(product(block.dense.T, d_out), 1, at)[:, 0]
    d_qkv = _by_tokens(_attention_gradients(d_mixed, at, trace), 3, d_out)
    _weight_gradients(gradient.qkv, gradient.qkv_bias, d_qkv, trace.before_attention)
    d_attention = product(block.qkv.T, d_qkv)
    _norm_gradients(d_attention, trace.z, gradient.attention_scale, gradient.attention_shift)

    d_z = d_mlp.mul_(_column(block.mlp_scale))
    d_z.addcmul_(d_attention, _column(block.attention_scale))
    return _through_norm(d_z, trace.z, trace.factor).add_(d_out)


def _attention_gradients(d_mixed, at: Tables, trace: Trace):
    """Those of queries, keys and values before their rotation, (b · h, 3, w, T)."""
    queries, keys, values = trace.qkv.unbind(1)
    d_qkv = torch.empty_like(trace.qkv)
    d_queries, d_keys, d_values = d_qkv.unbind(1)
    scale = at.head_width**-0.5
    d_values.copy_(torch.bmm(d_mixed, trace.shares))
    d_scores = torch.bmm(d_mixed.transpose(1, 2), values)  # (b · h, T queries, T keys), of shares
    d_scores.sub_((d_mixed * trace.mixed).sum(1)[:, :, None]).mul_(trace.shares)
    d_queries.copy_(torch.bmm(keys, d_scores.transpose(1, 2)).mul_(scale))
    d_keys.copy_(torch.bmm(queries, d_scores).mul_(scale))
    _rotate(d_qkv, at, -at.sin)
    return d_qkv


def _rotate(qkv, at: Tables, sin) -> None:
    """Turn the first coordinates of queries and keys by their positions, in place."""
    pairs = len(at.cos)
    one, other = qkv[:, :2, : 2 * pairs].split(pairs, 2)  # (b · h, 2, pairs, T) each
    turned = one * sin
    one.mul_(at.cos).addcmul_(other, sin, value=-1)
    other.mul_(at.cos).add_(turned)


def _by_heads(x, parts: int, at: Tables):
    """Rows of heads (h · parts · w, n) as matrices (b · h, parts, w, T)."""
    length = len(at.mask)
    x = x.view(-1, parts * at.head_width, x.shape[1] // length, length).permute(2, 0, 1, 3)
    return x.reshape(-1, parts, at.head_width, length)


def _by_tokens(x, parts: int, like):
    """The way back from `_by_heads`: (parts · d, n), of `like` (d, n)."""
    d, n = like.shape
    length = x.shape[-1]
    return x.view(n // length, parts * d, length).transpose(0, 1).reshape(parts * d, n)


def _normalised(x):
    """x (d, n) with mean 0 and variance 1 over d, and the factor (1, n) that makes it so."""
    z = x - x.mean(0, keepdim=True)
    factor = z.square().mean(0, keepdim=True).add_(NORM_EPSILON).rsqrt_()
    return z.mul_(factor), factor


def _through_norm(d_z, z, factor):
    """The gradient of x from that of z, both (d, n); d_z is overwritten."""
    slope = (d_z * z).mean(0, keepdim=True)
    return d_z.sub_(d_z.mean(0, keepdim=True)).addcmul_(z, slope, value=-1).mul_(factor)


def _norm_gradients(d, z, d_scale, d_shift) -> None:
    """Write the gradients of a norm's scale and shift, from that of its output, (d, n)."""
    torch.sum(d * z, 1, out=d_scale)
    torch.sum(d, 1, out=d_shift)


def _weight_gradients(gradient, of_bias, d_out, x) -> None:
    """Write those of weights (o, i) and of their bias, from d_out (o, n) and x (i, n)."""
    gradient.copy_(product(d_out, x.T))
    torch.sum(d_out, 1, out=of_bias)


def _column(vector):
    """(d,) as (d, 1), for all tokens alike."""
    return vector[:, None]


def _head(weights: Weights, last, targets, d_last=None, d_embeddings=None):
    """The mean cross-entropy; write its gradients by states and output embeddings.

    last (d, n). The logits are made, used and dropped some rows at a time, while they are in the
    processor's cache.
    """
    matrix = weights.embeddings
    own = embedding(targets, matrix).T  # (d, n)
    loss = -(last * own).sum()
    for rows in _row_blocks(last, matrix):
        x = last[:, rows]
        logits = product(x.T, matrix.T)  # (rows, V)
        top = logits.amax(1)
        p = torch.softmax(logits, 1, out=logits)
        loss += (top - p.amax(1).log()).sum()  # ln Σ exp is the top logit less ln of its share
        if d_last is not None:
            d_last[:, rows] = product(p, matrix).T
            if rows.start == 0:
                d_embeddings.zero_()
            d_embeddings.add_(product(p.T, x.T))
    n = last.shape[1]
    if d_last is not None:
        d_embeddings.index_add_(0, targets, last.T.contiguous(), alpha=-1).div_(n)
        d_last.sub_(own).div_(n)
    return loss.div_(n)


def _row_blocks(last, embeddings):
    """Slices of tokens whose logits fit a CPU's third-level cache, or keep a GPU busy."""
    elements = 2**26 if last.is_cuda else 2**20
    rows = max(1, elements // len(embeddings))
    return [slice(start, start + rows) for start in range(0, last.shape[1], rows)]


def configuration(shape: Shape, init_std: float) -> dict:
    """config.json of a member: every setting of transformers' GPTNeoXConfig."""
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "chunk_size_feed_forward": 0,
        "classifier_dropout": 0.1,
        "dtype": "float32",
        "eos_token_id": 0,
        "hidden_act": "gelu",
        "hidden_dropout": 0.0,
        "hidden_size": shape.width,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
        "initializer_range": init_std,
        "intermediate_size": 4 * shape.width,
        "is_decoder": False,
        "is_encoder_decoder": False,
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
        "layer_norm_eps": NORM_EPSILON,
        "max_position_embeddings": shape.context,
        "model_type": "gpt_neox",
        "num_attention_heads": shape.width // shape.head_width,
        "num_hidden_layers": shape.depth,
        "output_attentions": False,
        "output_hidden_states": False,
        "pad_token_id": None,
        "problem_type": None,
        "return_dict": True,
        "rope_parameters": {
            "partial_rotary_factor": ROTARY_SHARE,
            "rope_theta": ROTARY_BASE,
            "rope_type": "default",
        },
        "tie_word_embeddings": True,
        "transformers_version": version("transformers"),
        "use_cache": True,
        "use_parallel_residual": True,
        "vocab_size": shape.vocabulary,
    }
