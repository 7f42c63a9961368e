"""Networks from elsewhere, and to elsewhere: ``python -m sw.convert``.

One file per kind of source. What no network represents is refused in one line that names the layer
and the reason. PyTorch, onnx and nir are imported only when they are needed.
"""

from sw.convert.command import main
from sw.convert.errors import ConversionError
from sw.convert.nir_export import to_nir
from sw.convert.nir_import import from_nir
from sw.convert.pytorch import from_torch
from sw.convert.qonnx import from_qonnx

__all__ = ["ConversionError", "from_nir", "from_qonnx", "from_torch", "main", "to_nir"]
