#!/usr/bin/python3
"""The arithmetic of bench/compare, and a whole run of it on a tiny checkpoint without a peer.

  proof_test.py [GENERATE]      the program, built for a tiny E2B
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import checkpoint
import engines
import quality
import report
import roofline

PROGRAM = None


class Arithmetic(unittest.TestCase):
    def test_ratio_is_the_median_of_the_pairs(self):
        s = engines.summary([[10, 5], [9, 3], [8, 8]])
        self.assertEqual((s["carat"], s["peer"], s["ratio"], s["low"], s["high"]), (9, 5, 2, 1, 3))
        self.assertEqual(engines.median([1, 2, 4, 10]), 3)

    def test_distance_of_known_distributions(self):
        p, q = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
        d = quality.distance(p + 3, q)          # a constant changes nothing
        self.assertAlmostEqual(d["kl_mean"], 0.25 * np.log(2))
        self.assertEqual(d["top1"], 0)
        self.assertEqual(quality.distance(p, p), dict(rows=1, kl_mean=0, kl_99=0, top1=1))

    def test_weights_counted_twice(self):
        for preset, weights in (("e2b", 4628569379), ("31b", 30697345340), ("26b-a4b", 25233141790)):
            sizes = checkpoint.Sizes(preset)
            self.assertEqual(sum(int(np.prod(shape)) for _, _, shape, _ in sizes.tensors()), weights)
        sizes = checkpoint.Sizes("e2b")
        self.assertEqual(sizes.token_macs(), 2279473152)
        self.assertEqual([sizes.token_bytes(k) for k in ("bf16", "q8_0", "q4_0")], [4560111244, 2435997724, 1303137180])

    def test_blocks_round_to_the_nearest(self):
        x = np.random.default_rng(1).standard_normal(32 * 50).astype(np.float32)
        q8, q4 = checkpoint.q8_0(x).reshape(-1, 34), checkpoint.q4_0(x).reshape(-1, 18)
        d8, d4 = (q[:, :2].copy().view("<f2").astype(np.float32) for q in (q8, q4))
        v8 = q8[:, 2:].view(np.int8) * d8
        v4 = (np.hstack([q4[:, 2:] & 15, q4[:, 2:] >> 4]).astype(np.float32) - 8) * d4
        self.assertLessEqual(np.max(np.abs(v8 - x.reshape(-1, 32)) / np.abs(d8)), 0.6)
        self.assertLessEqual(np.max(np.abs(v4 - x.reshape(-1, 32)) / np.abs(d4)), 1.01)


class WholeRun(unittest.TestCase):
    def test_measures_and_reports(self):
        if not PROGRAM:
            self.skipTest("no program given")
        with tempfile.TemporaryDirectory() as place:
            results = os.path.join(place, "results.json")
            subprocess.run([sys.executable, os.path.join(HERE, "..", "compare"), "--program", PROGRAM, "--preset", "e2b",
                            "--tiny", "--no-peer", "--parts", "start,speed,quality", "--formats", "q4_0", "--rounds", "1",
                            "--patience", "0", "--steps", "pp 40;tg 4 0;tg 4 40", "--threads", "1,2", "--work", place,
                            "--json", results], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with open(results) as f:
                result = json.load(f)
        self.assertEqual(len(result["speed"]), 6)
        self.assertTrue(all(run["carat"] > 0 for run in result["speed"]))
        self.assertGreater(result["start"][0]["peak_bytes"], result["start"][0]["planned_bytes"])
        rows = [q for q in result["quality"] if q["arithmetic"] == "fast"]
        self.assertEqual([q["rows"] for q in rows], [64, 64])
        # one program stands for all formats here, so only how tokens are read can make a difference
        self.assertTrue(all(q["kl_mean"] < 0.1 and q["top1"] > 0.8 for q in rows), rows)
        result["limits"] = {str(n): dict(f32=100 * n, bf16=200 * n, int8=400 * n, read=30 * n) for n in (1, 2)}
        result["limits"]["2"]["round_trip"] = 321
        self.assertEqual(report.text(result).count("decode at 40"), 2)
        self.assertEqual(report.text(result).count("and back in 321 ns"), 1)
        xml.dom.minidom.parseString(roofline.svg(result))
        with tempfile.TemporaryDirectory() as place:
            readme, lines = os.path.join(place, "README.md"), "<!-- a: written by bench/compare --readme a -->\nold\n<!-- a: to here -->"
            with open(readme, "w") as f:
                f.write(f"before\n{lines}\nafter\n")
            report.write_readme(result, "a", place)
            with open(readme) as f:
                words = f.read()
            self.assertTrue(words.startswith("before\n") and words.endswith("\nafter\n"))
            self.assertIn("decode at 40", words)
            self.assertNotIn("old", words)
            self.assertEqual(sorted(os.listdir(os.path.join(place, "results"))), ["a.json", "a.svg"])
            with self.assertRaises(SystemExit):
                report.write_readme(result, "b", place)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        PROGRAM = sys.argv.pop(1)
    unittest.main()
