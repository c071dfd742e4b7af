"""Prints the licences of what is linked into tidegate for the target that is named: one text, once, below the names
of the crates that have it. Their authors ask that it goes with the binary."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

NAMES = ("LICEN", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")


def linked(metadata):
    """The packages that the program is linked from: no build scripts, no tests, no macros."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, ahead = set(), [root]
    while ahead:
        here = ahead.pop()
        for dependency in nodes[here]["deps"]:
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            package = packages[dependency["pkg"]]
            macro = any("proc-macro" in target["kind"] for target in package["targets"])
            if normal and not macro and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                ahead.append(dependency["pkg"])
    return sorted((packages[name] for name in found), key=lambda package: package["name"])


def texts(package):
    """The texts in the package's own directory."""
    directory = Path(package["manifest_path"]).parent
    files = [file for file in directory.iterdir() if file.is_file() and file.name.upper().startswith(NAMES)]
    return [file.read_text(errors="replace").strip() for file in sorted(files)]


def main(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    packages = linked(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    owners = defaultdict(list)
    for package in packages:
        label = f"{package['name']} {package['version']} ({package['license']})"
        for text in texts(package) or ["The crate comes without the text of its licence."]:
            owners[text].append(label)
    for text, labels in owners.items():
        print("\n".join(labels), text, "=" * 80, sep="\n\n")


if __name__ == "__main__":
    main(sys.argv[1])
