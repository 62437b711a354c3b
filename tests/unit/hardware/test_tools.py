"""What the vendors' tools print, in the forms that differ by their age."""

import json

import pytest

from deploy.hardware.amd import gfx_name, parse_amd_smi, parse_rocm_smi, parse_rocminfo
from deploy.hardware.nvidia import LIST, QUERY, cuda_version, parse_query, read_nvidia
from deploy.hardware.sources import RecordedMachine, ToolOutput, file_name_of, transcript

MIB = 1024**2


class TestNvidiaSmi:
    def test_several_cards(self):
        gpus, versions = parse_query(
            "0, NVIDIA L40S, 46068, 1, 580.95.05, 00000000:01:00.0, 8.9, [N/A]\n"
            "1, NVIDIA L40S, 46068, 9000, 580.95.05, 00000000:C1:00.0, 8.9, Enabled\n"
        )
        assert [gpu.index for gpu in gpus] == [0, 1]
        assert [gpu.used_bytes for gpu in gpus] == [MIB, 9000 * MIB]
        assert [gpu.partition for gpu in gpus] == ["", "MIG"]
        assert gpus[1].pci_address == "0000:c1:00.0"
        assert versions == ("580.95.05", "580.95.05")

    def test_values_that_a_card_does_not_have(self):
        line = "0, NVIDIA GB10, [N/A], [N/A], 580.142, 0000000F:01:00.0, [N/A], [N/A]"
        (gpu,), _ = parse_query(line)
        assert gpu.memory_bytes == 0
        assert gpu.used_bytes is None
        assert gpu.architecture == ""

    @pytest.mark.parametrize("text", ["", "No devices were found\n", "0, too, few\n"])
    def test_what_is_no_list(self, text):
        assert parse_query(text) == ((), ())

    @pytest.mark.parametrize(
        ("text", "version"),
        [
            ("DRIVER version      : 580.95.05\nCUDA Version        : 13.0\n", "13.0"),
            ("NVIDIA-SMI version  : 610.88\nCUDA UMD version    : 13.3\n", "13.3"),
            ("ERROR: Option --version is not recognized.\n", ""),
        ],
    )
    def test_the_newest_cuda(self, text, version):
        assert cuda_version(ToolOutput(code=0, stdout=text)) == version

    def test_no_tool(self):
        assert cuda_version(None) == ""

    def read(self, folder, *printed):
        """Read a machine whose nvidia-smi printed these answers."""
        for command, output in printed:
            path = folder / "tools" / file_name_of(command)
            path.parent.mkdir(exist_ok=True)
            path.write_text(transcript(command, output))
        return read_nvidia(RecordedMachine(folder))

    @pytest.mark.parametrize(
        ("listed", "gigabytes"),
        [
            ("  MIG 3g.40gb Device 0: (UUID: x)\n  MIG 1g.10gb Device 1: (UUID: y)\n", 38),
            ("", 0),
        ],
    )
    def test_a_divided_card_has_the_memory_of_its_largest_instance(
        self, tmp_path, listed, gigabytes
    ):
        line = "0, NVIDIA H100 80GB HBM3, 81559, 0, 580.95, 00000000:01:00.0, 9.0, Enabled\n"
        reading = self.read(
            tmp_path,
            (QUERY, ToolOutput(code=0, stdout=line)),
            (LIST, ToolOutput(code=0, stdout=f"GPU 0: NVIDIA H100 (UUID: z)\n{listed}")),
        )
        assert [gpu.memory_bytes for gpu in reading.gpus] == [gigabytes * 1024**3]

    @pytest.mark.parametrize(
        ("words", "loaded", "kind"),
        [
            ("Failed to initialize NVML: Insufficient Permissions", True, "rights"),
            ("Failed to initialize NVML: Driver/library version mismatch", True, "mismatch"),
            ("Failed to initialize NVML: Unknown Error", True, "tool"),
            ("couldn't communicate with the NVIDIA driver", False, "not loaded"),
        ],
    )
    def test_what_is_wrong_is_told_apart(self, tmp_path, words, loaded, kind):
        pci = tmp_path / "files" / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"
        pci.mkdir(parents=True)
        (pci / "vendor").write_text("0x10de\n")
        (pci / "class").write_text("0x030200\n")
        if loaded:
            (tmp_path / "files" / "sys" / "module" / "nvidia").mkdir(parents=True)
            (tmp_path / "files" / "sys" / "module" / "nvidia" / "version").write_text("580.95\n")
        reading = self.read(tmp_path, (QUERY, ToolOutput(code=9, stdout=words)))
        assert [problem.kind for problem in reading.driver.problems] == [kind]


class TestAmdSmi:
    @pytest.mark.parametrize("wrapped", [True, False])
    @pytest.mark.parametrize("size", [{"value": 24560, "unit": "MB"}, "24560 MB"])
    def test_both_forms(self, wrapped, size):
        entry = {
            "gpu": 0,
            "asic": {"market_name": "Radeon RX 7900 XTX", "target_graphics_version": "gfx1100"},
            "bus": {"bdf": "0000:C3:00.0"},
            "vram": {"type": "GDDR6", "size": size},
            "driver": {"name": "amdgpu", "version": "6.12.12"},
        }
        text = json.dumps({"gpu_data": [entry]} if wrapped else [entry])
        (gpu,), driver = parse_amd_smi(f"WARNING: something\n{text}\n")
        assert gpu.name == "Radeon RX 7900 XTX"
        assert gpu.memory_bytes == 24560 * MIB
        assert gpu.architecture == "gfx1100"
        assert gpu.pci_address == "0000:c3:00.0"
        assert driver == "6.12.12"

    def test_what_is_not_available(self):
        entry = {"gpu": 0, "asic": {"market_name": "N/A"}, "vram": {"size": "N/A"}}
        (gpu,), driver = parse_amd_smi(json.dumps([entry]))
        assert (gpu.name, gpu.memory_bytes, gpu.architecture) == ("", 0, "")
        assert driver == ""

    def test_no_json(self):
        with pytest.raises(ValueError, match="no JSON"):
            parse_amd_smi("ERROR: no devices")


class TestRocmSmi:
    def test_older_keys_and_no_system(self):
        text = json.dumps(
            {
                "card10": {"Card series": "Instinct MI210", "VRAM Total Memory (B)": "68702699520"},
                "card9": {"Card series": "0x740f", "Card model": "0x0c34"},
            }
        )
        gpus, driver = parse_rocm_smi(text)
        assert [gpu.name for gpu in gpus] == ["0x0c34", "Instinct MI210"]
        assert [gpu.memory_bytes for gpu in gpus] == [0, 68_702_699_520]
        assert driver == ""


class TestRocminfo:
    def test_processors_are_left_out(self):
        text = (
            "Agent 1\n  Name:   AMD EPYC\n  Device Type:  CPU\n  Size:  99(0x63) KB\n"
            "Agent 2\n  Name:   gfx942\n  Marketing Name:   AMD Instinct MI300X\n"
            "  Device Type:  GPU\n  Size:  201310208(0xbffc000) KB\n  Size:  64(0x40) KB\n"
        )
        (gpu,), _ = parse_rocminfo(text)
        assert gpu.name == "AMD Instinct MI300X"
        assert gpu.architecture == "gfx942"
        assert gpu.memory_bytes == 201_310_208 * 1024


@pytest.mark.parametrize(
    ("version", "name"),
    [(90402, "gfx942"), (90010, "gfx90a"), (110000, "gfx1100"), (120001, "gfx1201"), (0, "")],
)
def test_architecture_names(version, name):
    assert gfx_name(version) == name
