"""Cut the demo's shop out of UCI Online Retail 2011: a quarter of its customers, each with the whole history.

A customer belongs to the quarter if the first byte of SHA-256(customer id) is below 64: the same customers on every
machine. Columns and values stay as published; lines without a customer id and other customers' lines are left out.
Run from the repository root: `python benchmarks/build_demo_shop.py`.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow brings no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = "data/online_retail_2011.parquet"
TARGET: Final = ROOT / "src/offerlab/demo/data/online_retail_quarter.parquet"
LIMIT_BYTES: Final = 1_000_000
A_QUARTER: Final = 64  # of the 256 values of one byte


def source_file() -> Path:
    """The published table: below `OFFERLAB_SHARED`, else in a folder `shared` beside the repository."""
    given = os.environ.get("OFFERLAB_SHARED")
    folders = [Path(given)] if given else [ROOT.parent / "shared", ROOT.parents[1] / "shared"]
    for folder in folders:
        if (folder / SOURCE).is_file():
            return folder / SOURCE
    sys.exit(f"{SOURCE} is in none of {', '.join(map(str, folders))}; set OFFERLAB_SHARED")


def is_chosen(customer: int) -> bool:
    """Whether this customer belongs to the quarter."""
    return hashlib.sha256(str(customer).encode()).digest()[0] < A_QUARTER


def main() -> None:
    """Read, choose, write and say what came out."""
    lines = pd.read_parquet(source_file())
    known = lines[lines["CustomerID"].notna()]
    chosen = [customer for customer in known["CustomerID"].unique() if is_chosen(int(customer))]
    quarter = known[known["CustomerID"].isin(chosen)]
    table = pa.Table.from_pandas(quarter, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, TARGET, compression="zstd", compression_level=19, use_dictionary=True)
    size = TARGET.stat().st_size
    print(f"{len(chosen)} of {known['CustomerID'].nunique()} customers, {len(quarter)} lines, {size} bytes")
    if size >= LIMIT_BYTES:
        sys.exit(f"{TARGET.name} is not below {LIMIT_BYTES} bytes")


if __name__ == "__main__":
    main()
