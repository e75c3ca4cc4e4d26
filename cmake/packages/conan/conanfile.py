"""Conan 2 recipe of carat, for the checkout that this file lies in."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain
from conan.tools.files import copy, load, rmdir

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")


class Carat(ConanFile):
    name = "carat"
    description = "Gemma 4 as a header-only C++20 template library"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"text": [True, False], "media": [True, False]}
    default_options = {"text": False, "media": False}
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(ROOT, "include", "carat", "version.hpp"))
        self.version = ".".join(re.search(r"Version version\{(\d+), (\d+), (\d+)\}", text).groups())

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "include/*", "cmake/*"):
            copy(self, pattern, ROOT, self.export_sources_folder)

    def requirements(self):
        for package in ("highway/[>=1.2]", "xsimd/[>=8.1]", "rapidjson/[*]"):
            self.requires(package, transitive_headers=True)
        if self.options.text:
            for package in ("sentencepiece/[>=0.1.97]", "utf8proc/[>=2.8]"):
                self.requires(package, transitive_headers=True, transitive_libs=True)
        if self.options.media:
            for package in ("eigen/[>=3.4]", "libsndfile/[>=1.2]", "soxr/[*]", "mpg123/[*]", "libpng/[>=1.6]",
                            "libjpeg-turbo/[*]", "giflib/[>=5.2]", "libwebp/[>=1.2]"):
                self.requires(package, transitive_headers=True, transitive_libs=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for what in ("EXAMPLES", "TESTS", "BENCH"):
            toolchain.cache_variables[f"CARAT_BUILD_{what}"] = False
        for part in ("text", "media"):
            toolchain.cache_variables[f"CARAT_{part.upper()}"] = "ON" if self.options.get_safe(part) else "OFF"
        includes = self.dependencies["highway"].cpp_info.includedirs
        toolchain.cache_variables["CARAT_HIGHWAY_DIR"] = includes[0]
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "share", "pkgconfig"))  # names folders of this machine

    def package_id(self):  # the options decide which headers there are
        self.info.settings.clear()
        self.info.requires.clear()

    def package_info(self):
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_find_mode", "none")  # carat brings its own package
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "carat")]
