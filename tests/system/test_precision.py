"""Which precision a device is given."""

from __future__ import annotations

import pytest
import torch

from contextssl.system.precision import choose_precision


@pytest.mark.parametrize(
    ("able", "intel", "expected"),
    [
        ({"avx512_f": True}, True, "32-true"),
        ({"avx512_bf16": True}, True, "32-true"),
        ({"avx512_bf16": True}, False, "bf16-mixed"),
        ({"avx512_bf16": True, "amx_bf16": True}, True, "bf16-mixed"),
        ({"arm_bf16": True}, False, "bf16-mixed"),
    ],
)
def test_a_cpu_that_gains_from_bf16_computes_in_it(
    able: dict[str, bool], intel: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr("contextssl.system.precision.processor", lambda: "Intel(R) Xeon(R) Processor" if intel else "AMD EPYC 9354")
    assert choose_precision("auto", "auto") == choose_precision("auto", "cpu") == expected
    assert choose_precision("16-mixed", "auto") == "16-mixed"


def test_a_cpu_that_is_kept_to_older_kernels_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    for kernels, expected in (("DEFAULT", "32-true"), ("AVX2", "32-true"), ("AVX512", "bf16-mixed")):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda kernels=kernels: kernels)
        assert choose_precision("auto", "cpu") == expected


def test_a_cpu_next_to_a_gpu_is_asked_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr("contextssl.system.precision._gains_from_bf16", lambda: False)
    assert [choose_precision("auto", name) for name in ("auto", "gpu", "cuda", "cpu", "mps")] == [*["bf16-mixed"] * 3, *["32-true"] * 2]
