"""report.html is well-formed, needs nothing beside itself and shows hostile texts as texts."""

import base64
import html.parser
import os
import subprocess
import tempfile
import unittest

import cv2
import numpy as np

HOSTILE = "<script>alert('x')</script>"
VOID = {"meta", "img", "link", "br", "hr", "input"}  # the elements of HTML that are never closed


class Page(html.parser.HTMLParser):
    """Checks while it reads that tags nest; keeps elements and texts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.errors = [], [], []
        self.texts = []
        self.feed(text)
        self.close()
        if self.open:
            self.errors.append("never closed: %s" % self.open)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) < len(attrs):
            self.errors.append("an attribute twice in %s" % tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        # Only the elements of SVG may close themselves.
        self.elements.append((tag, dict(attrs)))
        if "svg" not in self.open:
            self.errors.append("<%s/> outside of svg" % tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append("unexpected </%s> at line %d" % (tag, self.getpos()[0]))

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self):
        return " ".join(self.texts)


class ReportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.output = subprocess.run(
            ["tests/training/report/write_report", cls.folder.name],
            stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
        cls.pages = {}
        cls.raw = {}
        for name in os.listdir(cls.folder.name):
            with open(os.path.join(cls.folder.name, name, "report.html"), encoding="utf-8") as file:
                cls.raw[name] = file.read()
            cls.pages[name] = Page(cls.raw[name])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_page_is_well_formed(self):
        self.assertEqual(sorted(self.pages), ["empty", "full", "hundred", "many", "one_epoch"])
        for name, page in self.pages.items():
            with self.subTest(name):
                self.assertTrue(self.raw[name].startswith("<!DOCTYPE html>"))
                self.assertEqual(page.errors, [])

    def test_the_checker_sees_what_is_wrong(self):
        self.assertTrue(Page("<p><b></p></b>").errors)
        self.assertTrue(Page("<p>").errors)
        self.assertTrue(Page("<p/>").errors)
        self.assertFalse(Page("<p><img alt=''></p>").errors)

    def test_nothing_outside_of_the_page_is_asked_for(self):
        for name, page in self.pages.items():
            with self.subTest(name):
                for tag, attributes in page.elements:
                    self.assertNotIn(tag, ["script", "link", "iframe", "object"])
                    self.assertNotIn("href", attributes)
                    self.assertFalse([a for a in attributes if a.startswith("on")], attributes)
                    self.assertTrue(attributes.get("src", "data:").startswith("data:"))
                for word in ["url(", "http:", "https:", "@import"]:
                    self.assertFalse(word in self.raw[name], word)

    def test_hostile_texts_are_shown_as_they_are(self):
        page = self.pages["full"]
        self.assertFalse("<script" in self.raw["full"])
        # Title twice, subtitle, figures twice, chart, set, class twice, pairs, layer, note, ...
        self.assertGreaterEqual(page.text().count(HOSTILE), 12)
        cells = [a["title"] for a in page.named("td") if HOSTILE in a.get("title", "")]
        self.assertIn("%s as %s: 7 of 10" % (HOSTILE, HOSTILE), cells)

    def test_all_pictures_decode_to_their_sizes(self):
        pictures = self.pages["full"].named("img")
        self.assertEqual(len(pictures), 6)
        for attributes in pictures:
            kind, data = attributes["src"].split(",")
            self.assertEqual(kind, "data:image/png;base64")
            image = cv2.imdecode(np.frombuffer(base64.b64decode(data, validate=True), np.uint8),
                                 cv2.IMREAD_UNCHANGED)
            self.assertEqual(image.shape[2], 4)
            width, height = int(attributes["width"]), int(attributes["height"])
            self.assertEqual(width % image.shape[1], 0)
            self.assertEqual(height * image.shape[1], width * image.shape[0])

    def picture(self, index):
        data = self.pages["full"].named("img")[index]["src"].split(",")[1]
        return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)

    def test_filters_are_tiles_with_clear_gaps(self):
        first = self.picture(0)  # 20 filters of 3 channels, 16 in a row, one pixel between
        self.assertEqual(first.shape, (7, 63, 4))
        self.assertTrue((first[3, :, 3] == 0).all())
        self.assertTrue((first[:3, 3::4, 3] == 0).all())
        self.assertTrue((first[:3, 0:3, 3] == 255).all())
        # Each filter is scaled by its largest weight, which becomes black or full.
        tile = first[:3, 0:3, :3]
        self.assertTrue(tile.max() == 255 or tile.min() == 0)
        zeros = self.picture(2)  # filters of zeros are white, not a division by zero
        self.assertEqual(set(zeros[zeros[:, :, 3] == 255].ravel()), {247, 255})

    def test_the_confusion_matrix_is_a_table(self):
        for name, classes in [("full", 3), ("hundred", 100)]:
            cells = [a for a in self.pages[name].named("td") if "as class" in a.get("title", "")]
            rights = [a for a in self.pages[name].named("td")
                      if a.get("class", "").startswith("right")]
            self.assertEqual(len(rights), classes)
            self.assertGreater(len(cells), classes)
        self.assertIn("class 1 taken for", " ".join(self.pages["full"].text().split()))
        # More classes than that are told by their mistakes alone.
        self.assertFalse([a for a in self.pages["many"].named("td") if "right" in
                          a.get("class", "")])
        self.assertIn("Most often confused", self.pages["many"].text())

    def test_warnings_are_marked(self):
        marked = [a["class"] for a in self.pages["full"].named("td")
                  if "warning" in a.get("class", "")]
        self.assertEqual(len(marked), 2)  # the step, and the objective that rises
        text = self.pages["full"].text()
        self.assertIn("⚠ 2.500", text)
        self.assertIn("⚠ 2 → 3 → 4 → … → 7", text)

    def test_curves_have_axes_and_a_legend(self):
        page = self.pages["full"]
        self.assertEqual(len(page.named("svg")), 3)
        self.assertEqual([a["aria-label"] for a in page.named("svg")],
                         ["Loss", "Accuracy", "Learning rate"])
        self.assertIn("validation", page.text())
        for tag in ["path", "circle", "line", "text"]:
            for attributes in page.named(tag):
                self.assertNotRegex(" ".join(attributes.values()), "nan|inf")
        for attributes in page.named("path"):
            self.assertTrue(attributes["d"].startswith("M"))
        self.assertEqual(len(self.pages["one_epoch"].named("svg")), 2)
        self.assertEqual(len(self.pages["one_epoch"].named("circle")), 2)

    def test_sizes_that_do_not_fit_are_refused(self):
        self.assertIn("8 entries: 9 expected for 3 classes", self.output)


if __name__ == "__main__":
    unittest.main()
