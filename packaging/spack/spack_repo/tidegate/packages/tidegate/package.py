# SPDX-License-Identifier: (Apache-2.0 OR MIT)

from pathlib import Path

from spack_repo.builtin.build_systems.cargo import CargoPackage

from spack.package import *


class Tidegate(CargoPackage):
    """Measures and tunes the transfer of large research datasets to and from Storj, driven the way a
    Globus S3 storage gateway drives them."""

    # There is no release on a server yet: the source is the clone that holds this recipe.
    git = Path(__file__).resolve().parents[6].as_uri()

    license("MIT OR Apache-2.0")

    version("main", branch="main")

    depends_on("rust@1.95:", type="build")
    depends_on("c", type="build")

    @property
    def build_args(self):
        return ["--locked"]

    @run_after("install")
    def install_pages(self):
        tidegate = Executable(self.prefix.bin.tidegate)
        for shell, path in (
            ("bash", bash_completion_path(self.prefix) / "tidegate"),
            ("zsh", zsh_completion_path(self.prefix) / "_tidegate"),
            ("fish", fish_completion_path(self.prefix) / "tidegate.fish"),
        ):
            mkdirp(path.parent)
            with open(path, "w") as file:
                tidegate("completions", shell, output=file)
        mkdirp(self.prefix.man.man1)
        with open(self.prefix.man.man1.join("tidegate.1"), "w") as file:
            tidegate("man", output=file)
