"""The Conan recipe: packages that hold different headers have different ids, and a compiler makes none."""
import importlib.util
import sys
import types
from pathlib import Path

recipe = Path(sys.argv[1])

# What the recipe imports of Conan.
for name, things in {"conan": ["ConanFile"],
                     "conan.tools": [],
                     "conan.tools.build": ["check_min_cppstd"],
                     "conan.tools.cmake": ["CMake", "CMakeDeps", "CMakeToolchain"],
                     "conan.tools.files": ["copy", "load", "rmdir"]}.items():
    module = types.ModuleType(name)
    for thing in things:
        setattr(module, thing, type(thing, (), {}))
    sys.modules[name] = module
spec = importlib.util.spec_from_file_location("recipe", recipe)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


class Info:
    """The parts of a package's id, as Conan 2's `self.info` has them."""

    def __init__(self, text):
        self.settings = {"compiler": "gcc"}
        self.options = {"text": text}
        self.requires = {"highway": "1.2"}

    def clear(self):
        for part in (self.settings, self.options, self.requires):
            part.clear()


def package_id(text):
    carat = module.Carat()
    carat.info = Info(text)
    carat.package_id()
    return carat.info


assert package_id(True).options != package_id(False).options, "the option text makes no other package"
assert not package_id(True).settings, "headers depend on a compiler"
assert not package_id(True).requires, "headers depend on the version of a package"
