"""Causal language models whose residual stream can be read while they run."""

import contextlib
import inspect
import math

import numpy as np
import torch

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.states import likelihoods
from infogeo.states.tokens import Encoded

# float32 is float32 on GPUs too: of 10 bits it would be otherwise, in convolutions by default.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


class LanguageModel:
    """A causal language model whose residual stream can be read.

    Attributes
    ----------
    name : str
    depth : int
        Number of blocks.
    widths : dict of layer -> d
        Of '0' … 'L' and 'final'.
    post_norm : list of str
        Layers whose states come after a final norm: ['final'], or none where the architecture
        has no norm after its last block.
    device, head_device : torch.device
        Where token ids go, and where logits are made: of several GPUs, not always the same.
    head : callable
        Logits (m, V) of final states (m, d) on `head_device`.
    takes_positions : bool
        Whether the architecture takes position ids.
    oom_tokens : float
        The fewest tokens of a batch for which memory did not suffice; infinite until then.
    """

    def __init__(self, model, name: str):
        self.name = name
        if len(set(getattr(model, "hf_device_map", {}).values())) <= 1:  # else it is spread
            model = model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().requires_grad_(False)
        self.device = self.model.get_input_embeddings().weight.device
        # Likelihoods are taken where the head is: of several GPUs, not always the last block's.
        self.head_device = self.model.get_output_embeddings().weight.device
        self.oom_tokens = math.inf
        # Not base_model: OPT runs its decoder past that.
        self.base = self.model.get_decoder()
        self.dtype = next(self.model.parameters()).dtype
        self.vocabulary = self.model.get_output_embeddings().weight.shape[0]
        self.depth = self.model.config.get_text_config().num_hidden_layers
        self.blocks = _list_of_blocks(self.base, self.depth)
        if self.blocks is None:
            raise InfogeoError(
                f"model {name!r}: {type(self.model).__name__} has no list of {self.depth} blocks, "
                "so that its residual stream cannot be read."
            )
        self.takes_positions = "position_ids" in inspect.signature(self.base.forward).parameters
        self._sink = None
        _hook_residual_stream(self.base, self.blocks, self._deliver)
        self._probe()

    def _deliver(self, layer, hidden):
        if self._sink is not None:
            self._sink(layer, hidden)

    def _probe(self):
        """Learn from three tokens how wide layers are, whether a norm comes last, and the head.

        Raises
        ------
        InfogeoError
            Where the logits do not follow from the final states.
        """
        seen = {}
        ids, mask, positions = self.inputs([self.probe_text()])
        passed = {"attention_mask": mask, "use_cache": False, **positions}
        with self.reading(lambda layer, hidden: seen.__setitem__(layer, hidden.clone())):
            logits = self.model(ids, **passed).logits
        self.widths = {layer: seen[layer].shape[-1] for layer in layer_names(self.depth)}
        self.post_norm = ["final"] if _ends_with_norm(self, ids, passed) else []
        rows, matrix = seen["final"][0].to(self.head_device), self.model.get_output_embeddings()
        with torch.inference_mode():
            self._output = type(self.base(ids, **passed))
            if not _near(self._own_head(rows), logits[0].to(self.head_device)):
                raise InfogeoError(
                    f"model {self.name!r}: the logits of {type(self.model).__name__} do not follow "
                    "from its final states alone, so that likelihoods cannot be computed a few "
                    "rows at a time."
                )
            # Some do more than multiply by the output matrix: a scale, or a soft cap, which shows
            # in large logits.
            loud = rows * (100 / matrix(rows).abs().max())
            plain = _near(self._own_head(loud), matrix(loud))
        self.head = matrix if plain else self._own_head

    def _own_head(self, rows):
        """Logits (m, V) that the model itself makes of final states (m, d), blocks left out."""
        output = self._output(last_hidden_state=rows[None])
        usual = self.base.forward
        self.base.forward = lambda *args, **kwargs: output
        try:
            ids = torch.zeros((1, len(rows)), dtype=torch.int64, device=rows.device)
            return self.model(ids, use_cache=False).logits[0]
        finally:
            self.base.forward = usual

    def probe_text(self) -> np.ndarray:
        """Three tokens that every vocabulary has. (3,) int32."""
        return np.arange(3, dtype=np.int32) % self.vocabulary

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
        if self.takes_positions:
            positions["position_ids"] = torch.arange(longest, device=self.device).expand_as(ids)
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
            self.base(ids, attention_mask=mask, use_cache=False, **positions)
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
            Whether to compute likelihoods; else all of them are NaN.

        Returns
        -------
        nll, predictive_entropy : lists of (n_i,) float32 ndarrays
            In nats, of each token given those before it; NaN at a text's first token.

        Notes
        -----
        Verified against one text at a time (hidden states within 1e-5 of the row norm in
        float32), the model's own loss, and a direct log-softmax in float64.
        """
        ids, mask, positions = self.inputs(texts)
        final = self.final_states(ids, mask, positions, sink)
        if not score:
            nothing = [np.full(len(text), np.nan, np.float32) for text in texts]
            return nothing, nothing
        return likelihoods.of_texts(self, ids, mask, final)


def _list_of_blocks(base, depth: int):
    """The list of a model's blocks; None where it has none."""
    for module in base.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return module
    return None


def _hook_residual_stream(base, blocks, deliver) -> None:
    """Let every pass call deliver(layer, hidden) as each layer is reached."""

    def before_first(module, args, kwargs):
        deliver("0", args[0] if args else kwargs["hidden_states"])

    def after(layer):
        def hook(module, args, output):
            deliver(layer, output[0] if isinstance(output, tuple) else output)

        return hook

    blocks[0].register_forward_pre_hook(before_first, with_kwargs=True)
    for index, block in enumerate(blocks):
        block.register_forward_hook(after(str(index + 1)))
    base.register_forward_hook(
        lambda module, args, output: deliver("final", output.last_hidden_state)
    )


def _ends_with_norm(model: LanguageModel, ids, passed) -> bool:
    """Whether a norm comes after the last block: it undoes what scale its rows have.

    (A projection, or nothing, may come instead: some OPT models have their norms in blocks.)
    """
    finals = []
    for scale in (1.0, 4.0):

        def rescale(module, args, output, scale=scale):
            hidden = output[0] if isinstance(output, tuple) else output
            rows = torch.nn.functional.normalize(hidden.float(), dim=-1)  # a zero row stays so
            hidden = (rows * (scale * hidden.shape[-1] ** 0.5)).to(hidden.dtype)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        hook = model.blocks[-1].register_forward_hook(rescale)
        try:
            with torch.inference_mode():
                finals.append(model.base(ids, **passed).last_hidden_state.float())
        finally:
            hook.remove()
    return bool((finals[1] - finals[0]).norm() < finals[0].norm())


def _near(one, other) -> bool:
    """Whether two tensors are the same but for rounding, in any precision."""
    return bool((one.float() - other.float()).norm() <= 0.01 * other.float().norm())


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
            f"embeddings for {known} tokens. Tokenizer and weights do not belong together."
        )
