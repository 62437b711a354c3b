"""Whether a model fits, and what is advised where it doesn't. Every advice is tried."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.models.advice import fitting_models, remedies, smaller
from deploy.models.catalogue import DEFAULT_MODEL, KNOWN_MODELS, find_model
from deploy.models.fit import Place, fit, largest_context

GIB = 1024**3
MI300X = Place(memory_bytes=196592 * 1024**2, gpus=1, context=4096)
CARD_80 = Place(memory_bytes=81559 * 1024**2, gpus=1, context=4096)
CARD_24 = Place(memory_bytes=24564 * 1024**2, gpus=1, context=4096)
DESKTOP = Place(memory_bytes=24 * GIB, gpus=0, context=4096)
MODEL = DEFAULT_MODEL.shape


def shape(name: str):
    return find_model(name).shape


class TestFit:
    def test_the_parts_add_up(self):
        found = fit(MODEL, MI300X)
        parts = found.weight_bytes + found.overhead_bytes + found.cache_bytes
        assert parts == found.budget_bytes == int(MI300X.memory_bytes * 0.9)
        assert found.cache_tokens == found.cache_bytes // (256 * 1024)
        assert found.sessions == found.cache_tokens // 4096

    def test_one_mi300x_holds_the_default_model_many_times_over(self):
        found = fit(MODEL, MI300X)
        assert found.fits
        assert 380_000 < found.cache_tokens < 440_000

    def test_weights_that_do_not_fit(self):
        found = fit(MODEL, CARD_24)
        assert (found.shortage, found.sessions, found.cache_tokens) == ("weights", 0, 0)
        assert found.cache_bytes < -40e9

    def test_a_context_that_does_not_fit(self):
        found = fit(MODEL, replace(CARD_80, context=32768))
        assert found.shortage == "context"
        assert found.cache_tokens > 0

    def test_heads_that_cannot_be_dealt_out(self):
        assert fit(MODEL, replace(MI300X, gpus=3)).shortage == "heads"

    def test_two_gpus_take_half_each(self):
        found = fit(MODEL, replace(CARD_80, gpus=2))
        assert found.weight_bytes == MODEL.weight_bytes // 2
        assert found.sessions > 10 * fit(MODEL, CARD_80).sessions

    def test_a_state_is_counted_for_each_session(self):
        hybrid = shape("qwen3.6-35b-a3b-fp8")
        found = fit(hybrid, CARD_80)
        assert found.sessions < found.cache_tokens // 4096

    def test_a_cpu_has_the_cache_that_is_set(self):
        found = fit(shape("smolvlm").as_dtype("float32"), replace(DESKTOP, cpu_cache_bytes=2 * GIB))
        assert found.cache_bytes == 2 * GIB
        assert found.budget_bytes == DESKTOP.memory_bytes

    def test_the_longest_context_is_the_longest(self):
        context = largest_context(MODEL, CARD_80)
        assert fit(MODEL, replace(CARD_80, context=context)).fits
        assert not fit(MODEL, replace(CARD_80, context=context + 256)).fits
        assert largest_context(MODEL, MI300X) == MODEL.max_context
        assert largest_context(MODEL, CARD_24) == 0

    @pytest.mark.parametrize(
        "wrong", [{"gpus": -1}, {"context": 0}, {"utilization": 0}, {"utilization": 1.01}]
    )
    def test_an_impossible_place_cannot_be_built(self, wrong):
        with pytest.raises(ValueError, match="A place has"):
            replace(MI300X, **wrong)


class TestRemedies:
    def test_none_where_it_fits(self):
        assert remedies(MODEL, MI300X, memories=[MI300X.memory_bytes]) == []

    def test_a_shorter_context_fits(self):
        place = replace(CARD_80, context=32768)
        first = remedies(MODEL, place, memories=[place.memory_bytes])[0]
        context = int(re.search(r"MODEL_MAX_TOKENS=(\d+)", first)[1])
        assert fit(MODEL, replace(place, context=context)).fits

    def test_more_gpus_that_are_there_fit(self):
        advice = remedies(MODEL, CARD_24, memories=[CARD_24.memory_bytes] * 4)
        gpus = int(re.search(r"Set TENSOR_PARALLEL_SIZE=(\d+): it fits on", advice[0])[1])
        assert fit(MODEL, replace(CARD_24, gpus=gpus)).fits
        assert not any(fit(MODEL, replace(CARD_24, gpus=fewer)).fits for fewer in range(1, gpus))

    def test_more_gpus_than_there_are_are_no_setting(self):
        advice = remedies(MODEL, CARD_24, memories=[CARD_24.memory_bytes])
        assert not any("TENSOR_PARALLEL_SIZE" in one for one in advice)
        gpus = int(re.fullmatch(r"It would take (\d+) GPUs of 25.8 GB\.", advice[-1])[1])
        assert fit(MODEL, replace(CARD_24, gpus=gpus)).fits

    def test_the_smallest_of_those_that_share_it_counts(self):
        model = shape("qwen2.5-vl-32b")
        place = replace(CARD_80, context=32768)
        alike = remedies(model, place, memories=[CARD_80.memory_bytes] * 2)
        assert any("TENSOR_PARALLEL_SIZE=2" in one for one in alike)
        unlike = remedies(model, place, memories=[CARD_80.memory_bytes, CARD_24.memory_bytes])
        assert not any("TENSOR_PARALLEL_SIZE" in one for one in unlike)

    def test_another_number_of_gpus_where_heads_do_not_divide(self):
        memories = [CARD_80.memory_bytes] * 3
        advice = remedies(MODEL, replace(CARD_80, gpus=3), memories=memories)
        assert advice[0].startswith("Set TENSOR_PARALLEL_SIZE=1: ")

    def test_numbers_of_four_bytes_on_a_gpu(self):
        model = shape("qwen2.5-vl-7b").as_dtype("float32")
        assert remedies(model, CARD_24)[0] == "Set MODEL_DTYPE=auto: then it fits."

    def test_quantizing_fits(self):
        place = replace(CARD_80, memory_bytes=48 * GIB)
        way = "Quantize it to 8 bits (scripts/convert_model.py --quantize 8 --format int8)."
        assert way in remedies(MODEL, place)
        # FP8, the usual 8 bits, is for what computes it.
        assert way.replace(" --format int8", "") in remedies(
            MODEL, replace(place, computes_fp8=True)
        )
        assert fit(MODEL.quantized_to(8), place).fits
        smaller = replace(place, memory_bytes=32 * GIB)
        assert any("to 4 bits" in one for one in remedies(MODEL, smaller))
        assert fit(MODEL.quantized_to(4), smaller).fits

    def test_what_is_quantized_is_not_quantized_again(self):
        advice = remedies(shape("qwen3.6-35b-a3b-fp8"), CARD_24)
        assert not any("Quantize" in one for one in advice)

    def test_models_that_fit_are_named_the_most_able_first(self):
        (named,) = [one for one in remedies(MODEL, CARD_24) if "Take another" in one]
        assert named.endswith("qwen3-vl-8b, qwen2.5-vl-7b, qwen3-vl-4b.")

    def test_models_that_the_disk_has_no_room_for_are_not_named(self):
        (named,) = smaller(replace(CARD_24, disk_bytes=12 * 10**9))
        assert named.endswith(": qwen3-vl-4b, qwen2.5-vl-3b, smolvlm.")
        (named,) = smaller(replace(CARD_24, disk_bytes=10**6))
        assert named == "Make room on the disk and take smolvlm, which fits and has 1.0 GB."
        downloaded = frozenset({"qwen2.5-vl-7b"})
        (named,) = smaller(replace(CARD_24, disk_bytes=10**6, downloaded=downloaded))
        assert named.endswith(": qwen2.5-vl-7b.")

    def test_fp8_is_named_where_it_is_computed(self):
        place = replace(CARD_80, memory_bytes=48 * GIB)
        assert not any("fp8" in model.name for model in fitting_models(place))
        named = fitting_models(replace(place, computes_fp8=True))
        assert named[0].name == "qwen3.6-35b-a3b-fp8"

    def test_where_nothing_fits(self):
        tiny = replace(CARD_24, memory_bytes=2 * GIB)
        assert remedies(MODEL, tiny)[0].startswith("No known model fits here")

    def test_a_cpu_with_a_larger_cache(self):
        small = shape("smolvlm").as_dtype("float32")
        place = replace(DESKTOP, context=8192 * 4)
        assert fit(small, place).shortage == "context"
        first = remedies(small, place)[0]
        space = int(re.fullmatch(r"Set VLLM_CPU_KVCACHE_SPACE=(\d+): then it fits.", first)[1])
        assert fit(small, replace(place, cpu_cache_bytes=space * GIB)).fits

    def test_a_cpu_with_half_the_numbers(self):
        model = shape("qwen2.5-vl-7b").as_dtype("float32")
        first, second, *_ = remedies(model, DESKTOP)
        assert first == "Set MODEL_DTYPE=bfloat16: then it fits."
        assert second.endswith("(scripts/convert_model.py --quantize 8 --format int8).")
        assert fit(model.as_dtype("bfloat16"), DESKTOP).fits


class TestKnownModels:
    def test_on_a_cpu_the_quickest_first_and_no_fp8(self):
        large = replace(DESKTOP, memory_bytes=1000 * GIB, cpu_cache_bytes=8 * GIB)
        names = [model.name for model in fitting_models(large)]
        assert names[0] == "smolvlm"
        assert "qwen3.6-35b-a3b-fp8" not in names
        assert DEFAULT_MODEL.name in names

    @pytest.mark.parametrize(
        ("name", "model"),
        [
            ("qwen2.5-vl-32b", "qwen2.5-vl-32b"),
            ("Qwen2.5-VL-32B", "qwen2.5-vl-32b"),
            ("Qwen/Qwen2.5-VL-32B-Instruct", "qwen2.5-vl-32b"),
            ("qwen/qwen2.5-vl-32b-instruct", "qwen2.5-vl-32b"),
            ("/srv/models/qwen3-vl-8b/", "qwen3-vl-8b"),
            ("/srv/Qwen3-VL-32B-Instruct", "qwen3-vl-32b"),
        ],
    )
    def test_names(self, name, model):
        assert find_model(name).name == model

    def test_a_name_that_is_none(self):
        assert find_model("qwen2.5-vl") is None

    def test_names_are_unique_and_say_what_they_are_for(self):
        names = [model.name for model in KNOWN_MODELS]
        assert len(set(names)) == len(names) == len({model.repository for model in KNOWN_MODELS})
        assert all(model.made_for and model.differs.endswith(".") for model in KNOWN_MODELS)

    def test_two_bytes_a_parameter_where_nothing_is_quantized(self):
        for model in KNOWN_MODELS:
            if not (model.estimated or model.shape.quantized):
                assert model.shape.weight_bytes == 2 * model.parameters

    def test_the_documents_name_each(self):
        text = (Path(__file__).resolve().parents[3] / "DEPLOY.md").read_text()
        for model in KNOWN_MODELS:
            assert f"`{model.name}`" in text

    def test_each_is_said_to_be_for_a_machine_that_it_fits(self):
        """The sizes of GPUs that `made_for` names, against the arithmetic."""
        for model in KNOWN_MODELS:
            for size in re.findall(r"(\d+) GB", model.made_for):
                place = replace(CARD_24, memory_bytes=int(size) * GIB * 98 // 100)
                assert fit(model.shape, place).fits, (model.name, size)
