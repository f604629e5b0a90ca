"""The ``__main__`` of the job's package: ``python3.N PACKAGE SPECIFICATION`` runs the driver out of it, wherever that is.

Compiled modules cannot be imported from a zip file, so it is unpacked for the driver's life. PySpark is the cluster's own, from
``SPARK_HOME``. It imports the standard library only, and nothing of what it has not unpacked yet.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
import zipfile
from pathlib import Path


def main() -> None:
    """Unpack the package, and run the streaming job with the specification that the command line names."""
    package = Path(sys.argv[0])
    with zipfile.ZipFile(package) as archive, tempfile.TemporaryDirectory(prefix="trending-job-") as place:
        wanted = json.loads(archive.read("package.json"))["python"]
        found = f"{sys.version_info.major}.{sys.version_info.minor}"
        if found != wanted:
            sys.exit(
                f"error: the package is for Python {wanted} and this is {found}\n  next: python{wanted} {package} SPECIFICATION"
            )
        archive.extractall(place)
        # In front, so that neither the working directory nor PYTHONPATH has a say.
        sys.path[:0] = [f"{place}/lib", *_pyspark()]
        sys.argv[0] = "trending.stream"
        runpy.run_module("trending.stream", run_name="__main__", alter_sys=True)


def _pyspark() -> list[str]:
    home = os.environ.get("SPARK_HOME")
    if not home:
        return []
    python = Path(home) / "python"
    return [str(python / "lib" / "pyspark.zip"), *map(str, sorted((python / "lib").glob("py4j-*.zip")))]


if __name__ == "__main__":
    main()
