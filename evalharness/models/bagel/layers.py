"""The language model: Qwen2 with two experts per layer, over packed sequences with separate pasts.

The understanding expert has Qwen2's parameter names, the generation expert the same names with ``_moe_gen``; the latter
processes the latents of images, clean or noisy. Attention is shared. (BAGEL's qwen2_navit.py, forward_inference.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2RMSNorm, apply_rotary_pos_emb

from evalharness.models.bagel.cache import View
from evalharness.models.bagel.config import LanguageSizes


@dataclass(frozen=True)
class Layout:
    """How the rows of a pass belong to its sequences.

    Attributes:
        split: number of rows, from the first, that the understanding expert processes.
        lengths: number of rows of each sequence.
        views: the past of each sequence.
        causal: whether a row attends only to the rows before it, or to all rows of its sequence.
        keep: whether the rows become part of the caches.
        order: permutation of the rows to sequence by sequence; ``None`` if they are in that order.
        back: the inverse of ``order``.
        padding: number of rows behind the last sequence, which belong to none.
    """

    split: int
    lengths: Sequence[int]
    views: Sequence[View]
    causal: bool
    keep: bool
    order: Tensor | None = None
    back: Tensor | None = None
    padding: int = 0

    def gather(self, x: Tensor) -> Tensor:
        return x if self.order is None else x[self.order.to(x.device)]

    def scatter(self, x: Tensor) -> Tensor:
        return x if self.back is None else x[self.back.to(x.device)]


class Experts(nn.Module):
    """A module whose parts exist twice: under their names, and with the suffix ``_moe_gen``."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[str, tuple[nn.Module, nn.Module]] = {}

    def add(self, name: str, part: Callable[[], nn.Module]) -> None:
        self._pairs[name] = part(), part()
        for suffix, module in zip(("", "_moe_gen"), self._pairs[name], strict=True):
            self.add_module(name + suffix, module)

    def through(self, name: str, x: Tensor, split: int) -> Tensor:
        """Apply the understanding expert's part to the first ``split`` rows, the generation expert's to the rest."""
        understanding, generation = self._pairs[name]
        if split == len(x):
            out: Tensor = understanding(x)
            return out
        return torch.cat([understanding(x[:split]), generation(x[split:])])


class Attention(Experts):
    """Grouped-query attention with a root-mean-square norm of each head's queries and keys."""

    def __init__(self, sizes: LanguageSizes, number: int) -> None:
        super().__init__()
        self.number = number
        self.width = sizes.head_width
        inner, outer = sizes.num_attention_heads * self.width, sizes.num_key_value_heads * self.width
        for name, out in (("q_proj", inner), ("k_proj", outer), ("v_proj", outer)):
            self.add(name, partial(nn.Linear, sizes.hidden_size, out))
        self.add("o_proj", partial(nn.Linear, inner, sizes.hidden_size, bias=False))
        for name in ("q_norm", "k_norm"):
            self.add(name, partial(Qwen2RMSNorm, self.width, eps=sizes.rms_norm_eps))

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], layout: Layout) -> Tensor:
        query, key, value = (
            self.through(name, x, layout.split).view(len(x), -1, self.width) for name in ("q_proj", "k_proj", "v_proj")
        )
        query, key = self.through("q_norm", query, layout.split), self.through("k_norm", key, layout.split)
        query, key, value = layout.gather(query), layout.gather(key), layout.gather(value)
        query, key = apply_rotary_pos_emb(query, key, *rope, unsqueeze_dim=1)
        new = torch.stack([key.to(value.dtype), value]).transpose(1, 2)  # (2, heads, rows, width)
        lengths = [*layout.lengths, layout.padding]
        queries = torch.split(query.to(value.dtype).transpose(0, 1), lengths, dim=1)
        keys_values = torch.split(new, lengths, dim=2)
        outputs = [  # not strict: the padding has no view
            self.attend(queries_of, new_of, view, layout)
            for queries_of, new_of, view in zip(queries, keys_values, layout.views, strict=False)
        ]
        if layout.padding:
            outputs.append(query.new_zeros(layout.padding, outputs[0].shape[1], dtype=outputs[0].dtype))
        return self.through("o_proj", layout.scatter(torch.cat(outputs)), layout.split)

    def attend(self, query: Tensor, new: Tensor, view: View, layout: Layout) -> Tensor:
        """Attention of one sequence to its past and itself: ``(heads, n, width)`` → ``(n, heads · width)``."""
        if layout.keep:
            keys, values = view.cache.put(self.number, new)
        else:
            keys, values = view.cache.joined(self.number, view.length, new)
        count, total = query.shape[1], keys.shape[1]
        mask = None
        if layout.causal and count > 1:
            mask = torch.ones(count, total, dtype=torch.bool, device=query.device).tril(total - count)
            # With a mask, CUDA's only kernel for grouped heads keeps all attention scores in memory.
            keys, values = (x.repeat_interleave(len(query) // len(x), dim=0) for x in (keys, values))
        out = scaled_dot_product_attention(query[None], keys[None], values[None], attn_mask=mask, enable_gqa=True)
        return out[0].transpose(0, 1).flatten(1)


class Layer(Experts):
    """A decoder layer: attention, then an MLP, each after a norm, each with two experts."""

    def __init__(self, sizes: LanguageSizes, config: Qwen2Config, number: int) -> None:
        super().__init__()
        self.self_attn = Attention(sizes, number)
        self.add("mlp", partial(Qwen2MLP, config))
        for name in ("input_layernorm", "post_attention_layernorm"):
            self.add(name, partial(Qwen2RMSNorm, sizes.hidden_size, eps=sizes.rms_norm_eps))

    @property
    def device(self) -> torch.device:
        return next(self._pairs["input_layernorm"][0].parameters()).device

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], layout: Layout) -> Tensor:
        x = x + self.self_attn(self.through("input_layernorm", x, layout.split), rope, layout)
        return x + self.through("mlp", self.through("post_attention_layernorm", x, layout.split), layout.split)


class Decoder(Experts):
    """Token embeddings, layers, and the last norm."""

    def __init__(self, sizes: LanguageSizes) -> None:
        super().__init__()
        config = qwen2_config(sizes)
        self.embed_tokens = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.layers = nn.ModuleList(Layer(sizes, config, number) for number in range(sizes.num_hidden_layers))
        self.add("norm", partial(Qwen2RMSNorm, sizes.hidden_size, eps=sizes.rms_norm_eps))

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], layout: Layout) -> Tensor:
        """Apply all layers, which may be on several devices.

        Args:
            x: ``(rows, width)``, the understanding expert's rows first.
            rope: cosines and sines of the positions, sequence by sequence.
            layout: how the rows belong to sequences.

        Returns:
            ``(rows, width)`` on the device of ``x``.
        """
        first_device = x.device
        for layer in self.layers:
            assert isinstance(layer, Layer)
            device = layer.device
            if device != x.device:
                x, rope = x.to(device), (rope[0].to(device), rope[1].to(device))
            x = layer(x, rope, layout)
        return self.through("norm", x.to(first_device), layout.split)


class LanguageModel(nn.Module):
    """A decoder and its head, under the names of the checkpoint."""

    def __init__(self, sizes: LanguageSizes) -> None:
        super().__init__()
        self.model = Decoder(sizes)
        self.lm_head = nn.Linear(sizes.hidden_size, sizes.vocab_size, bias=False)


def qwen2_config(sizes: LanguageSizes) -> Qwen2Config:
    """The config that transformers' modules read."""
    return Qwen2Config(
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_attention_heads=sizes.num_attention_heads,
        num_hidden_layers=sizes.num_hidden_layers,
        num_key_value_heads=sizes.num_key_value_heads,
        vocab_size=sizes.vocab_size,
        hidden_act=sizes.hidden_act,
        rms_norm_eps=sizes.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": sizes.rope_theta},
    )
