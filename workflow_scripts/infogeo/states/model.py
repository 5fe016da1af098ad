"""Forward passes: tokens, hidden states after every block, likelihoods and attention rows."""

import contextlib
import gc
import inspect
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open

from infogeo.files.errors import InfogeoError

HEAD_NUMBERS = 1 << 22  # logits that exist at once on a CPU
SCORE_NUMBERS = 1 << 18  # of these, logits worked on at once: about what a core's cache holds
GPU_HEAD_NUMBERS = 1 << 26
BLOCK_BYTES = 1 << 28  # of hidden states that `states` holds at once
GPU_SHARE = 0.75  # of the GPUs' free memory, for weights; the rest is for the passes
GPU_MOST = 0.9  # of one of several: blocks stay whole, so that some get more than their part

# Weights load within moments; a bar for them only fills the logs.
transformers.utils.logging.disable_progress_bar()

# float32 is float32 on GPUs too: of 10 bits it would be otherwise, in convolutions by default.
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

# How far a row of attention may sum from 1, by the precision in which it was computed.
ROW_SUM = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}

# How far next-token log-probabilities (nats) may lie apart between two ways to run the same tokens:
# some 30 units in the last place of a logit of 1 in half precision, rather more in float32. A wrong
# position or a visible token that should be hidden moves them by far more in a trained model.
GAP_TOLERANCE = {torch.float32: 1e-4, torch.float16: 3e-2, torch.bfloat16: 3e-1}


# ---------------------------------------------------------------- texts as tokens
@dataclass
class Encoded:
    """Texts as tokens, one text after another.

    Attributes
    ----------
    kept : (texts,) int64 ndarray
        Which of the given texts these are; the others were too short.
    offsets : (texts + 1,) int64 ndarray
        Where each text starts.
    token_ids : (T,) int32 ndarray
    special_mask : (T,) bool ndarray
        Tokens that the tokenizer added.
    token_end_byte : (T,) int32 ndarray
        UTF-8 byte offset in the text at which each token ends; that of the token before where a
        token stands for no text.
    """

    kept: np.ndarray
    offsets: np.ndarray
    token_ids: np.ndarray
    special_mask: np.ndarray
    token_end_byte: np.ndarray

    def __len__(self):
        return len(self.kept)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def text(self, index: int) -> np.ndarray:
        """Token ids of one text. (n,) int32."""
        return self.token_ids[self.offsets[index] : self.offsets[index + 1]]


def load_tokenizer(directory, trust_remote_code: bool = False):
    """The tokenizer in a directory in Hugging Face format.

    Raises
    ------
    InfogeoError
        Where there is none, or one that cannot say which bytes a token stands for.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InfogeoError(
            f"{directory}: no tokenizer can be loaded ({error}). The directory must hold "
            "tokenizer.json and tokenizer_config.json beside the weights."
        ) from error
    if not tokenizer.is_fast:
        raise InfogeoError(
            f"{directory}: its tokenizer gives no offsets into the text. Save it as a fast "
            "tokenizer (tokenizer.json)."
        )
    return tokenizer


def encode(tokenizer, texts, n: int, shortest: int) -> Encoded:
    """Encode texts with the special tokens that the tokenizer adds, and cut them to n tokens.

    Parameters
    ----------
    tokenizer : fast Hugging Face tokenizer
    texts : sequence of str
    n : int
        Tokens kept of a text.
    shortest : int
        Texts of fewer tokens are left out.

    Raises
    ------
    InfogeoError
        Where no text has n tokens.
    """
    kept, ids, special, ends, longest = [], [], [], [], 0
    for index, text in enumerate(texts):
        encoded = tokenizer(
            text,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            verbose=False,  # no warning on texts beyond the model's context: they are cut here
        )
        length = len(encoded["input_ids"])
        longest = max(longest, length)
        if length < shortest:
            continue
        kept.append(index)
        ids.append(np.array(encoded["input_ids"][:n], dtype=np.int32))
        special.append(np.array(encoded["special_tokens_mask"][:n], dtype=bool))
        ends.append(_end_bytes(text, encoded["offset_mapping"][:n]))
    if longest < n:
        raise InfogeoError(
            f"No text is long enough: n = {n} tokens are wanted (config spectra.n), and the "
            f"longest of {len(texts)} texts has {longest} with this model's tokenizer. Lower n, "
            "or raise the corpus's min_characters or number of texts."
        )
    return Encoded(
        np.array(kept, dtype=np.int64),
        np.concatenate([[0], np.cumsum([len(row) for row in ids])]),
        np.concatenate(ids),
        np.concatenate(special),
        np.concatenate(ends),
    )


def _end_bytes(text: str, spans) -> np.ndarray:
    """The byte at which each token ends, from its span of characters. (n,) int32."""
    ends = np.array([end for _, end in spans], dtype=np.int64)
    if not text.isascii():
        last = int(ends.max(initial=0))
        sizes = [len(character.encode("utf-8", "surrogatepass")) for character in text[:last]]
        ends = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])[ends]
    return np.maximum.accumulate(ends).astype(np.int32)


# ---------------------------------------------------------------- layers by name
def layer_names(depth: int) -> list[str]:
    """'0' … 'L' for the residual stream after that many of L blocks, and 'final'."""
    return [*map(str, range(depth + 1)), "final"]


def choose_layers(wanted, depth: int) -> list[str]:
    """Names of the configured layers of a model of `depth` blocks, in order, once each.

    Parameters
    ----------
    wanted : 'all' or list of str, float
        Relative depths in [0, 1] (rounded to a block), and 'final'.
    depth : int

    Raises
    ------
    InfogeoError
        Where an entry is neither 'final' nor a number from 0 to 1.
    """
    names = layer_names(depth)
    if wanted == "all" or wanted == ["all"]:
        return names
    chosen, wrong = set(), []
    for entry in wanted:
        try:
            share = 1.0 if entry == "final" else float(entry)
        except (TypeError, ValueError):
            share = math.nan
        if 0 <= share <= 1:
            chosen.add("final" if entry == "final" else str(math.floor(share * depth + 0.5)))
        else:
            wrong.append(repr(entry))
    if wrong or not chosen:
        raise InfogeoError(
            f"config states.layers: {', '.join(wrong) or 'an empty list'} is out of range; "
            "entries are relative depths from 0 to 1, or 'final' (or the whole is 'all')."
        )
    return [name for name in names if name in chosen]


# ---------------------------------------------------------------- models
def load_model(
    directory, *, dtype: str, name: str, trust_remote_code: bool = False
) -> "LanguageModel":
    """Load the weights in a directory in Hugging Face format, each once, straight to where it goes.

    That is the GPU where there is one, and all GPUs that are visible where one is too small.

    Raises
    ------
    InfogeoError
        Where the directory, its configuration or its safetensors files are missing, damaged or
        incomplete, or the weights do not fit the GPUs.
    """
    try:
        placed = {}
        if torch.cuda.is_available():
            size = _weight_bytes(directory, getattr(torch, dtype))
            placed = device_map(size, free_memory(), name)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            str(directory),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **placed,
        )
    except InfogeoError:
        raise
    except Exception as error:  # transformers and safetensors raise many kinds
        if is_out_of_memory(error):
            raise
        raise InfogeoError(
            f"{directory}: the model cannot be loaded ({type(error).__name__}: {error}). The "
            "directory must hold config.json and whole safetensors files."
        ) from error
    lost = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if lost:
        raise InfogeoError(
            f"{directory}: the weights file lacks {len(lost)} of the model's tensors "
            f"({', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}), which would be random."
        )
    return LanguageModel(model, name)


def _weight_bytes(directory, dtype) -> int:
    """Bytes of the weights in a directory once they are loaded in a dtype."""
    numbers = 0
    for path in Path(directory).glob("model*.safetensors"):
        with safe_open(path, framework="pt") as file:
            numbers += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return numbers * dtype.itemsize


def free_memory() -> list[int]:
    """Free bytes of each GPU that is visible."""
    gc.collect()  # models that nothing uses any more
    torch.cuda.empty_cache()
    return [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]


def device_map(size: int, free: list[int], name: str) -> dict:
    """What tells transformers on which GPUs weights go: on the first, else evenly on all.

    Parameters
    ----------
    size : int
        Bytes of the weights.
    free : list of int
        Free bytes of each GPU.
    name : str
        Of the model, for messages.

    Raises
    ------
    InfogeoError
        Where all of them are too small.
    """
    if size <= GPU_SHARE * free[0]:
        return {"device_map": {"": 0}}
    if size <= GPU_SHARE * sum(free):
        most = {gpu: int(GPU_MOST * bytes_) for gpu, bytes_ in enumerate(free)}
        return {"device_map": "balanced", "max_memory": most}
    raise InfogeoError(
        f"model {name!r}: its weights take {size / 1e9:.3g} GB, but {len(free)} GPUs have "
        f"{sum(free) / 1e9:.3g} GB free, of which weights may take {GPU_SHARE:.0%}. Give its jobs "
        "more GPUs or larger ones, or set its dtype to bfloat16 in the models table."
    )


def untrained_model(
    directory, *, dtype: str, name: str, seed: int, trust_remote_code: bool = False
) -> "LanguageModel":
    """The same architecture with random weights, drawn as the architecture itself initialises them.

    The draw is made in float32 on the CPU, so that it depends on the seed alone, and PyTorch's
    own generator is left as it was.
    """
    config = _config(directory, trust_remote_code)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.float32, trust_remote_code=trust_remote_code
        )
    model = model.to(getattr(torch, dtype))
    if torch.cuda.is_available():
        size = sum(weight.nbytes for weight in model.parameters())
        placed = device_map(size, free_memory(), name)
        if "max_memory" in placed:
            return LanguageModel(_spread(model, placed["max_memory"]), name)
    return LanguageModel(model, name)


def _spread(model, max_memory: dict):
    """A model over several GPUs, block by block, each of which hands its states to the next."""
    from accelerate import dispatch_model, infer_auto_device_map

    whole = list(model._no_split_modules or ())  # kinds of modules that stay together
    return dispatch_model(model, infer_auto_device_map(model, max_memory, whole))


def twin(
    directory, draw: int, *, dtype: str, name: str, seed: int, trust_remote_code: bool = False
) -> "LanguageModel":
    """An untrained twin of the model in a directory.

    Its seed is drawn such that no two (seed, draw) share their random numbers.
    """
    words = np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)
    return untrained_model(
        directory,
        dtype=dtype,
        name=f"{name}, untrained, draw {draw}",
        seed=int(words[0]),
        trust_remote_code=trust_remote_code,
    )


def twins(card: dict, draws: int, **options):
    """The untrained twins of the model of a card, one after another; for options see `twin`.

    A twin is there until the next is asked for: memory never holds two.
    """
    for draw in range(draws):
        made = twin(card["directory"], draw, name=card["slug"], **options)
        yield made
        made.model.to("meta")  # whoever still holds it


def _config(directory, trust_remote_code):
    try:
        return transformers.AutoConfig.from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise InfogeoError(f"{directory}: no model configuration ({error}).") from error


class LanguageModel:
    """A causal language model whose residual stream can be watched.

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
    """

    def __init__(self, model, name: str):
        self.name = name
        if len(set(getattr(model, "hf_device_map", {}).values())) <= 1:  # else it is spread
            model = model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().requires_grad_(False)
        self.device = self.model.get_input_embeddings().weight.device
        # Likelihoods are taken where the head is: of several GPUs, not always the last block's.
        self.head_device = self.model.get_output_embeddings().weight.device
        self.too_many = math.inf  # the fewest tokens of a batch for which memory did not suffice
        # Not base_model: OPT runs its decoder past that.
        self.base = self.model.get_decoder()
        self.dtype = next(self.model.parameters()).dtype
        self.vocabulary = self.model.get_output_embeddings().weight.shape[0]
        self.depth = self.model.config.get_text_config().num_hidden_layers
        self.blocks = next(
            (
                module
                for module in self.base.modules()
                if isinstance(module, torch.nn.ModuleList) and len(module) == self.depth
            ),
            None,
        )
        if self.blocks is None:
            raise InfogeoError(
                f"model {name!r}: {type(self.model).__name__} has no list of {self.depth} blocks, "
                "so that its residual stream cannot be read."
            )
        self._takes_positions = "position_ids" in inspect.signature(self.base.forward).parameters
        self._sink = None
        self._watch()
        self._probe()

    def _watch(self):
        """Hand the residual stream to the sink of the pass, where there is one."""

        def tell(layer, hidden):
            if self._sink is not None:
                self._sink(layer, hidden)

        def before_first(module, args, kwargs):
            tell("0", args[0] if args else kwargs["hidden_states"])

        def after(layer):
            def hook(module, args, output):
                tell(layer, output[0] if isinstance(output, tuple) else output)

            return hook

        self.blocks[0].register_forward_pre_hook(before_first, with_kwargs=True)
        for index, block in enumerate(self.blocks):
            block.register_forward_hook(after(str(index + 1)))
        self.base.register_forward_hook(
            lambda module, args, output: tell("final", output.last_hidden_state)
        )

    def _probe(self):
        """See on three tokens how wide layers are, whether a norm comes last, and what logits are.

        Raises
        ------
        InfogeoError
            Where the logits do not follow from the final states.
        """
        seen = {}
        ids, mask, positions = self._inputs([np.arange(3, dtype=np.int32) % self.vocabulary])
        passed = {"attention_mask": mask, "use_cache": False, **positions}
        with self._watching(lambda layer, hidden: seen.__setitem__(layer, hidden.clone())):
            logits = self.model(ids, **passed).logits
        self.widths = {layer: seen[layer].shape[-1] for layer in layer_names(self.depth)}
        self.post_norm = ["final"] if self._ends_with_norm(ids, passed) else []
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
        self._head = matrix if plain else self._own_head

    def _ends_with_norm(self, ids, passed) -> bool:
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

            hook = self.blocks[-1].register_forward_hook(rescale)
            try:
                with torch.inference_mode():
                    finals.append(self.base(ids, **passed).last_hidden_state.float())
            finally:
                hook.remove()
        return bool((finals[1] - finals[0]).norm() < finals[0].norm())

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

    def check_texts(self, encoded: Encoded) -> None:
        """Stop where texts are longer than the model allows, or hold tokens that it does not know.

        Raises
        ------
        InfogeoError
        """
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        longest = int(encoded.lengths.max())
        if context is not None and longest > context:
            raise InfogeoError(
                f"model {self.name!r}: texts of {longest} tokens are wanted (config spectra.n), "
                f"but it was built for {context} (max_position_embeddings). Lower n."
            )
        known = self.model.get_input_embeddings().weight.shape[0]
        highest = int(encoded.token_ids.max())
        if highest >= known:
            raise InfogeoError(
                f"model {self.name!r}: its tokenizer gives token {highest}, but the model has "
                f"embeddings for {known} tokens. Tokenizer and weights do not belong together."
            )

    @contextlib.contextmanager
    def _watching(self, sink):
        self._sink = sink
        try:
            with torch.inference_mode():
                yield
        finally:
            self._sink = None

    def _inputs(self, texts):
        """Token ids and mask, padded on the right, and explicit positions. (texts, longest)."""
        longest = max(map(len, texts))
        ids = np.zeros((len(texts), longest), dtype=np.int64)
        mask = np.zeros((len(texts), longest), dtype=np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        ids, mask = (torch.from_numpy(array).to(self.device) for array in (ids, mask))
        positions = {}
        if self._takes_positions:
            positions["position_ids"] = torch.arange(longest, device=self.device).expand_as(ids)
        return ids, mask, positions

    def run(self, texts, sink, likelihoods: bool = True):
        """One batched forward pass.

        Parameters
        ----------
        texts : list of (n_i,) int ndarrays
            Token ids.
        sink : callable
            Called as sink(layer, hidden) with hidden a (texts, longest, d) tensor, as each layer
            is reached. Rows beyond a text's end mean nothing. What it needs it must copy.
        likelihoods : bool
            Whether there are to be any; else all of them are NaN.

        Returns
        -------
        nll, predictive_entropy : lists of (n_i,) float32 ndarrays
            In nats, of each token given those before it; NaN at a text's first token.

        Notes
        -----
        Verified against one text at a time (hidden states within 1e-5 of the row norm in
        float32), the model's own loss, and a direct log-softmax in float64.
        """
        ids, mask, positions = self._inputs(texts)
        final = None

        def watch(layer, hidden):
            nonlocal final
            if layer == "final":
                final = hidden
            sink(layer, hidden)

        with self._watching(watch):
            self.base(ids, attention_mask=mask, use_cache=False, **positions)
        if not likelihoods:
            nothing = [np.full(len(text), np.nan, np.float32) for text in texts]
            return nothing, nothing
        predicted = mask[:, 1:].bool()  # (texts, longest − 1): a token that has one before it
        targets = ids[:, 1:][predicted].to(self.head_device)
        with torch.inference_mode():
            scores = self._score(final[:, :-1][predicted.to(final.device)], targets)
        nll, entropy = scores.cpu().numpy()
        ends = np.cumsum([len(text) - 1 for text in texts])[:-1]
        return [_after_nan(part) for part in np.split(nll, ends)], [
            _after_nan(part) for part in np.split(entropy, ends)
        ]

    @property
    def head_rows(self) -> int:
        """Tokens whose logits are there at once."""
        on_gpu = self.head_device.type == "cuda"
        return max(1, (GPU_HEAD_NUMBERS if on_gpu else HEAD_NUMBERS) // self.vocabulary)

    def _score(self, rows, targets):
        """(2, m): NLL and predictive entropy for m rows of final states."""
        scores = torch.empty((2, len(rows)), dtype=torch.float32, device=self.head_device)
        on_gpu, step = self.head_device.type == "cuda", self.head_rows
        part = step if on_gpu else max(1, SCORE_NUMBERS // self.vocabulary)
        for start in range(0, len(rows), step):
            logits = self._head(rows[start : start + step].to(self.head_device)).float()
            for low in range(0, len(logits), part):
                at = slice(start + low, min(start + low + part, start + len(logits)))
                score_logits(logits[low : low + part], targets[at], scores[:, at])
        return scores

    def attention_rows(self, text):
        """Attention of the last token of a text, from an eager pass over that text alone.

        Parameters
        ----------
        text : (n,) int ndarray

        Returns
        -------
        last_row : (heads, n) float32 ndarray
            Weights in the last layer; rows sum to 1.
        rollout_row : (n,) float32 ndarray
            The last token's row of the product over layers of (mean over heads + I) / 2
            (Abnar & Zuidema 2020, 2005.00928); sums to 1.

        Raises
        ------
        InfogeoError
            Where the model gives no attention weights, or weights that do not sum to 1 or that see
            later tokens.
        """
        ids, mask, positions = self._inputs([text])
        # Not set_attn_implementation(), which does nothing in some architectures.
        config = self.base.config
        usual, config._attn_implementation = config._attn_implementation, "eager"
        try:
            with torch.inference_mode():
                output = self.base(
                    ids, attention_mask=mask, use_cache=False, output_attentions=True, **positions
                )
        finally:
            config._attn_implementation = usual
        attentions = getattr(output, "attentions", None)
        check_attention(attentions, self.depth, len(text), self.name)
        rollout = torch.zeros(len(text), dtype=torch.float32, device=self.device)
        rollout[-1] = 1
        for layer in reversed(attentions):
            mean = layer[0].float().mean(dim=0).to(self.device)  # (n, n)
            mean = mean / mean.sum(dim=-1, keepdim=True)
            rollout = (rollout + rollout @ mean) / 2
        last_row = attentions[-1][0, :, -1].float()  # (heads, n)
        last_row = last_row / last_row.sum(dim=-1, keepdim=True)
        return last_row.cpu().numpy(), rollout.cpu().numpy()

    def attention_problem(self) -> str:
        """Why the architecture has no attention rows, seen on three tokens; '' where it has."""
        try:
            self.attention_rows(np.arange(3, dtype=np.int32) % self.vocabulary)
        except InfogeoError as error:
            return str(error)
        return ""

    # ------------------------------------------------------------ some tokens of a text alone
    def run_kept(self, token_ids, positions):
        """One batched forward pass over some tokens of texts, at their original positions.

        Parameters
        ----------
        token_ids, positions : (B, k) int ndarrays
            As many tokens of every text, so that nothing is padded; positions rise.

        Returns
        -------
        logits : (B, V) float32 tensor
            Of the token after the last one.
        mean, last : (B, d) float32 tensors
            Mean over the tokens of the final states, and the last token's.

        Notes
        -----
        Verified against full-length passes whose 4-D mask hides the other tokens: log-probabilities
        within 1e-5 on tiny models of the architectures in tests/unit/states/test_architectures.py.
        `gapped_problem` and `gap_residual` say where an architecture cannot do this.
        """
        token_ids, positions = (
            torch.from_numpy(np.asarray(array, dtype=np.int64)).to(self.device)
            for array in (token_ids, positions)
        )
        reach = int((positions[:, -1] - positions[:, 0]).max()) + 1  # tokens from first to last
        if reach > token_ids.shape[1] and self._shorter_window(reach):
            mask = self._masks(positions)  # windows would count the kept tokens alone
        else:
            # Without a mask, gapped positions would be taken for texts packed into one row.
            mask = torch.ones_like(token_ids)
        final, logits = self._predict_next(token_ids, mask, positions)
        found = logits, final.mean(dim=1, dtype=torch.float32), final[:, -1].float()
        return tuple(values.to(self.device) for values in found)

    def _shorter_window(self, n: int) -> bool:
        """Whether some layers look back over fewer than n tokens."""
        windows = layer_windows(self.model.config.get_text_config()).values()
        return any(window is not None and window < n for window in windows)

    def _masks(self, positions, kept=None):
        """4-D masks (B, 1, k, k) of tokens at positions (B, k), of which only `kept` (k,) are seen.

        One mask, or one for each kind of layer where their windows differ.
        """
        back = positions[:, :, None] - positions[:, None, :]  # (B, k, k): how far back is a token
        seen = back >= 0
        if kept is not None:  # the others see themselves: a row that sees nothing has no softmax
            seen &= torch.from_numpy(kept).to(seen.device) | (back == 0)
        masks = {}
        for kind, window in layer_windows(self.model.config.get_text_config()).items():
            hidden = ~(seen & (back < window)) if window else ~seen
            # Numbers to add suit every kind of attention; a mask that is boolean does not.
            mask = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device)
            masks[kind] = mask.masked_fill_(hidden, torch.finfo(self.dtype).min)[:, None]
        return masks if len(masks) > 1 else masks.popitem()[1]

    def _predict_next(self, ids, mask, positions):
        """Final states (B, k, d), and logits (B, V) in float32 at the last token alone."""
        final = None

        def watch(layer, hidden):
            nonlocal final
            if layer == "final":
                final = hidden

        with self._watching(watch):
            self.base(ids, attention_mask=mask, position_ids=positions, use_cache=False)
        with torch.inference_mode():
            logits = self._head(final[:, -1].to(self.head_device))
        return final, logits.float().to(self.device)

    def gapped_problem(self, n: int) -> str:
        """Why the configuration rules out runs on some of n tokens at their positions; '' if not.

        A model that counts the tokens it is given, in its positions or in a window over which it
        looks back, would see the kept tokens nearer together than they are. Windows of the kinds
        of attention that transformers masks are given as masks made from positions.
        """
        config, name = self.model.config.get_text_config(), type(self.model).__name__
        if not self._takes_positions or getattr(config, "alibi", False):
            return (
                f"{name} takes no position ids: it would see the kept tokens as neighbours, nearer "
                "together than they are."
            )
        kinds = set(layer_windows(config)) - {"full_attention", "sliding_attention"}
        if kinds:
            return (
                f"{name} has layers of kind {', '.join(sorted(kinds))}, which know the tokens that "
                "they are given by their order, not by their positions."
            )
        if "local" in getattr(config, "attention_layers", ()) and config.window_size < n:  # GPT-Neo
            return (
                f"{name} looks back over a window of {config.window_size} tokens, fewer than "
                f"n = {n}, by a mask of its own, which would count the kept tokens alone."
            )
        return ""

    def gap_residual(self, text, kept) -> float:
        """How far a run on the kept tokens is from a full-length run that hides the others.

        Parameters
        ----------
        text : (n,) int ndarray
        kept : (n,) bool ndarray
            The last must be kept.

        Returns
        -------
        float
            Largest absolute difference of the log-probabilities (nats) of the token after the
            last.
        """
        text, kept = np.asarray(text), np.asarray(kept)
        alone = self.run_kept(text[None, kept], np.flatnonzero(kept)[None])[0]
        ids, _, _ = self._inputs([text])
        positions = torch.arange(len(text), device=self.device)[None]
        _, whole = self._predict_next(ids, self._masks(positions, kept), positions)
        apart = torch.log_softmax(alone, dim=-1) - torch.log_softmax(whole, dim=-1)
        return float(apart.abs().max())


def _near(one, other) -> bool:
    """Whether two tensors are the same but for rounding, in any precision."""
    return bool((one.float() - other.float()).norm() <= 0.01 * other.float().norm())


def layer_windows(config) -> dict[str, int | None]:
    """Over how many tokens, itself included, each kind of layer looks back; None: over all.

    Kinds are named as in the `layer_types` of transformers.
    """
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        window = window if getattr(config, "use_sliding_window", True) else None
        kinds = ["sliding_attention" if window else "full_attention"]
    return {kind: window if kind == "sliding_attention" else None for kind in kinds}


def _after_nan(values):
    return np.concatenate([np.full(1, np.nan, dtype=np.float32), values])


def score_logits(logits, targets, out) -> None:
    """Negative log-likelihood and entropy of predictions, without a second copy of the logits.

    With x the logits less their maximum and s = Σ eˣ, the NLL is ln s − x_target and the entropy
    ln s − Σ x eˣ / s.

    Parameters
    ----------
    logits : (m, V) float32 tensor
        Overwritten.
    targets : (m,) int64 tensor
    out : (2, m) float32 tensor
        Receives NLL and entropy, nats.
    """
    logits -= logits.amax(dim=-1, keepdim=True)
    chosen = logits.gather(-1, targets[:, None])[:, 0]
    powers = torch.exp(logits)
    total = powers.sum(dim=-1)
    log_total = total.log()
    torch.sub(log_total, chosen, out=out[0])
    mean = powers.mul_(logits).sum(dim=-1) / total
    torch.sub(log_total, mean, out=out[1])


def check_attention(attentions, depth: int, n: int, name: str) -> None:
    """Stop unless every layer's attention weights are there, sum to 1 and see no later token.

    SDPA and flash attention return None, or nothing at all, without saying so; and an architecture
    that is half switched to eager attention may take its mask for numbers to add.
    """
    if attentions is None or len(attentions) != depth or any(a is None for a in attentions):
        raise InfogeoError(
            f"model {name!r}: no attention weights of all {depth} layers; the architecture has no "
            "eager attention. Set states.attention_texts to 0 to do without them."
        )
    for layer, weights in enumerate(attentions):
        shape = (1, weights.shape[1], n, n)
        off = (weights.float().sum(dim=-1) - 1).abs().max().item()
        later = weights.triu(diagonal=1).abs().max().item()
        if weights.shape != shape or not max(off, later) <= ROW_SUM[weights.dtype]:
            raise InfogeoError(
                f"model {name!r}, layer {layer}: attention weights of shape "
                f"{tuple(weights.shape)} whose rows sum to 1 only within {off:.2g}, and which "
                f"give later tokens up to {later:.2g}. "
                "Set states.attention_texts to 0 to do without them."
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the machine or the GPU, did not suffice."""
    said = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )


# ---------------------------------------------------------------- batches and states
def plan_blocks(lengths, most_tokens: int) -> list[range]:
    """Consecutive texts in blocks of at most so many tokens; a longer text is a block of its own.

    Parameters
    ----------
    lengths : sequence of int
    most_tokens : int
    """
    blocks, start, tokens = [], 0, 0
    for text, length in enumerate(lengths):
        if text > start and tokens + length > most_tokens:
            blocks.append(range(start, text))
            start, tokens = text, 0
        tokens += length
    return [*blocks, range(start, len(lengths))]


def plan_batches(lengths, batch_tokens: int) -> list[np.ndarray]:
    """Batches of texts of about equal length, longest first.

    Parameters
    ----------
    lengths : sequence of int
    batch_tokens : int
        Most tokens of a batch, padding included; a longer text is a batch of its own.

    Returns
    -------
    list of int64 ndarrays
        Indices of the texts of each batch; within a batch they rise.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, batch_tokens // int(lengths[order[start]]))
        batches.append(np.sort(order[start : start + size]))
        start += size
    return batches


def in_room(model: LanguageModel, run, batch, tokens, name) -> int:
    """Call run(batch), or run on its halves where memory does not suffice for the whole.

    A batch that was too large is told, and the model remembers it: later ones of as many tokens
    are halved at once.

    Parameters
    ----------
    model : LanguageModel
    run : callable
        Given a part of the batch.
    batch : sequence
    tokens : callable
        Number of tokens of a part of the batch, padding included.
    name : callable
        Names an item of the batch, for messages.

    Returns
    -------
    int
        How often a part was halved.

    Raises
    ------
    InfogeoError
        Where memory does not suffice for one item.
    """
    if len(batch) == 1 or tokens(batch) < model.too_many:
        try:
            run(batch)
            return 0
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise InfogeoError(
                    f"{name(batch[0])}: memory does not suffice for a forward pass over this text "
                    f"alone ({error})."
                ) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        model.too_many = tokens(batch)
        print(
            f"{model.name}: memory does not suffice for a batch of {model.too_many:,} tokens; "
            "batches of so many are run in halves from here on",
            flush=True,
        )
    middle = len(batch) // 2
    halves = batch[:middle], batch[middle:]
    return 1 + sum(in_room(model, run, half, tokens, name) for half in halves)


def make_room(model: LanguageModel, layers, rows: int) -> dict:
    """Memory for the states of so many tokens: layer -> (rows, d) tensor in the model's dtype.

    Pinned where there is a GPU, so that it can copy there while it is at work.
    """
    pinned = model.device.type == "cuda"
    return {
        layer: torch.empty((rows, model.widths[layer]), dtype=model.dtype, pin_memory=pinned)
        for layer in layers
    }


def _pieces(spans, longest: int) -> list[tuple[slice, slice]]:
    """(rows of the target, rows of a padded batch) to copy: of texts that adjoin in both, one."""
    pieces = []
    for place, span in enumerate(spans):
        start = place * longest
        stop = start + span.stop - span.start
        if pieces and (pieces[-1][0].stop, pieces[-1][1].stop) == (span.start, start):
            target, source = pieces.pop()
            span, start = slice(target.start, span.stop), source.start
        pieces.append((span, slice(start, stop)))
    return pieces


class Rows:
    """The states of some texts, one after another, and the passes that fill them in.

    Parameters
    ----------
    model : LanguageModel
    layers : list of str
    lengths : sequence of int, one per text
    doc_ids : sequence of str, one per text
        For messages.
    room : dict, optional
        Memory to use, from `make_room`: fresh memory costs about as much as filling it.
    likelihoods : bool
        Whether they are computed too.

    Attributes
    ----------
    offsets : (texts + 1,) int64 ndarray
    hidden : dict of layer -> (T, d) tensor on the CPU, in the dtype of the model
    nll, predictive_entropy : (T,) float32 ndarrays
    splits : int
        How often a batch was halved for want of memory.
    """

    def __init__(
        self, model: LanguageModel, layers, lengths, doc_ids, room=None, likelihoods: bool = True
    ):
        self.model, self.doc_ids, self.likelihoods = model, doc_ids, likelihoods
        self.offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        rows = int(self.offsets[-1])
        room = make_room(model, layers, rows) if room is None else room
        self.hidden = {layer: room[layer][:rows] for layer in layers}
        self.nll = np.full(rows, np.nan, dtype=np.float32)
        self.predictive_entropy = np.full(rows, np.nan, dtype=np.float32)
        self.splits = 0
        self._streams = {}  # of each GPU, the one on which states are copied to the CPU

    def run(self, texts, batch_tokens: int, told=lambda tokens: None) -> None:
        """Fill all rows, in batches of texts of about equal length.

        Parameters
        ----------
        texts : list of (n_i,) int ndarrays
            Token ids.
        batch_tokens : int
            See `plan_batches`.
        told : callable
            Told after every batch how many tokens are done.

        Raises
        ------
        InfogeoError
            Where memory does not suffice for one text, or a state is not finite.
        """
        done, lengths = 0, np.diff(self.offsets)
        for batch in plan_batches(lengths, batch_tokens):
            self.splits += in_room(
                self.model,
                lambda part: self._run(part, [texts[text] for text in part]),
                batch,
                lambda part: len(part) * int(lengths[part].max()),
                lambda text: f"model {self.model.name!r}, text {self.doc_ids[text]!r}",
            )
            done += sum(len(texts[text]) for text in batch)
            told(done)
        self._await_copies()

    def _run(self, indices, texts):
        spans = [slice(self.offsets[index], self.offsets[index + 1]) for index in indices]
        pieces, total = _pieces(spans, max(map(len, texts))), None

        def keep(layer, hidden):  # (texts, longest, d)
            nonlocal total
            if layer in self.hidden:
                self._copy(hidden, self.hidden[layer], pieces)
            if layer == "final":
                total = hidden.sum(dtype=torch.float32)

        nll, entropy = self.model.run(texts, keep, self.likelihoods)
        for place, span in enumerate(spans):
            self.nll[span], self.predictive_entropy[span] = nll[place], entropy[place]
        # NaN and infinity stay in the residual stream to its end, and survive a sum: one number
        # clears a batch.
        if not torch.isfinite(total):
            self._require_finite(indices, spans)

    def _copy(self, hidden, target, pieces):
        """Copy pieces of a padded batch (texts, longest, d) to rows of the target on the CPU.

        A GPU copies them on a stream of its own while it is at work on the next layer.
        """
        rows = hidden.flatten(0, 1)  # (texts · longest, d)
        device, copying = rows.device, contextlib.nullcontext()
        if device.type == "cuda":
            rows = rows.clone()  # later layers may write where this was
            if device not in self._streams:
                self._streams[device] = torch.cuda.Stream(device)
            self._streams[device].wait_stream(torch.cuda.current_stream(device))
            rows.record_stream(self._streams[device])
            copying = torch.cuda.stream(self._streams[device])
        with copying:
            for to, of in pieces:
                target[to].copy_(rows[of], non_blocking=True)

    def _await_copies(self):
        for stream in self._streams.values():
            stream.synchronize()

    def _require_finite(self, indices, spans):
        self._await_copies()
        for index, span in zip(indices, spans, strict=True):
            for layer, hidden in self.hidden.items():
                if not torch.isfinite(hidden[span]).all():
                    raise self._not_finite(layer, self.doc_ids[index])
        for index, span in zip(indices, spans, strict=True):  # what went wrong is not kept
            if self.likelihoods and not np.isfinite(self.nll[span][1:]).all():
                raise self._not_finite("final", self.doc_ids[index])

    def _not_finite(self, layer, doc_id):
        cause = (
            "float16 ends at 65504: set the model's dtype to bfloat16 or float32 in the models "
            "table."
            if self.model.dtype == torch.float16
            else "The weights may be damaged, or the dtype may not suit this model."
        )
        return InfogeoError(
            f"model {self.model.name!r}, layer {layer}, text {doc_id!r}: hidden states are not "
            f"finite. {cause}"
        )


def states(model: LanguageModel, encoded: Encoded, doc_ids, layers, batch_tokens: int):
    """Hidden states straight from forward passes; nothing is stored, and no logits are made.

    Parameters
    ----------
    model : LanguageModel
    encoded : Encoded
    doc_ids : sequence of str, one per text
    layers : list of str
    batch_tokens : int
        See `plan_batches`.

    Yields
    ------
    text : int
    layer : str
    Z : (n, d) float32 ndarray
        Layer by layer within blocks of texts.
    """
    model.check_texts(encoded)
    per_token = sum(model.widths[layer] for layer in layers) * model.dtype.itemsize
    for block in plan_blocks(encoded.lengths, BLOCK_BYTES // per_token):
        texts = [encoded.text(text) for text in block]
        names = [doc_ids[text] for text in block]
        rows = Rows(model, layers, [len(text) for text in texts], names, likelihoods=False)
        rows.run(texts, batch_tokens)
        for layer in layers:
            for place, text in enumerate(block):
                start, stop = rows.offsets[place : place + 2]
                yield text, layer, rows.hidden[layer][start:stop].float().numpy()
