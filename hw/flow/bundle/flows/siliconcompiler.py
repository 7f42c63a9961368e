"""SiliconCompiler: a Python script that makes and runs the project."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from hw.flow.bundle.design import Design
from hw.flow.bundle.flows.base import Flow, Paths

__all__ = ["SiliconCompiler"]

_TARGETS = ("skywater130", "gf180", "freepdk45", "asap7", "ihp130")


class SiliconCompiler(Flow):
    """SiliconCompiler, its Python interface since 0.35."""

    name = "siliconcompiler"
    text = "SiliconCompiler: make.py"
    documentation = "https://docs.siliconcompiler.com/en/stable/"
    options: ClassVar[Mapping[str, Sequence[str]]] = {"target": _TARGETS}

    def files(self, design: Design, paths: Paths) -> Mapping[str, str]:
        sources = "".join(
            f'        design.add_file("{path}")\n'
            for path in (paths.rtl, paths.stubs)
            if path is not None
        )
        target = f"{design.options['target']}_demo"
        text = f'''"""{design.top}: a project for SiliconCompiler."""

from pathlib import Path

from siliconcompiler import ASIC, Design
from siliconcompiler.targets import {target}


def project() -> ASIC:
    """The project, not yet run."""
    design = Design("{design.top}")
    design.set_dataroot("{design.top}", str(Path(__file__).parent))
    with design.active_dataroot("{design.top}"), design.active_fileset("rtl"):
        design.set_topmodule("{design.top}")
{sources}    with design.active_dataroot("{design.top}"), design.active_fileset("sdc"):
        design.add_file("{paths.sdc}")
    result = ASIC()
    result.set_design(design)
    result.add_fileset("rtl")
    result.add_fileset("sdc")
    {target}(result)
    return result


if __name__ == "__main__":
    made = project()
    made.run()
    made.summary()
'''
        return {"make.py": text}

    def use(self, design: Design) -> Sequence[str]:
        return ["```sh", "pip install siliconcompiler", "python make.py", "```"]
