"""Who made a cell: code, packages, processor and device, kept in every shard.

A dataset lists all that took part. Numbers of discrete weights and of compiled gradient descent do
not depend on the processor; those of torch do.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

import physbatch

_PACKAGES = ("numpy", "scipy", "numba", "torch", "xarray", "netCDF4")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Maker:
    """What a cell was made with; shards of older versions say the version alone."""

    source: str
    revision: str = UNKNOWN
    packages: str = UNKNOWN
    python: str = UNKNOWN
    platform: str = UNKNOWN
    device: str = UNKNOWN
    processor: str = UNKNOWN
    features: str = UNKNOWN

    @classmethod
    def of_shard(cls, attributes: Mapping[str, Any]) -> Maker:
        """The maker that the attributes of a shard name."""
        try:
            told = json.loads(str(attributes["made_by"]))
            return cls(**{field.name: str(told[field.name]) for field in dataclasses.fields(cls)})
        except (KeyError, ValueError, TypeError, RecursionError):
            return cls(str(attributes.get("source", UNKNOWN)))

    def to_json(self) -> str:
        """What `of_shard` reads."""
        return json.dumps(dataclasses.asdict(self))

    def __str__(self) -> str:
        return (
            f"{self.source} (revision {self.revision}) on {self.device}, {self.processor}, "
            f"{self.platform}, Python {self.python}, {self.packages}"
        )


@functools.cache
def here(revision: str, device: str) -> Maker:
    """This process, computing on a device with some state of the code."""
    name, features = _compiled_for()
    return Maker(
        source=f"physbatch {physbatch.__version__}",
        revision=revision,
        packages=" ".join(f"{name}={metadata.version(name)}" for name in _PACKAGES),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        processor=f"{_processor(device)} ({', '.join((name, *_libraries()))})",
        features=features,
    )


def _compiled_for() -> tuple[str, str]:
    """Name and features of the processor that numba compiles for."""
    import llvmlite.binding as llvm  # loads the compiler
    import numba

    settings: Any = numba.config
    name = settings.CPU_NAME or llvm.get_host_cpu_name()
    features = settings.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    return str(name), " ".join(sorted(f[1:] for f in features.split(",") if f.startswith("+")))


def _processor(device: str) -> str:
    """What the maker of the processor calls it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    if device == "cuda":
        import torch

        return f"{torch.cuda.get_device_name()}, {name}"
    return name


def _libraries() -> list[str]:
    """For which kind of processor the numerical libraries chose their code."""
    chosen = {f"{lib['internal_api']} {lib.get('architecture', '')}" for lib in threadpool_info()}
    names = sorted(name.strip() for name in chosen if name.startswith(("openblas", "blis")))
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        names.append(f"ATen {torch.backends.cpu.get_cpu_capability()}")
    return names


def attributes_of(makers: Counter[Maker]) -> dict[str, str]:
    """Attributes of a dataset: all makers, with the numbers of their cells."""
    ordered = sorted(makers.items(), key=lambda entry: (-entry[1], str(entry[0])))
    return {
        "source": _each(maker.source for maker, _ in ordered),
        "revision": _each(maker.revision for maker, _ in ordered),
        "package_versions": _each(maker.packages for maker, _ in ordered),
        "python_version": _each(maker.python for maker, _ in ordered),
        "platform": _each(maker.platform for maker, _ in ordered),
        "device": _each(maker.device for maker, _ in ordered),
        "processor": _each(maker.processor for maker, _ in ordered),
        "processor_features": _each(maker.features for maker, _ in ordered),
        "made_by": "; ".join(f"{cells} cells: {maker}" for maker, cells in ordered),
    }


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def differences(attributes: Mapping[str, Any], revision: str, device: str) -> list[str]:
    """In words, how this process differs from what made a dataset; older ones say less."""
    me = attributes_of(Counter([here(revision, device)]))
    names = {
        "source": "another version",
        "revision": "other code",
        "package_versions": "other packages",
        "device": "another device",
        "processor": "another processor",
    }
    words = [
        f"{what} ({attributes[name]}; this is {me[name]})"
        for name, what in names.items()
        if name in attributes and str(attributes[name]) != me[name]
    ]
    features = str(attributes.get("processor_features", me["processor_features"]))
    if features != me["processor_features"]:
        words.append("another processor (it can do other things)")
    if "revision" not in attributes:
        words.append("other code (from before its revision was kept in files)")
    return words
