"""`tiae-zoo convert redo`: archives of ReDO's authors as checkpoints."""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import Zoo
from tests.fakes import write_lfw
from tests.fakes.official_redo import archive
from tiae_zoo.methods import ReDO

ON_CPU = ("--trainer.accelerator", "cpu", "--data.num_workers", "0", "--trainer.precision", "32-true")
OPTIONS = argparse.Namespace(nMasks=2, nz=5, temperature=1)


def converted(path: str = "flowers.ckpt") -> ReDO:
    return ReDO.load_from_checkpoint(path, map_location="cpu", weights_only=True).eval()


def test_all_networks_in_one_archive(zoo: Zoo) -> None:
    official = archive(regions=3, dim_z=5, mask=12, generator=2, discriminator=4)
    options = argparse.Namespace(nMasks=3, nz=5, temperature=1)
    torch.save({**official, "options": options, "optimizerEncM": {"state": {}}}, "flowers_nets_state.pth")
    outcome = zoo("convert", "redo", "flowers_nets_state.pth", "--output", "flowers.ckpt")
    assert outcome.status == 0, outcome.err
    assert "num_regions 3" in outcome.out
    assert "Untrained" not in outcome.out
    method = converted()
    asked = {"num_regions": 3, "image_size": 128, "mask_width": 12, "generator_width": 2, "discriminator_width": 4}
    assert asked.items() <= method.hparams.items()
    assert method.hparams["dim_z"] == 5
    last = official["netEncM"]["out.mods.9.weight"]
    assert torch.equal(method.mask_network.decoder[-1].weight, last)
    assert torch.equal(method.encoder.codes.weight, official["netRecZ"]["net.dense.weight"])


def test_a_packed_archive_in_the_old_format(zoo: Zoo) -> None:
    buffer = io.BytesIO()
    torch.save({"netEncM": archive()["netEncM"], "options": OPTIONS}, buffer, _use_new_zipfile_serialization=False)
    with tarfile.open("lfw_netM_state.tar.gz", "w:gz") as packed:
        entry = tarfile.TarInfo("lfw_netM_state.pth")
        entry.size = buffer.tell()
        buffer.seek(0)
        packed.addfile(entry, buffer)
    outcome = zoo("convert", "redo", "lfw_netM_state.tar.gz")
    assert outcome.status == 0, outcome.err
    assert "Untrained, because no archive holds them: region generators G, discriminator D, latent" in outcome.out
    assert converted("lfw_netM_state.ckpt").segment(torch.rand(1, 3, 128, 128)).shape == (1, 2, 128, 128)
    assert Path("lfw_netM_state.ckpt").stat().st_size < 2e6


def test_a_converted_checkpoint_is_scored(zoo: Zoo, tmp_path: Path) -> None:
    write_lfw(tmp_path)
    torch.save(archive(), "nets.pth")
    assert zoo("convert", "redo", "nets.pth").status == 0
    command = ("test", "--config", "configs/redo_lfw.yaml", "--ckpt_path", "nets.ckpt")
    outcome = zoo(*command, *ON_CPU, "--data.root", str(tmp_path))
    assert outcome.status == 0, outcome.err
    assert "test/iou" in outcome.out


@pytest.mark.parametrize("each", [("netEncM",), ("netGenX",), ("netDX",), ("netRecZ",), ("netEncM", "netGenX")])
def test_networks_come_alone_or_in_several_archives(zoo: Zoo, each: tuple[str, ...]) -> None:
    official = archive(regions=2, dim_z=5)
    for network in each:
        torch.save({network: official[network], "options": OPTIONS}, f"{network}.pth")
    outcome = zoo("convert", "redo", *(f"{network}.pth" for network in each), "--output", "flowers.ckpt")
    assert outcome.status == 0, outcome.err
    assert converted().num_regions == 2
    assert ("Score it" in outcome.out) == ("netEncM" in each)
    redrawn = any(title.startswith("region") for title in converted().gallery({"image": torch.rand(1, 3, 128, 128)}))
    assert redrawn == ("netGenX" in each)


@pytest.mark.parametrize(
    ("regions", "dataset", "told"),
    [
        (2, None, ["redo_lfw.yaml"]),
        (2, "flowers", ["redo_flowers.yaml"]),
        (3, None, ["redo_lfw.yaml --model.num_classes 2", "redo_cmnist.yaml"]),
        (3, "cmnist", ["redo_cmnist.yaml"]),
        (3, "of my own", ["redo_lfw.yaml --model.num_classes 2", "redo_cmnist.yaml"]),
    ],
)
def test_the_commands_told_score_as_many_classes_as_the_data_has(
    zoo: Zoo, regions: int, dataset: str | None, told: list[str]
) -> None:
    torch.save({**archive(regions=regions), "options": argparse.Namespace(dataset=dataset)}, "nets.pth")
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 0, outcome.err
    commands = [line.partition(": tiae-zoo ")[2] for line in outcome.out.splitlines() if line.startswith("Score it")]
    assert commands == [f"test --config configs/{config} --ckpt_path nets.ckpt" for config in told]


def test_three_regions_are_scored_against_two_classes(zoo: Zoo, tmp_path: Path) -> None:
    write_lfw(tmp_path)
    torch.save({"netEncM": archive(regions=3)["netEncM"]}, "nets.pth")
    command = zoo("convert", "redo", "nets.pth").out.partition("classes: tiae-zoo ")[2].splitlines()[0]
    outcome = zoo(*command.split(), *ON_CPU, "--data.root", str(tmp_path))
    assert outcome.status == 0, outcome.err
    assert "test/iou" in outcome.out


@pytest.mark.parametrize("dim_z", [15, 16])  # 45 numbers, and 48, which would be 2 times 24 as well
@pytest.mark.parametrize("given", [{"nMasks": 3, "nz": None}, {"nz": ...}, {"nMasks": 3, "nz": ...}])
def test_an_encoder_alone_is_divided_as_its_options_say(zoo: Zoo, dim_z: int, given: dict[str, object]) -> None:
    options = argparse.Namespace(**{name: dim_z if value is ... else value for name, value in given.items()})
    torch.save({"netRecZ": archive(regions=3, dim_z=dim_z)["netRecZ"], "options": options}, "nets.pth")
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 0, outcome.err
    method = converted("nets.ckpt")
    assert (method.num_regions, method.dim_z) == (3, dim_z)


@pytest.mark.parametrize("beside", ["netEncM", "netGenX", "netDX", None])
def test_an_encoder_without_options_needs_masks_or_generators_beside_it(zoo: Zoo, beside: str | None) -> None:
    official = archive(regions=3, dim_z=16)
    files = ["netRecZ", beside] if beside else ["netRecZ"]
    for network in files:
        torch.save({network: official[network]}, network)
    outcome = zoo("convert", "redo", *files, "--output", "nets.ckpt")
    if beside in ("netEncM", "netGenX"):
        assert outcome.status == 0, outcome.err
        assert "num_regions 3" in outcome.out
        assert "dim_z 16" in outcome.out
    else:
        assert outcome.status == 1
        assert "gives 48 numbers, and nothing tells for how many regions. Give the netM or netX" in outcome.err


@pytest.mark.parametrize("order", [("netM", "netX"), ("netX", "netM")])
@pytest.mark.parametrize(
    ("option", "told"),
    [
        (
            {"temperature": 0.5},
            "netM is no weight archive of ReDO's authors that can be converted: its masks have",
        ),
        ({"nz": 7}, "do not belong together: the option nz of their trainings is"),
        ({"dataset": "lfw"}, "do not belong together: the option dataset of their trainings is"),
    ],
)
def test_options_that_differ_are_refused_in_either_order(
    zoo: Zoo, order: tuple[str, str], option: dict[str, object], told: str
) -> None:
    shared: dict[str, object] = {"nMasks": 2, "nz": 5, "temperature": 1, "dataset": "flowers"}
    for name, network, options in (("netM", "netEncM", shared | option), ("netX", "netGenX", shared)):
        torch.save({network: archive()[network], "options": argparse.Namespace(**options)}, name)
    outcome = zoo("convert", "redo", *order, "--output", "nets.ckpt")
    assert outcome.status == 1
    assert told in outcome.err
    assert not Path("nets.ckpt").exists()


def test_options_of_two_moments_of_one_training_agree(zoo: Zoo) -> None:
    for network, iteration, temperature in (("netEncM", 500, 1), ("netGenX", 1000, 1.0)):
        options = argparse.Namespace(nMasks=2, iteration=iteration, temperature=temperature)
        torch.save({network: archive()[network], "options": options}, network)
    outcome = zoo("convert", "redo", "netEncM", "netGenX", "--output", "nets.ckpt")
    assert outcome.status == 0, outcome.err


def test_networks_trained_without_attention_stay_without(zoo: Zoo) -> None:
    torch.save(archive(attention=False), "nets.pth")
    assert zoo("convert", "redo", "nets.pth", "--output", "flowers.ckpt").status == 0
    method = converted()
    assert float(method.discriminator.trunk[1].gate.detach()) == 0
    assert float(method.generators[0].attention.gate.detach()) == 0


def mistaken(what: str) -> dict[str, object]:
    official: dict[str, object] = dict(archive())
    networks = archive()
    match what:
        case "another residual block":
            return {"netEncM": networks["netEncM"] | {"cnn.4.blocs.0.weight": torch.zeros(8, 8, 3, 3)}}
        case "a missing tensor":
            return {"netEncM": {k: v for k, v in networks["netEncM"].items() if k != "psp.2.1.bias"}}
        case "regions that differ":
            return official | {"netEncM": archive(regions=3)["netEncM"]}
        case "codes that do not divide":
            return official | {"netRecZ": archive(dim_z=4)["netRecZ"]}
        case "a temperature":
            return official | {"options": argparse.Namespace(temperature=0.5)}
        case "options of other networks":
            return official | {"options": argparse.Namespace(nMasks=3)}
        case "an option that cannot be":
            return official | {"options": argparse.Namespace(nMasks=torch.ones(2))}
        case "one region":
            return {"netGenX": archive(regions=1)["netGenX"]}
        case "no numbers":
            return {"netEncM": networks["netEncM"] | {"psp.0.1.bias": torch.tensor([float("nan")])}}
        case "an infinite number":
            return {"netEncM": networks["netEncM"] | {"psp.1.1.bias": torch.tensor([float("inf")])}}
        case "text for a tensor":
            return {"netEncM": networks["netEncM"] | {"psp.0.1.bias": "text"}}
        case "text for a network":
            return {"netEncM": "text"}
        case "too few blocks":
            return {"netDX": {k: v for k, v in networks["netDX"].items() if not k.startswith("blocs.")}}
        case "no layer":
            return {"netGenX": networks["netGenX"] | {"net.0": torch.zeros(1)}}
        case "other names":
            return {"generator": networks["netGenX"], "epoch": 3}
    return {"netEncM": {"weight": torch.zeros(3)}}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("another residual block", "residuals.3.0.main.0.weight is left over"),
        ("a missing tensor", "mask_network.pyramid.projections.2.bias is missing"),
        ("regions that differ", "its netGenX has num_regions=2, another of its networks 3"),
        ("codes that do not divide", "its netRecZ gives 8 numbers, not 2 times 5"),
        ("a temperature", "temperature 0.5"),
        ("options of other networks", "its option nMasks is 3, but its networks have num_regions=2"),
        ("an option that cannot be", "its option nMasks cannot be tensor"),
        ("one region", "it has a single region, the whole image"),
        ("no numbers", "there is nan or inf in mask_network.pyramid.projections.0.bias"),
        ("an infinite number", "there is nan or inf in mask_network.pyramid.projections.1.bias"),
        ("text for a tensor", "its netEncM has a str under 'psp.0.1.bias', not a named tensor"),
        ("text for a network", "its netEncM is one str instead of named tensors"),
        ("too few blocks", "the discriminator D: there are only blocks for images of 4 px"),
        ("no layer", "generators.0. is left over"),
        ("other names", "none of the networks netEncM, netGenX, netDX, netRecZ, but generator, epoch"),
        ("other tensors", "its netEncM is not built like the mask network F"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(zoo: Zoo, what: str, told: str) -> None:
    torch.save(mistaken(what), "nets.pth")
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 1
    assert told in outcome.err
    assert not Path("nets.ckpt").exists()


class Evil:
    """Pickled, it writes a file when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, ("harmed",)


def test_code_in_a_file_is_not_run(zoo: Zoo) -> None:
    torch.save({"netEncM": Evil()}, "nets.pth")
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 1
    assert "without running code" in outcome.err
    assert not Path("harmed").exists()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnothing", b"PK\x03\x04 cut", b"a letter"])
def test_damaged_files_are_told(zoo: Zoo, content: bytes) -> None:
    Path("nets.pth").write_bytes(content)
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 1
    assert "nets.pth is no weight archive" in outcome.err


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9999])
def test_a_download_that_broke_off_is_told(zoo: Zoo, zipped: bool, share: float) -> None:
    torch.save(archive(), "whole.pth", _use_new_zipfile_serialization=zipped)
    whole = Path("whole.pth").read_bytes()
    Path("nets.pth").write_bytes(whole[: int(share * len(whole))])
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 1
    assert "it is damaged or incomplete, as after a download that broke off. Give a NAME_nets_state.pth" in outcome.err


def test_a_whole_file_of_another_program_is_not_told_as_damaged(zoo: Zoo) -> None:
    with zipfile.ZipFile("letter.docx", "w") as letter:
        letter.writestr("word/document.xml", "Dear reader")
    assert "it is no file of PyTorch" in zoo("convert", "redo", "letter.docx").err


def test_nothing_is_overwritten(zoo: Zoo) -> None:
    Path("nets.ckpt").write_text("mine", encoding="utf-8")
    torch.save(archive(), "nets.pth")
    outcome = zoo("convert", "redo", "nets.pth")
    assert outcome.status == 1
    assert "exists already" in outcome.err
    assert Path("nets.ckpt").read_text(encoding="utf-8") == "mine"


def test_a_missing_file_is_told(zoo: Zoo) -> None:
    assert "cannot be read" in zoo("convert", "redo", "nowhere.pth").err


@pytest.mark.skipif("TIAE_ZOO_GOLDEN" not in os.environ, reason="needs TIAE_ZOO_GOLDEN")
@pytest.mark.parametrize("name", ["redo_small", "redo_small3"])
def test_converted_weights_give_the_authors_masks_and_drawings(zoo: Zoo, name: str) -> None:
    golden = Path(os.environ["TIAE_ZOO_GOLDEN"])
    outcome = zoo("convert", "redo", str(golden / f"{name}_nets_state.pth"), "--output", "flowers.ckpt")
    assert outcome.status == 0, outcome.err
    method, io = converted(), load_file(golden / f"{name}_io.safetensors")
    with torch.no_grad():
        masks = method.segment((io["x"] + 1) / 2)
        redrawn, seen = method.redraw_images(io["x"], masks, io["z"], region=None)
        for found, expected in [
            (masks, io["masks"]),
            (redrawn, io["redrawn"]),
            (method.discriminator(redrawn), io["scores_fake"].squeeze(1)),
            (method.encoder(seen), io["z_recovered"]),
        ]:
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
