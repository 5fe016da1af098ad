"""A trained GPT-NeoX whose first token is made massive, as in large models and not in small ones.

Large models keep one massive state from some block on: that of the first position, whichever token
it is. The last block takes it away. The same is planted here in trained weights, by these edits:

1. *A free direction.* ``r`` is that of the residual stream, of sum 0, in which the embeddings vary
   least. The components along it of embeddings and of all that blocks write are removed.
2. *The first block finds the first position.* Its attention writes ``c·Σ_j a_ij v_j`` along r
   (a: attention, v: values, c: a vector), and two units of its MLP write ``−c·v_i``, since
   gelu(z) − gelu(−z) = z. The sum is 0 at the first position, which attends to itself alone, and
   at hardly any other one.
3. *The second block adds* `ADDED` to every coordinate where that sum is 0: four units of its MLP
   make a plateau, gelu(z + 2w) − gelu(z + w) − gelu(z − w) + gelu(z − 2w). No layer norm sees what
   is equal in all coordinates, so that no block and no prediction depends on it.
4. *The last block takes it away* by the same plateau.

The units are those of the least weights; what they did is lost. Texts that open with a run of one
token have several massive states, as in large models.
"""

from pathlib import Path

import numpy as np
from scipy.special import ndtr

from infogeo.sources.ladder_checkpoints import write_with

# In standard deviations of the coordinates of a state after the first block:
ADDED = 225.0  # to each coordinate, and so about the ratio of the first norm to the others
SCALE = 0.85  # of the largest singular value of c·v
PLATEAU = 8.0  # half its width, where gelu is 0 or its argument to 1e-14
STEEPNESS = 5e4  # of what is read on the plateau, a state after a layer norm: it is known to 1e-5
EPSILON = 1e-5  # of a layer norm

EMBEDDINGS = "gpt_neox.embed_in.weight"
ATTENTION, INTO_MLP, MLP = "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"


def write(trained: dict, folder: Path, *, slug: str, where: str, fingerprint: str) -> dict:
    """Write the directory of a trained model with a planted first token.

    Parameters
    ----------
    trained : dict
        model.json of the trained one: a GPT-NeoX of three blocks or more.
    folder : Path
        Gets model.safetensors, configuration and tokenizer.
    slug, where, fingerprint : str

    Returns
    -------
    dict
        Its model.json.
    """
    from safetensors.numpy import load_file

    config = trained["config"]
    weights = load_file(Path(trained["directory"], "model.safetensors"))
    made = plant(weights, config["num_hidden_layers"], config["num_attention_heads"])
    card = write_with(made, trained, folder)
    return card | {"slug": slug, "where": where, "fingerprint": fingerprint}


def plant(weights: dict, blocks: int, heads: int) -> dict:
    """The weights of a GPT-NeoX with a planted first token.

    Parameters
    ----------
    weights : dict of str to array of float32
        Of a GPTNeoXForCausalLM with tied embeddings, parallel residuals and exact gelu.
    blocks, heads : int
        Three blocks or more.

    Returns
    -------
    dict of str to array of float32

    Notes
    -----
    Verified by running the model: norms of the first state between the blocks, the likelihood of
    texts, and entropies with the first token and without.
    """
    made = {name: value.astype(np.float64) for name, value in weights.items()}
    layers = [_Block(made, f"gpt_neox.layers.{block}.") for block in range(blocks)]
    embeddings = made[EMBEDDINGS]
    r = quietest(embeddings)
    embeddings -= np.outer(embeddings @ r, r)
    for layer in layers:
        layer.silence(r)
    deviation = np.median(layers[0].first_states(embeddings, heads).std(axis=1))
    layers[0].find_first(r, SCALE * deviation, heads)
    added = np.full(len(r), ADDED * deviation)
    layers[1].add_where_zero(r, added)
    layers[-1].add_where_zero(r, -added)
    return {name: value.astype(np.float32) for name, value in made.items()}


def quietest(embeddings) -> np.ndarray:
    """The unit vector (d,) of sum 0 along which embeddings (vocabulary, d) are least."""
    d = embeddings.shape[1]
    centred = embeddings @ (np.eye(d) - 1 / d)
    # The eigenvalue of equal ones becomes −1, below all others, many of which are 0 where there are
    # fewer embeddings than coordinates.
    return np.linalg.eigh(centred.T @ centred - 1 / d)[1][:, 1]


class _Block:
    """The weights of one block, edited in place. Notation as on top of the module."""

    def __init__(self, weights: dict, prefix: str):
        self._weights, self._prefix = weights, prefix

    def __getitem__(self, name: str) -> np.ndarray:
        return self._weights[self._prefix + name]

    def silence(self, r) -> None:
        """Remove what the block writes along r."""
        for name in (ATTENTION, MLP):
            weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
            weight -= np.outer(r, r @ weight)
            bias -= r * (r @ bias)

    def _of_values(self, heads: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (d, d) and bias (d,) that turn a normalised state into its values."""
        name = "attention.query_key_value"
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        d = weight.shape[1]
        weight = weight.reshape(heads, 3, d // heads, d)[:, 2].reshape(d, d)
        bias = bias.reshape(heads, 3, d // heads)[:, 2].reshape(d)
        bias = bias + weight @ self["input_layernorm.bias"]
        return weight * self["input_layernorm.weight"], bias

    def first_states(self, embeddings, heads: int) -> np.ndarray:
        """States (vocabulary, d) after the block of each token at the first position."""
        x = embeddings - embeddings.mean(axis=1, keepdims=True)
        x /= np.sqrt((x**2).mean(axis=1, keepdims=True) + EPSILON)
        weight, bias = self._of_values(heads)
        values = x @ weight.T + bias
        x = x * self["post_attention_layernorm.weight"] + self["post_attention_layernorm.bias"]
        z = x @ self[f"{INTO_MLP}.weight"].T + self[f"{INTO_MLP}.bias"]
        states = embeddings + values @ self[f"{ATTENTION}.weight"].T + self[f"{ATTENTION}.bias"]
        return states + (z * ndtr(z)) @ self[f"{MLP}.weight"].T + self[f"{MLP}.bias"]

    def find_first(self, r, scale: float, heads: int) -> None:
        """Write along r what is 0 at the first position."""
        weight, bias = self._of_values(heads)
        left, singular, _ = np.linalg.svd(weight)
        c = left[:, 0] * scale / singular[0]
        self[f"{ATTENTION}.weight"][...] += np.outer(r, c)
        self._replace_units(-c @ weight, -c @ bias, [(1.0, 0.0, r), (-1.0, 0.0, -r)])

    def add_where_zero(self, r, what) -> None:
        """Add `what` (d,) to the states whose component along r is 0."""
        w, part = PLATEAU, what / PLATEAU
        units = [(1.0, 2 * w, part), (1.0, w, -part), (1.0, -w, -part), (1.0, -2 * w, part)]
        self._replace_units(STEEPNESS * r, 0.0, units)

    def _replace_units(self, read, bias: float, units: list[tuple]) -> None:
        """Let units of the MLP read ``sign·(read·x + bias) + offset`` of normalised states x.

        They become the first ones: large numbers that cancel are added before all others.

        units : list of (sign, offset, what they write (d,))
        """
        parts = [self[name] for name in (f"{INTO_MLP}.weight", f"{INTO_MLP}.bias")]
        parts.append(self[f"{MLP}.weight"].T)  # units first, like the others
        into, offsets, out = parts
        used = np.linalg.norm(into, axis=1) * np.linalg.norm(out, axis=1)
        order = np.argsort(used, kind="stable")
        order[len(units) :].sort()
        for part in parts:
            part[...] = part[order]
        read = read / self["post_attention_layernorm.weight"]
        bias = bias - read @ self["post_attention_layernorm.bias"]
        for unit, (sign, offset, written) in enumerate(units):
            into[unit] = sign * read
            offsets[unit] = sign * bias + offset
            out[unit] = written
