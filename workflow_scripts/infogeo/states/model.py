"""Language models whose residual stream can be read while they run."""

import contextlib
import functools
import inspect
import math

import numpy as np
import torch

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.sources import products
from infogeo.states import heads, likelihoods, probe, residual_stream
from infogeo.states.out_of_memory import is_out_of_memory
from infogeo.states.tokens import Encoded

# float32 is float32 on GPUs too: of 10 bits it would be otherwise, in convolutions by default.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


class LanguageModel:
    """A language model whose residual stream can be read.

    Parameters
    ----------
    model : PreTrainedModel
    name : str
    kind : {'causal', 'encoder'}
        Column `kind` of the models table: tokens of an encoder see later ones, so that it has no
        likelihoods.

    Attributes
    ----------
    name : str
    causal : bool
        Whether it is run as a causal model; else it has no likelihoods.
    depth : int
        Number of blocks.
    widths : dict of layer -> d
        Of '0' … 'L' and 'final'.
    post_norm : list of str
        Layers whose states come after a final norm: ['final'], or none where the architecture
        has no norm after its last block.
    dtype, states_dtype : torch.dtype
        Of the weights, and of the states: some architectures add in float32 whatever their weights.
    device, head_device : torch.device
        Where token ids go, and where logits are made: of several GPUs, not always the same.
    head : callable
        Logits (m, V) of final states (m, d) on `head_device`; of a causal model alone.
    first_position : int or None
        Position of a text's first token; None where the architecture takes no position ids.
    probe_text : (3,) int32 ndarray
        Tokens that mean nothing special to the model, to try it on.
    oom_tokens : float
        The fewest tokens of a batch for which memory did not suffice; infinite until then.

    Raises
    ------
    InfogeoError
        Where a few tokens show that it cannot be measured as a model of this kind, with the reason.
    """

    def __init__(self, model, name: str, kind: str = "causal"):
        self.name, self.causal = name, kind == "causal"
        if len(set(getattr(model, "hf_device_map", {}).values())) <= 1:  # else it is spread
            model = model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().requires_grad_(False)
        products.quicken(self.model)
        embeddings = self.model.get_input_embeddings().weight
        # Likelihoods are taken where the head is: of several GPUs, not always the last block's.
        matrix = self.model.get_output_embeddings().weight if self.causal else embeddings
        self.device, self.head_device = embeddings.device, matrix.device
        self.vocabulary = matrix.shape[0]
        self.oom_tokens = math.inf
        self.dtype = next(self.model.parameters()).dtype
        self.depth = getattr(self.model.config.get_text_config(), "num_hidden_layers", None)
        self.first_position, self._sink = None, None
        try:
            self._learn(probe.texts(self.model.config, min(len(embeddings), self.vocabulary)))
        except InfogeoError:
            raise
        except Exception as error:  # code of any architecture, which may ask for more than text
            if is_out_of_memory(error):
                raise
            raise InfogeoError(
                f"model {name!r}: {type(self.model).__name__} cannot be run on a few tokens of "
                f"text alone ({type(error).__name__}: {error}), so that it cannot be measured."
            ) from error

    def _learn(self, texts):
        """Learn from a few tokens what the attributes say, or why the model cannot be measured."""
        self.probe_text = texts[0]
        ids, mask, _ = self.inputs(texts)
        passed = {"attention_mask": mask, **self._uncached(self.model)}
        stream = residual_stream.find(
            self.model, self.depth, lambda: self.model(ids, **passed), self.name
        )
        self.base, self.blocks = stream.base, stream.blocks
        probe.require_finite(self, stream)
        probe.require_shape(self, stream.states, texts)
        residual_stream.hook(self.base, self.blocks, self._deliver)
        self.widths = {layer: stream.states[layer].shape[-1] for layer in layer_names(self.depth)}
        kinds = (states.dtype for states in stream.states.values())
        self.states_dtype = functools.reduce(torch.promote_types, kinds)
        probe.settle_positions(self, stream.states, texts)
        if not self.causal:
            probe.require_masked_padding(self, texts)
        ids, mask, positions = self.inputs(texts)
        passed = {"attention_mask": mask, **self._uncached(self.base), **positions}
        ends = residual_stream.ends_with_norm(self.base, self.blocks, ids, passed)
        self.post_norm = ["final"] if ends else []
        self.head = heads.find(self, stream) if self.causal else None

    def _deliver(self, layer, hidden):
        if self._sink is not None:
            self._sink(layer, hidden)

    def _uncached(self, module) -> dict:
        """The option that keeps a module from caching keys, where it has one."""
        parameters = inspect.signature(module.forward).parameters.values()
        takes = any(p.name == "use_cache" or p.kind is p.VAR_KEYWORD for p in parameters)
        return {"use_cache": False} if takes else {}

    def run_base(self, ids, mask, positions: dict, **options):
        """One pass through the blocks: what the base returns."""
        options = self._uncached(self.base) | positions | options
        return self.base(ids, attention_mask=mask, **options)

    @contextlib.contextmanager
    def reading(self, sink):
        """Within this context every pass calls sink(layer, hidden) as each layer is reached."""
        self._sink = sink
        try:
            with torch.inference_mode():
                yield
        finally:
            self._sink = None

    def inputs(self, texts):
        """Token ids and mask, padded on the right, and explicit positions. (texts, longest)."""
        longest = max(map(len, texts))
        ids = np.zeros((len(texts), longest), dtype=np.int64)
        mask = np.zeros((len(texts), longest), dtype=np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        ids, mask = (torch.from_numpy(array).to(self.device) for array in (ids, mask))
        positions = {}
        if self.first_position is not None:
            places = torch.arange(longest, device=self.device) + self.first_position
            positions["position_ids"] = places.expand_as(ids)
        return ids, mask, positions

    def final_states(self, ids, mask, positions: dict, sink=lambda layer, hidden: None):
        """One pass through the blocks: final states (texts, longest, d); for the sink see `run`."""
        final = None

        def read(layer, hidden):
            nonlocal final
            if layer == "final":
                final = hidden
            sink(layer, hidden)

        with self.reading(read):
            self.run_base(ids, mask, positions)
        return final

    def run(self, texts, sink, score: bool = True):
        """One batched forward pass.

        Parameters
        ----------
        texts : list of (n_i,) int ndarrays
            Token ids.
        sink : callable
            Called as sink(layer, hidden) with hidden a (texts, longest, d) tensor, as each layer
            is reached. Rows beyond a text's end mean nothing. What it needs it must copy.
        score : bool
            Whether to compute likelihoods; else, and of an encoder, all of them are NaN.

        Returns
        -------
        nll, predictive_entropy : lists of (n_i,) float32 ndarrays
            In nats, of each token given those before it; NaN at a text's first token.

        Notes
        -----
        Verified against one text at a time: hidden states within 1e-5 of the row norm in float32.
        Verified against the model's own loss too, and a direct log-softmax in float64.
        """
        ids, mask, positions = self.inputs(texts)
        final = self.final_states(ids, mask, positions, sink)
        if not (score and self.causal):
            nothing = [np.full(len(text), np.nan, np.float32) for text in texts]
            return nothing, nothing
        return likelihoods.of_texts(self, ids, mask, final)


def check_texts(model: LanguageModel, encoded: Encoded, setting: str) -> None:
    """Stop where texts are longer than the model allows, or hold tokens that it does not know.

    Parameters
    ----------
    model : LanguageModel
    encoded : Encoded
    setting : str
        Key of the configuration that sets the length of texts, for the message.

    Raises
    ------
    InfogeoError
    """
    context = getattr(model.model.config.get_text_config(), "max_position_embeddings", None)
    context = context and context - (model.first_position or 0)  # those before are never used
    longest = int(encoded.lengths.max())
    if context is not None and longest > context:
        raise InfogeoError(
            f"model {model.name!r}: config {setting} asks for texts of {longest} tokens, but the "
            f"model was built for {context} (max_position_embeddings). Lower {setting}."
        )
    known = model.model.get_input_embeddings().weight.shape[0]
    highest = int(encoded.token_ids.max())
    if highest >= known:
        raise InfogeoError(
            f"model {model.name!r}: its tokenizer gives token {highest}, but the model has "
            f"embeddings for {known} tokens. Tokenizer and weights do not belong together: save "
            "the tokenizer that the model was trained with beside them."
        )
