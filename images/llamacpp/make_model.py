"""Make the toy model that kit's own tests and demonstrations serve: DeepSeek R1's shape at a few million weights.

    python make_model.py OUT_DIR

OUT_DIR then holds `model.gguf` (llama.cpp architecture `deepseek2`: latent attention, routed and shared experts) and,
beside it, the same tokenizer as HuggingFace files. The weights are noise, so the text is noise; what is real is the
work per token. The same bytes come out on every machine: every weight is an integer from SHAKE-256 over a power of two.
The digests are pinned in `model.sha256`; files that differ from it are refused, never replaced.

Only whole words are ever generated: each is visible ASCII text, so a server that streams token by token sends text with
every token. The end of the text is never generated: an answer always has the length asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gguf
import numpy as np
import toy_vocabulary as toy

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED: Final = "kit toy model 1"
PINNED: Final = Path(__file__).with_name("model.sha256")
MANIFEST: Final = "model.sha256"
NAME: Final = "kit-toy-deepseek2"

CONTEXT: Final = 32768
LAYERS: Final = 12
DENSE_LAYERS: Final = 1
EMBED: Final = 256
HEADS: Final = 16
Q_RANK: Final = 96
KV_RANK: Final = 64
NOPE: Final = 32
ROPE: Final = 16
VALUE: Final = 32
DENSE_FF: Final = 512
EXPERTS: Final = 16
EXPERTS_USED: Final = 8
SHARED_EXPERTS: Final = 1
EXPERT_FF: Final = 32
EXPERTS_SCALE: Final = 2.5
ROPE_BASE: Final = 10000.0
NORM_EPS: Final = 2.0**-20

Weights = np.ndarray[tuple[int, ...], np.dtype[np.floating]]


class ModelError(Exception):
    """The model could not be made, or is not the one that was pinned."""


def _noise(name: str, shape: tuple[int, ...], fan_in: int) -> Weights:
    """Weights of about 1 / sqrt(fan_in), exact in float16: bytes over the nearest power of two."""
    count = int(np.prod(shape))
    raw = np.frombuffer(hashlib.shake_256(f"{SEED}/{name}".encode()).digest(count), dtype=np.int8)
    # The bytes spread by about 74, near 2**6; sqrt(fan_in) is near 2**(bits / 2).
    shift = 6 + (fan_in.bit_length() // 2)
    return (raw.astype(np.float32) / np.float32(2**shift)).astype("<f2").reshape(shape)


def _tensors(vocabulary: toy.Vocabulary) -> dict[str, Weights]:
    """Every weight by its GGUF name; dimensions as numpy orders them, which is the reverse of GGUF's own order."""
    tensors: dict[str, Weights] = {}

    def matrix(name: str, *shape: int) -> None:
        tensors[f"{name}.weight"] = _noise(name, shape, fan_in=shape[-1])

    def norm(name: str, size: int) -> None:
        tensors[f"{name}.weight"] = np.ones(size, dtype="<f4")

    def experts(block: str, kind: str, width: int, *leading: int) -> None:
        matrix(f"{block}.ffn_gate{kind}", *leading, width, EMBED)
        matrix(f"{block}.ffn_up{kind}", *leading, width, EMBED)
        matrix(f"{block}.ffn_down{kind}", *leading, EMBED, width)

    # As large as what the layers add to it, or the next word would not depend on the last.
    tensors["token_embd.weight"] = _noise("token_embd", (vocabulary.size, EMBED), fan_in=1)
    norm("output_norm", EMBED)
    matrix("output", vocabulary.size, EMBED)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm", EMBED)
        matrix(f"{block}.attn_q_a", Q_RANK, EMBED)
        norm(f"{block}.attn_q_a_norm", Q_RANK)
        matrix(f"{block}.attn_q_b", HEADS * (NOPE + ROPE), Q_RANK)
        matrix(f"{block}.attn_kv_a_mqa", KV_RANK + ROPE, EMBED)
        norm(f"{block}.attn_kv_a_norm", KV_RANK)
        matrix(f"{block}.attn_k_b", HEADS, KV_RANK, NOPE)
        matrix(f"{block}.attn_v_b", HEADS, VALUE, KV_RANK)
        matrix(f"{block}.attn_output", EMBED, HEADS * VALUE)
        norm(f"{block}.ffn_norm", EMBED)
        if layer < DENSE_LAYERS:
            experts(block, "", DENSE_FF)
            continue
        # The router and its bias are float32 in DeepSeek's own conversions too.
        tensors[f"{block}.ffn_gate_inp.weight"] = _noise(f"{block}.ffn_gate_inp", (EXPERTS, EMBED), EMBED).astype("<f4")
        tensors[f"{block}.exp_probs_b.bias"] = np.zeros(EXPERTS, dtype="<f4")
        experts(block, "_exps", EXPERT_FF, EXPERTS)
        experts(block, "_shexp", EXPERT_FF * SHARED_EXPERTS)
    _forbid(tensors, vocabulary)
    return tensors


def _forbid(tensors: Mapping[str, Weights], vocabulary: toy.Vocabulary) -> None:
    """Leave only words to generate, without a bias the architecture does not have.

    The first dimension of the residual stream is made a constant: every token starts with 4 in it and no layer writes
    to it. An output row that reads only that dimension is then a bias: strongly negative for what must not appear.
    """
    for name, tensor in tensors.items():
        if ".attn_output." in name or ".ffn_down" in name:
            tensor[..., 0, :] = 0
    tensors["token_embd.weight"][:, 0] = 4
    output = tensors["output.weight"]
    output[:, 0] = 0
    for barred in (slice(vocabulary.first_word), slice(len(vocabulary.tokens), None)):
        output[barred] = 0
        output[barred, 0] = -1024


def _write_gguf(path: Path, vocabulary: toy.Vocabulary) -> None:
    """Write the model with what llama.cpp needs to know about it; the order of the calls is part of the bytes."""
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.DEEPSEEK2], endianess=gguf.GGUFEndian.LITTLE)
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_block_count(LAYERS)
    writer.add_leading_dense_block_count(DENSE_LAYERS)
    writer.add_embedding_length(EMBED)
    writer.add_feed_forward_length(DENSE_FF)
    writer.add_head_count(HEADS)
    # The latent is one key shared by all heads, as far as the cache is concerned.
    writer.add_head_count_kv(1)
    writer.add_q_lora_rank(Q_RANK)
    writer.add_kv_lora_rank(KV_RANK)
    writer.add_key_length(KV_RANK + ROPE)
    writer.add_value_length(KV_RANK)
    writer.add_key_length_mla(NOPE + ROPE)
    writer.add_value_length_mla(VALUE)
    writer.add_rope_dimension_count(ROPE)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(EXPERTS_USED)
    writer.add_expert_shared_count(SHARED_EXPERTS)
    writer.add_expert_feed_forward_length(EXPERT_FF)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_norm(value=True)
    writer.add_expert_weights_scale(EXPERTS_SCALE)
    writer.add_vocab_size(vocabulary.size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)

    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(toy.PRE_TOKENIZER)
    writer.add_token_list([*vocabulary.tokens, *toy.SPECIAL])
    normal, control = int(gguf.TokenType.NORMAL), int(gguf.TokenType.CONTROL)
    writer.add_token_types([normal] * len(vocabulary.tokens) + [control] * len(toy.SPECIAL))
    writer.add_token_merges([f"{left} {right}" for left, right in vocabulary.merges])
    writer.add_bos_token_id(vocabulary.special[toy.BEGIN])
    writer.add_eos_token_id(vocabulary.special[toy.END])
    # The chat template writes the begin token itself.
    writer.add_add_bos_token(value=False)
    writer.add_add_eos_token(value=False)
    writer.add_chat_template(toy.CHAT_TEMPLATE)
    for name, tensor in _tensors(vocabulary).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _companions(vocabulary: toy.Vocabulary) -> dict[str, dict[str, object]]:
    """Return the HuggingFace files beside the model, by name."""
    return {
        "tokenizer.json": toy.tokenizer_json(vocabulary),
        "tokenizer_config.json": toy.tokenizer_config(CONTEXT),
        "config.json": {
            "architectures": ["DeepseekV3ForCausalLM"],
            "model_type": "deepseek_v3",
            "dtype": "float16",
            "bos_token_id": vocabulary.special[toy.BEGIN],
            "eos_token_id": vocabulary.special[toy.END],
            "vocab_size": vocabulary.size,
            "max_position_embeddings": CONTEXT,
            "num_hidden_layers": LAYERS,
            "first_k_dense_replace": DENSE_LAYERS,
            "hidden_size": EMBED,
            "intermediate_size": DENSE_FF,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "q_lora_rank": Q_RANK,
            "kv_lora_rank": KV_RANK,
            "qk_nope_head_dim": NOPE,
            "qk_rope_head_dim": ROPE,
            "v_head_dim": VALUE,
            "n_routed_experts": EXPERTS,
            "num_experts_per_tok": EXPERTS_USED,
            "n_shared_experts": SHARED_EXPERTS,
            "moe_intermediate_size": EXPERT_FF,
            "norm_topk_prob": True,
            "routed_scaling_factor": EXPERTS_SCALE,
            "rms_norm_eps": NORM_EPS,
            "rope_theta": ROPE_BASE,
            "tie_word_embeddings": False,
        },
    }


def build(folder: Path) -> None:
    """Write every file of the model into an empty folder."""
    vocabulary = toy.Vocabulary()
    _write_gguf(folder / "model.gguf", vocabulary)
    for name, content in _companions(vocabulary).items():
        text = json.dumps(content, ensure_ascii=True, indent=1) + "\n"
        (folder / name).write_bytes(text.encode("ascii"))
    (folder / MANIFEST).write_text(manifest(folder), encoding="ascii")


def manifest(folder: Path) -> str:
    """Return the SHA-256 of every file of the model, as `sha256sum` writes and checks it."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def check(folder: Path) -> None:
    """Refuse a folder whose files are not exactly the pinned ones, naming each that is not."""
    pinned = {name: digest for digest, name in (line.split("  ", 1) for line in PINNED.read_text("ascii").splitlines())}
    present = {name: digest for digest, name in (line.split("  ", 1) for line in manifest(folder).splitlines())}
    faults = [
        f"{name}: pinned {pinned.get(name, 'not at all')}, found {present.get(name, 'nothing')}"
        for name in sorted({*pinned, *present})
        if pinned.get(name) != present.get(name)
    ]
    if faults:
        msg = f"{folder} is not the pinned model:\n  " + "\n  ".join(faults)
        raise ModelError(msg)


def make(out: Path) -> None:
    """Put the checked model at `out` in one step; a model that is already there is only checked."""
    if out.exists() and any(out.iterdir()):
        check(out)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        build(building)
        check(building)
        # mkdtemp keeps others out, who may be the user that a container runs as.
        building.chmod(0o755)
        try:
            building.rename(out)
        except OSError:
            if not out.is_dir():
                raise
            # Another process was first: what it made must be the same.
            check(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def main() -> int:
    """Make the model, or with --pin write the table of digests that later runs are held to."""
    parser = argparse.ArgumentParser(description="Make the toy model, or check one that is there.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--pin", action="store_true", help=f"rewrite {PINNED.name}; OUT_DIR is not made")
    options = parser.parse_args()
    try:
        if options.pin:
            with tempfile.TemporaryDirectory() as folder:
                build(Path(folder))
                PINNED.write_text(manifest(Path(folder)), encoding="ascii")
            return 0
        make(options.out)
    except (ModelError, OSError) as error:
        sys.stderr.write(f"make_model: {error}\n")
        return 1
    sys.stdout.write(f"{options.out}: {NAME}, as pinned\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
