"""Write the ONNX graph that `sightline.faces.products` runs.

    python -m infra.export.products sightline/faces/models

One node: the products, in whole numbers, of many rows of unsigned bytes with a few columns of
signed ones. NumPy has no such product; ONNX Runtime, which is there anyway, has it with the
processor's own byte instructions (VNNI on x86, UDOT on arm64). Needs onnx.
"""

import sys
from pathlib import Path

from onnx import TensorProto, helper

from infra.export.manifest import ship

FILE_NAME = "products.onnx"
OPSET, IR_VERSION = 17, 8  # what ONNX Runtime has read since 1.12
ABOUT = {
    "source": "no weights: one MatMulInteger node",
    "licence": "MIT, this project's own",
    "made_by": "infra/export/products.py",
}
ZERO = 128  # the byte that stands for nought in the rows


def graph() -> bytes:
    """(n, d) uint8 rows, less ZERO, times (d, m) int8 columns: (n, m) int32."""
    made = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMulInteger", ["rows", "columns", "zero"], ["products"])],
            "products",
            [
                helper.make_tensor_value_info("rows", TensorProto.UINT8, ["n", "d"]),
                helper.make_tensor_value_info("columns", TensorProto.INT8, ["d", "m"]),
            ],
            [helper.make_tensor_value_info("products", TensorProto.INT32, ["n", "m"])],
            [helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO])],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    data: bytes = made.SerializeToString()
    return data


if __name__ == "__main__":
    ship(Path(sys.argv[1]), FILE_NAME, graph(), ABOUT)
