"""Conversions on paper: what is planned, what is refused, and what a check of the result finds."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.models.conversion.cli import main
from deploy.models.conversion.errors import ConversionError
from deploy.models.conversion.formats import FORMATS, FP8, INT4, INT8, chosen_format
from deploy.models.conversion.plan import is_left_alone, make_plan
from deploy.models.conversion.verification import verify
from deploy.models.conversion.writing import check_disk, room_for, whole
from deploy.models.download.checksums import SUMS, read_sums, sha256_of
from deploy.models.safetensors_files import Tensor, read_weights
from deploy.models.shape import ShapeUnknown
from tests.stack import ROOT
from tests.unit.models.converted_folder import (
    converted_tensors,
    write_converted,
    write_safetensors,
)
from tests.vllm_server import CHECKPOINT

LONG = "x" * 5000
Q_PROJ = "model.layers.1.self_attn.q_proj"


def tensors(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {
        name.replace("__", "."): Tensor(dtype="BF16", shape=shape, begin=0, end=0)
        for name, shape in shapes.items()
    }


# --- The plan -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module",
    [
        "lm_head",
        "model.lm_head",
        "model.embed_tokens",
        "model.language_model.embed_tokens",
        "visual.blocks.0.attn.qkv",
        "model.visual.merger.mlp.0",
        "model.vision_tower.encoder.layers.0.mlp.fc1",
        "model.vision_model.encoder.layers.3.self_attn.k_proj",
        "model.connector.modality_projection.proj",
        "multi_modal_projector.linear_1",
    ],
)
def test_what_sees_and_what_names_tokens_is_left_alone(module):
    assert is_left_alone(module)


@pytest.mark.parametrize(
    "module",
    [
        "model.layers.0.self_attn.q_proj",
        "model.language_model.layers.63.mlp.down_proj",
        "model.text_model.layers.2.mlp.up_proj",
    ],
)
def test_the_language_model_is_converted(module):
    assert not is_left_alone(module)


@pytest.mark.parametrize(
    ("inputs", "group"), [((5120, 27648), 128), ((128, 320), 64), ((96, 128), 32)]
)
def test_the_largest_group_that_divides_all(inputs, group):
    first, second = inputs
    found = make_plan(
        {},
        tensors(
            model__layers__0__mlp__up_proj__weight=(second, first),
            model__layers__0__mlp__down_proj__weight=(first, second),
        ),
        format=INT4,
    )
    assert found.group == group


def test_sizes_of_32_billion_weights():
    # Qwen2.5-VL-32B's language model: https://huggingface.co/Qwen/Qwen2.5-VL-32B-Instruct.
    hidden, inner, pairs = 5120, 27648, 1024
    shapes = {"lm_head__weight": (152064, hidden), "model__embed_tokens__weight": (152064, hidden)}
    for layer in range(64):
        before = f"model__layers__{layer}__"
        for name, shape in {
            "self_attn__q_proj": (hidden, hidden),
            "self_attn__k_proj": (pairs, hidden),
            "self_attn__v_proj": (pairs, hidden),
            "self_attn__o_proj": (hidden, hidden),
            "mlp__gate_proj": (inner, hidden),
            "mlp__up_proj": (inner, hidden),
            "mlp__down_proj": (hidden, inner),
        }.items():
            shapes[f"{before}{name}__weight"] = shape
    planned = {name: make_plan({}, tensors(**shapes), format=FORMATS[name]) for name in FORMATS}
    assert planned["fp8"].source_bytes == pytest.approx(65.5e9, rel=0.01)
    assert planned["fp8"].target_bytes == pytest.approx(34.3e9, rel=0.01)
    assert planned["int4"].target_bytes == pytest.approx(19.2e9, rel=0.01)
    assert (planned["int4"].group, len(planned["fp8"].layers)) == (128, 448)


@pytest.mark.parametrize(
    ("config", "shapes", "weight_format", "said"),
    [
        ({"quantization_config": {"quant_method": "fp8"}}, {}, FP8, "quantized already"),
        ({"text_config": {"num_experts": 128}}, {}, FP8, "mixture of experts"),
        ({}, {"lm_head__weight": (64, 64)}, FP8, "no linear layers"),
        ({}, {"model__something__weight": (64, 64)}, FP8, "nothing is known of it"),
        ({}, {"model__layers__0__mlp__up_proj__weight": (64, 24)}, FP8, "16 doesn't divide"),
        ({}, {"model__layers__0__mlp__up_proj__weight": (64, 48)}, INT4, "take --quantize 8"),
        ({}, {"model__layers__0__mlp__up_proj__weight": (48, 64)}, INT4, "32 doesn't divide"),
    ],
)
def test_what_cannot_be_served_is_not_converted(config, shapes, weight_format, said):
    with pytest.raises(ConversionError, match=said):
        make_plan(config, tensors(**shapes), format=weight_format)


def test_the_format_follows_from_the_bits():
    assert chosen_format(bits=8, name=None) is FP8
    assert chosen_format(bits=8, name="int8") is INT8
    assert chosen_format(bits=4, name=None) is INT4
    with pytest.raises(ConversionError, match="give fp8 or int8"):
        chosen_format(bits=8, name="int4")


# --- The check ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("original", [CHECKPOINT, None], ids=["compared", "alone"])
def test_a_whole_one_is_found_whole(tmp_path, weight_format, original):
    folder = write_converted(tmp_path / "model", weight_format)
    assert verify(folder, original=original) is weight_format


def found(folder: Path, *, original: Path | None = None) -> str:
    with pytest.raises(ConversionError) as error:
        verify(folder, original=original)
    sentence = str(error.value)
    assert sentence.endswith(".")
    return sentence


def changed(tmp_path: Path, change, *, weight_format=FP8) -> Path:
    made = converted_tensors(weight_format)
    change(made)
    return write_converted(tmp_path / "model", weight_format, tensors=made)


def test_a_truncated_file(tmp_path):
    folder = write_converted(tmp_path / "model", FP8)
    shard = folder / "model-00002-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 100)
    assert "model-00002-of-00002.safetensors is cut off: 100 bytes are missing" in found(folder)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (f"{Q_PROJ}.weight_scale", f"{Q_PROJ}.weight_scale is missing"),
        ("model.layers.3.self_attn", "Layer 3 is missing or cut off"),
        ("model.layers.3.", "Layer 3 is missing or cut off"),
        ("model.layers.2.mlp.up_proj.", "Layer 2 lacks mlp.up_proj"),
        ("model.layers.", "No layer of the language model"),
    ],
)
def test_a_missing_tensor_is_found_without_the_original(tmp_path, lost, said):
    def lose(made):
        for name in [name for name in made if name.startswith(lost)]:
            del made[name]

    assert said in found(changed(tmp_path, lose))


def test_a_missing_tensor_of_the_vision_tower_is_found_beside_the_original(tmp_path):
    (lost, *_) = [name for name in read_weights(CHECKPOINT) if name.startswith("visual.")]
    folder = changed(tmp_path, lambda made: made.pop(lost))
    assert f"{lost} is missing: the original has it" in found(folder, original=CHECKPOINT)


@pytest.mark.parametrize("start", ["visual.", "lm_head", "model.embed_tokens"])
def test_what_must_not_be_converted(tmp_path, start):
    def convert(made):
        name = next(
            name
            for name, (_, shape) in made.items()
            if name.startswith(start) and name.endswith(".weight") and len(shape) == 2
        )
        made |= {name: ("F8_E4M3", made[name][1]), f"{name}_scale": ("F32", (1, 1))}

    assert "is converted, and must not be" in found(changed(tmp_path, convert))


def test_a_layer_that_was_left_out(tmp_path):
    def restore(made):
        made[f"{Q_PROJ}.weight"] = ("F32", made[f"{Q_PROJ}.weight"][1])
        del made[f"{Q_PROJ}.weight_scale"]

    assert f"{Q_PROJ} and 0 others are not converted" in found(changed(tmp_path, restore))


@pytest.mark.parametrize("original", [CHECKPOINT, None], ids=["compared", "alone"])
def test_a_wrong_shape(tmp_path, original):
    def widen(made):
        made[f"{Q_PROJ}.weight"] = ("F8_E4M3", (256, 128))
        made[f"{Q_PROJ}.weight_scale"] = ("F32", (256, 1))

    sentence = found(changed(tmp_path, widen), original=original)
    assert f"{Q_PROJ} is 256 x 128 and config.json says 128 x 128" in sentence


def test_a_wrong_scale_and_a_wrong_type(tmp_path):
    def shorten(made):
        made[f"{Q_PROJ}.weight_scale"] = ("F32", (128, 1))

    sentence = found(changed(tmp_path, shorten, weight_format=INT4))
    assert f"{Q_PROJ}.weight_scale is F32 [128, 1], not a float [128, 2]" in sentence


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tokenizer.json", "no tokenizer"),
        ("preprocessor_config.json", "no preprocessor_config.json"),
        ("config.json", "config.json can't be read: No such file"),
        ("model-00001-of-00002.safetensors", "is missing"),
    ],
)
def test_a_missing_file(tmp_path, name, said):
    folder = write_converted(tmp_path / "model", INT8)
    (folder / name).unlink()
    assert said in found(folder)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "no quantization_config"),
        ({"quant_method": "awq"}, "quantized in another way"),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "int-quantized",
                "config_groups": {"g": {"weights": {"num_bits": 4}}},
            },
            "says 4 bits and int-quantized",
        ),
    ],
)
def test_a_configuration_of_something_else(tmp_path, told, said):
    folder = write_converted(tmp_path / "model", INT8)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": told}))
    assert said in found(folder)


def test_a_flipped_byte_is_found_by_the_checksums(tmp_path):
    with whole(tmp_path / "model", last=lambda _: None) as part:
        for path in write_converted(tmp_path / "made", FP8).iterdir():
            path.rename(part / path.name)
    folder = tmp_path / "model"
    assert verify(folder, original=CHECKPOINT) is FP8
    shard = folder / "model-00001-of-00002.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert "is damaged: its SHA-256" in found(folder)


# --- Writing --------------------------------------------------------------------------------------


def test_the_folder_appears_whole_with_its_checksums(tmp_path):
    target = tmp_path / "new" / "model"
    seen = []
    with whole(
        target, last=lambda part: seen.append(sorted(p.name for p in part.iterdir()))
    ) as part:
        (part / "weights").write_text("w")
        (part / "weights").chmod(0o600)
        (part / SUMS).write_text("those of the original")
        assert not target.exists()
    assert seen == [[SUMS, "weights"]]
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    assert read_sums(target) == {"weights": sha256_of(target / "weights")}
    assert (target / "weights").stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("when", ["while it is written", "while it is checked"])
def test_a_failure_leaves_nothing(tmp_path, when):
    def check(_):
        raise ConversionError("No.")

    with (
        pytest.raises((ConversionError, KeyboardInterrupt)),
        whole(tmp_path / "model", last=check) as part,
    ):
        (part / "weights").write_text("w")
        if when == "while it is written":
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_ended_leaves_nothing(tmp_path, how):
    program = """
import sys, time
from pathlib import Path
from deploy.models.conversion.cli import end_by_exception
from deploy.models.conversion.writing import whole
end_by_exception()
with whole(Path(sys.argv[1]), last=lambda _: None) as part:
    (part / "weights").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""
    # A shell makes what it runs in the background deaf to Ctrl-C.
    command = ["env", "--default-signal=INT", sys.executable, "-c", program]
    command.append(str(tmp_path / "model"))
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        assert run.stdout.readline() == b"writing\n"
        assert [path.name for path in tmp_path.iterdir()] == ["model.part"]
        run.send_signal(how)
        assert run.wait(timeout=120) != 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left_is_cleared_away(tmp_path):
    left = tmp_path / "model.part"
    (left / "deep").mkdir(parents=True)
    (left / "weights").write_text("half")
    with whole(tmp_path / "model", last=lambda _: None) as part:
        assert list(part.iterdir()) == []


def test_two_at_once_do_not_mix(tmp_path):
    with whole(tmp_path / "model", last=lambda _: None) as part:
        (part / "mine").write_text("x")
        with (
            pytest.raises(ConversionError, match="Another conversion is writing"),
            whole(tmp_path / "model", last=lambda _: None),
        ):
            pass
        assert (part / "mine").exists()
    assert (tmp_path / "model" / "mine").exists()


def test_the_disk_is_looked_at_first(tmp_path):
    check_disk(room_for(tmp_path / "not" / "there", weights=1))
    with pytest.raises(
        ConversionError, match=r"Not enough disk: .* are needed beside the original"
    ):
        check_disk(room_for(tmp_path / "not" / "there", weights=10**18))


# --- The command, with nothing installed ----------------------------------------------------------


def command(
    *arguments: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script by a Python that has no packages at all."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "scripts/convert_model.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_verify_only_alone_and_beside_the_original(tmp_path):
    folder = write_converted(tmp_path / "model-int8", INT8)
    alone = command("--model-path", folder, "--verify-only")
    assert (alone.returncode, alone.stdout) == (0, f"{folder} is whole: int8.\n")
    both = ["--model-path", CHECKPOINT, "--output", folder, "--verify-only"]
    assert command(*both).returncode == 0
    (folder / "tokenizer.json").unlink()
    broken = command(*both)
    assert broken.returncode == 1
    assert broken.stderr == (
        f"{folder} has no tokenizer (tokenizer.json): copy it from the original.\n"
    )


def test_a_downloaded_model_is_known_by_its_name(tmp_path):
    write_converted(tmp_path / "models" / "tiny", INT8)
    home = {"HOME": str(tmp_path)}
    for name in ("tiny", "~/models/tiny"):
        result = command("--model-path", name, "--verify-only", environment=home)
        assert result.returncode == 0, result.stderr
        assert "tiny is whole: int8" in result.stdout


def test_a_dry_run_says_what_it_takes_and_writes_nothing(tmp_path):
    result = command(
        "--model-path", CHECKPOINT, "--quantize", 4, "--output", tmp_path / "x", "--dry-run"
    )
    assert result.returncode == 0, result.stderr
    assert "28 layers to int4, a scale for each 64" in result.stdout
    assert "10.6 MB -> 8.0 MB" in result.stdout
    assert "Disk: 75.5 MB needed beside the original, " in result.stdout
    assert f" free at {tmp_path}.\n" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_kept(tmp_path):
    folder = write_converted(tmp_path / "model", FP8)
    same = command("--model-path", CHECKPOINT, "--output", folder)
    assert (same.returncode, "nothing to do" in same.stdout) == (0, True)
    other = command("--model-path", CHECKPOINT, "--output", folder, "--quantize", 4)
    assert other.returncode == 1
    assert "is there already and is fp8" in other.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("x")
    mine = command("--model-path", CHECKPOINT, "--output", tmp_path / "mine")
    assert mine.returncode == 1
    assert mine.stderr == (
        f"{tmp_path / 'mine'} is not empty and holds no converted model: name another folder with "
        "--output.\n"
    )
    (folder / "tokenizer.json").unlink()
    broken = command("--model-path", CHECKPOINT, "--output", folder)
    assert broken.returncode == 1
    assert "is there already and can't be used" in broken.stderr
    assert "Move it away, or name another folder" in broken.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--model-path", "/nowhere"], 2, "is no folder"),
        (["--model-path", "/" + LONG], 2, "… is no folder"),
        (["--model-path", CHECKPOINT, "--output", LONG], 1, "… can't be read: File name too long"),
        (["--model-path", ""], 2, "argument --model-path: it needs a value."),
        (["--model-path", CHECKPOINT, "--output", ""], 2, "argument --output: it needs a value."),
        (["--model-path", CHECKPOINT, "--dry-run", "--verify-only"], 2, "not allowed with"),
        (["--model-path", CHECKPOINT, "--quantize", 5], 2, "invalid choice"),
        (["--model-path", CHECKPOINT, "--quantize", 4, "--format", "fp8"], 1, "give int4"),
        (["--model-path", CHECKPOINT, "--output", CHECKPOINT], 1, "another folder"),
        (["--model-path", CHECKPOINT, "--output", CHECKPOINT / "x"], 1, "another folder"),
        (["--model-path", ROOT], 1, "config.json can't be read: No such file"),
        (["--model-path", CHECKPOINT, "--output", "/etc"], 1, "/etc is not empty and holds no"),
        (["--model-path", CHECKPOINT, "--output", "/etc/passwd"], 1, "/etc/passwd is a file: name"),
    ],
)
def test_bad_input_is_one_sentence(arguments, status, said):
    result = command(*arguments)
    assert result.returncode == status
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert LONG not in result.stderr


def test_a_read_only_place_is_said_before_the_work(tmp_path):
    """By the conversion and by the download, whose disk check is the same kind of look."""
    enter = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    mount = f"mount -t tmpfs -o ro none {tmp_path}"
    if subprocess.run([*enter, mount], capture_output=True, timeout=60).returncode:
        pytest.skip("this machine lets nobody make mount namespaces")
    target = tmp_path / "new" / "model"
    look = f"""
from pathlib import Path
from deploy.models.download.snapshot import Snapshot
from deploy.models.download.transfer import need_room
snapshot = Snapshot(source="s", repository="r", revision="v", commit="c", files=())
need_room(snapshot, folder=Path({str(target)!r}), present=0)
"""
    convert = ["scripts/convert_model.py", "--model-path", str(CHECKPOINT), "--dry-run"]
    for command_line, option in (
        ([*convert, "--output", str(target)], "--output"),
        (["-c", look], "--to"),
    ):
        done = subprocess.run(
            [*enter, f'{mount} && exec "$@"', "sh", sys.executable, *command_line],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert f"{tmp_path} can't be written: " in done.stderr
        assert option in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"text_config": "x"}, "text_config) is no JSON object."),
        ({"quantization_config": {"config_groups": 3}}, "quantized already"),
    ],
)
def test_an_odd_configuration_is_one_sentence(tmp_path, capsys, odd, said):
    folder = write_converted(tmp_path / "model", INT8)
    config = json.loads((CHECKPOINT / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | odd))
    arguments = ["--model-path", str(folder), "--output", str(tmp_path / "new"), "--dry-run"]
    assert main(arguments, become_converter=pytest.fail) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config_groups": 3}, "doesn't say how its weights are quantized"),
        ({"config_groups": {}}, "in another way"),
        ({"config_groups": {"group_0": {"weights": "x"}}}, "doesn't say how its weights"),
    ],
)
def test_odd_groups_are_one_sentence(tmp_path, change, said):
    folder = write_converted(tmp_path / "model", INT8)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConversionError, match=said):
        verify(folder, original=None)


def test_an_odd_head_size_is_one_sentence(tmp_path):
    folder = write_converted(tmp_path / "model", INT8)
    config = json.loads((folder / "config.json").read_text())
    config.get("text_config", config)["head_dim"] = {}
    config.get("text_config", config)["num_key_value_heads"] = math.inf
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ShapeUnknown, match="is no whole number"):
        verify(folder, original=None)


def test_a_name_in_the_weights_cannot_steer_the_terminal(tmp_path):
    name = "model.layers.0.\x1b]52;c;eA==\x07.weight"
    write_safetensors(tmp_path / "model.safetensors", {name: ("BF16", (64, 24))})
    (tmp_path / "config.json").write_text("{}")
    result = command("--model-path", tmp_path, "--dry-run")
    assert result.returncode == 1
    assert result.stderr.startswith("model.layers.0. ]52;c;eA==  is 64 x 24, which 16 doesn't")
    header = b'{"a\\u001b[2J":{"dtype":"U8","shape":[9],"data_offsets":[0,3]}}'
    content = len(header).to_bytes(8, "little") + header + b"123"
    (tmp_path / "model.safetensors").write_bytes(content)
    result = command("--model-path", tmp_path, "--dry-run")
    assert result.stderr == "model.safetensors is damaged: its header is wrong about a [2J.\n"
