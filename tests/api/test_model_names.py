from __future__ import annotations

from typing import Any

import pytest

from evalharness.api.model_names import asked_model, is_quantised, is_version_of, same_model


@pytest.mark.parametrize(
    ("answered", "asked", "same", "version"),
    [
        ("gpt-4o", "gpt-4o", True, True),
        ("openai/GPT-4o", "gpt-4o", True, True),
        ("/models/Qwen3.5-35B-A3B/", "Qwen/Qwen3.5-35B-A3B", True, True),
        ("gpt-4o-2024-08-06", "gpt-4o", False, True),
        ("claude-x-20250929", "anthropic/claude-x", False, True),
        ("gpt-4o-mini", "gpt-4o", False, False),
        ("gpt-4o-mini-2024-07-18", "gpt-4o", False, False),
        ("not-gpt-4o", "gpt-4o", False, False),
        ("Qwen3.5-35B-A3B-GPTQ-Int4", "Qwen3.5-35B-A3B", False, False),
        ("", "gpt-4o", False, False),
    ],
)
def test_names_are_compared_whole(answered: str, asked: str, same: bool, version: bool) -> None:
    assert same_model(answered, asked) == same_model(asked, answered) == same
    assert is_version_of(answered, asked) == version


@pytest.mark.parametrize(
    "end", ["-GPTQ-Int4", "-AWQ", "-FP8", "-NVFP4", ":Q4_K_M", "-8bit", "-w8a8", "-GGUF", "-bnb-4bit"]
)
def test_quantised_versions_are_other_models(end: str) -> None:
    assert is_quantised(f"x/Qwen3.5-35B-A3B{end}", "Qwen3.5-35B-A3B")
    assert not same_model(f"Qwen3.5-35B-A3B{end}", "Qwen3.5-35B-A3B")


@pytest.mark.parametrize("end", ["", "-Instruct", "-2507", "-Thinking", "-print4"])
def test_other_versions_are_not_called_quantised(end: str) -> None:
    assert not is_quantised(f"Qwen3.5-35B-A3B{end}", "Qwen3.5-35B-A3B")


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ({"name": "openai", "model": "gpt-4o"}, "gpt-4o"),
        ({"name": "replay", "judge": {"name": "openai", "model": "gpt-4o"}}, "gpt-4o"),
        ({"name": "lm-eval", "model": "hf-multimodal", "args": {"pretrained": "a/b"}}, "a/b"),
        ({"name": "lm-eval", "model": "local-chat-completions", "args": {"model": "b"}}, "b"),
        ({"name": "lm-eval", "model": "hf-multimodal", "args": {}}, "hf-multimodal"),
        ({"name": "rule"}, "rule"),
        ({}, "unnamed"),
    ],
)
def test_the_model_that_is_asked(identity: dict[str, Any], name: str) -> None:
    assert asked_model(identity) == name
