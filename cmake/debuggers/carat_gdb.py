"""Pretty printers of carat for gdb: `source cmake/debuggers/carat_gdb.py`.

A View shows its shape and its first elements, half floats show their value, a LayerSet its layers.
"""
import re
import struct

import gdb
import gdb.printing
import gdb.types

ABI = r"carat::(?:v\d\w*::)?"  # the inline namespace of version and instruction set
DYNAMIC = 2**64 - 1
SHOWN = 64


def plain(type_):
    """A type's name without the inline namespace."""
    return re.sub(ABI, "carat::", str(type_))


def half(value):
    """bf16 and f16 as numbers; anything else as it is."""
    name = plain(gdb.types.get_basic_type(value.type))
    if name == "carat::bf16":
        return struct.unpack("<f", struct.pack("<I", int(value["bits"]) << 16))[0]
    if name == "carat::f16":
        return struct.unpack("<e", struct.pack("<H", int(value["bits"])))[0]
    return value


class Half:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "%g" % half(self.value)


class View:
    def __init__(self, value):
        self.value = value
        self.type = gdb.types.get_basic_type(value.type)

    def shape(self):
        # gdb hands out no parameter packs: the extents are the numbers that end the type's name.
        name = str(self.type)
        extents = re.search(r"((?:,\s*\d+u?l*)+)\s*>$", name).group(1)
        shape, at = [], 0
        for extent in map(int, re.findall(r"\d+", extents)):
            if extent == DYNAMIC:
                extent, at = int(self.value["sizes_"]["sizes"]["_M_elems"][at]), at + 1
            shape.append(extent)
        return shape

    def to_string(self):
        element = plain(self.type.template_argument(0))
        shape = ", ".join(str(n) for n in self.shape())
        where = "nowhere" if int(self.value["data_"]) == 0 else "%#x" % int(self.value["data_"])
        return "View<%s> [%s] at %s" % (element, shape, where)

    def children(self):
        if int(self.value["data_"]) == 0:
            return
        count = 1
        for n in self.shape():
            count *= n
        for i in range(min(count, SHOWN)):
            x = half((self.value["data_"] + i).dereference())
            yield "[%d]" % i, x

    def display_hint(self):
        return "array"


class LayerSet:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        words = self.value["words"]["_M_elems"]
        layers = [64 * w + b for w in range(4) for b in range(64) if int(words[w]) >> b & 1]
        return "{%s}" % ", ".join(map(str, layers))


def register(objfile=None):
    printers = gdb.printing.RegexpCollectionPrettyPrinter("carat")
    printers.add_printer("View", "^" + ABI + "View<.*>$", View)
    printers.add_printer("half", "^" + ABI + "(bf16|f16)$", Half)
    printers.add_printer("LayerSet", "^" + ABI + "LayerSet$", LayerSet)
    gdb.printing.register_pretty_printer(objfile, printers, replace=True)


register()
