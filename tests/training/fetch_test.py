"""training/data/fetch.py on small files in folders and on a server of this machine: nothing is fetched from outside."""

import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

FETCH = os.path.abspath("training/data/fetch.py")

CIFAR10 = {"data_batch_%d.bin" % i: b"batch %d" % i * 1000 for i in range(1, 6)}
CIFAR10["test_batch.bin"] = b"test"
SVHN = {"train_32x32.mat": bytes(range(256)) * 1024, "test_32x32.mat": b"MATLAB"}


def archive(members, links=()):
    """A .tar.gz of {path: bytes} and (path, target of a symbolic link)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for path, target in links:
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.SYMTYPE
            entry.linkname = target
            tar.addfile(entry)
    return buffer.getvalue()


def cifar10_archive():
    return archive({"cifar-10-batches-bin/" + name: content for name, content in CIFAR10.items()})


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Server(http.server.ThreadingHTTPServer):
    """Serves {name: bytes} and notes which bytes were asked for; `cut` ends every answer after so many."""

    def __init__(self, files, ranges=True, cut=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges, self.cut, self.asked = files, ranges, cut, []
        self.url = "http://127.0.0.1:%d/mirror/" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        name = os.path.basename(self.path)
        asked = self.headers.get("Range")
        server.asked.append((name, asked))
        if name not in server.files:
            self.send_error(404)
            return
        content = server.files[name]
        begin = int(asked[len("bytes="):-1]) if asked and server.ranges else 0
        if begin and begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(content) - 1, len(content)))
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:][:server.cut])


class FetchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.to = os.path.join(self.folder, "data")

    def write(self, path, content):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def mirror(self, files):
        for name, content in files.items():
            self.write(os.path.join("mirror", name), content)
        return os.path.join(self.folder, "mirror")

    def checksums(self, files):
        lines = ["%s  %s\n" % (hashlib.md5(content).hexdigest(), name) for name, content in files.items()]
        return self.write("MD5SUMS", "".join(lines).encode())

    def run_fetch(self, *arguments):
        return subprocess.run(
            [sys.executable, FETCH, "--to", self.to, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)

    def good(self, *arguments):
        ended = self.run_fetch(*arguments)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended

    def refused(self, parts, *arguments):
        """The run ends with an error of one line that holds `parts`."""
        ended = self.run_fetch(*arguments)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertEqual(ended.stdout, "")
        lines = [line for line in ended.stderr.splitlines() if not line.startswith("fetching ")]
        self.assertEqual(len(lines), 1, ended.stderr)
        self.assertTrue(lines[0].startswith("fetch.py: "), lines)
        for part in parts:
            self.assertIn(part, lines[0])

    def assert_holds(self, name, files):
        self.assertEqual(sorted(os.listdir(self.to)), [name])
        folder = os.path.join(self.to, name)
        self.assertEqual(sorted(os.listdir(folder)), sorted(files))
        for file, content in files.items():
            self.assertTrue(read(os.path.join(folder, file)) == content, file)

    def test_archives_become_the_folders_that_training_reads(self):
        files = {"cifar-10-binary.tar.gz": cifar10_archive()}
        ended = self.good("cifar10", "--from", self.mirror(files), "--checksums", self.checksums(files))
        self.assertEqual(ended.stdout, "cifar10:%s/cifar10\n" % self.to)
        self.assert_holds("cifar10", CIFAR10)

    def test_single_files_lie_together_and_urls_of_folders_work(self):
        url = "file://" + self.mirror(SVHN)
        self.good("svhn", "--from", url, "--checksums", self.checksums(SVHN))
        self.assert_holds("svhn", SVHN)

    def test_several_data_sets_at_once(self):
        members = {"train.bin": b"a", "test.bin": b"b", "fine_label_names.txt": b"apple"}
        files = dict(SVHN)
        files["cifar-100-binary.tar.gz"] = archive(
            {"cifar-100-binary/" + name: content for name, content in members.items()})
        self.good("cifar100", "svhn", "--from", self.mirror(files), "--checksums", self.checksums(files))
        self.assertEqual(sorted(os.listdir(self.to)), ["cifar100", "svhn"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.to, "cifar100"))), sorted(members))

    def test_what_is_there_is_left_alone(self):
        self.good("svhn", "--from", self.mirror(SVHN), "--checksums", self.checksums(SVHN))
        train = os.path.join(self.to, "svhn", "train_32x32.mat")
        before = os.stat(train)
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        ended = self.good("svhn", "--from", empty)
        self.assertEqual(ended.stdout, "svhn:%s/svhn\n" % self.to)
        self.assertEqual(os.stat(train).st_mtime_ns, before.st_mtime_ns)
        os.remove(train)
        self.refused(["data/svhn", "without train_32x32.mat"], "svhn", "--from", self.mirror(SVHN))

    def test_a_wrong_checksum_is_named_and_leaves_nothing(self):
        checksums = self.checksums(SVHN)
        wrong = dict(SVHN, **{"test_32x32.mat": b"something else"})
        found = hashlib.md5(b"something else").hexdigest()
        expected = hashlib.md5(SVHN["test_32x32.mat"]).hexdigest()
        self.refused(["mirror/test_32x32.mat", found, expected], "svhn", "--from", self.mirror(wrong), "--checksums",
                     checksums)
        self.assertEqual(os.listdir(self.to), ["svhn.tmp"])
        self.assertEqual(os.listdir(os.path.join(self.to, "svhn.tmp")), ["train_32x32.mat"])
        # The right file continues; what was right is not fetched again.
        os.remove(os.path.join(self.mirror(SVHN), "train_32x32.mat"))
        self.good("svhn", "--from", os.path.join(self.folder, "mirror"), "--checksums", checksums)
        self.assert_holds("svhn", SVHN)

    def test_the_published_checksums_are_the_default(self):
        for name, file, published in [
                ("cifar10", "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
                ("cifar100", "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
                ("svhn", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373")]:
            self.refused([file, published], name, "--from", self.mirror({file: b"no data set"}))

    def test_bad_checksum_files_are_refused(self):
        mirror = self.mirror(SVHN)
        for content, part in [(b"d41d8cd9  train_32x32.mat\n", "line 1"),
                              (b"\n" + b"g" * 32 + b"  train_32x32.mat\n", "line 2"),
                              (b"0" * 32 + b"\n", "line 1")]:
            self.refused(["sums", part, "32 digits"], "svhn", "--from", mirror, "--checksums",
                         self.write("sums", content))
        self.refused(["test_32x32.mat", "no checksum"], "svhn", "--from", mirror, "--checksums",
                     self.checksums({"train_32x32.mat": b""}))
        self.refused(["nowhere"], "svhn", "--from", mirror, "--checksums", "nowhere")

    def test_a_source_that_is_not_there_is_named(self):
        self.refused(["mirror/train_32x32.mat"], "svhn", "--from", "file://" + self.folder + "/mirror")
        self.refused(["nowhere", "a folder or a URL"], "svhn", "--from", "nowhere")
        self.refused(["abacus://x"], "svhn", "--from", "abacus://x")
        with Server({}) as server:
            self.refused([server.url + "train_32x32.mat", "Not Found"], "svhn", "--from", server.url)

    def test_archives_write_nothing_but_the_files_wanted(self):
        members = {"cifar-10-batches-bin/" + name: content for name, content in CIFAR10.items()}
        members.update({
            "../escaped": b"x",
            self.folder + "/absolute": b"x",
            "cifar-10-batches-bin/../../data_batch_1.bin": b"x",
            "cifar-10-batches-bin/readme.html": b"x",
            "elsewhere/test_batch.bin": b"x",
        })
        files = {"cifar-10-binary.tar.gz": archive(members, [("cifar-10-batches-bin/link", "/etc/passwd")])}
        self.good("cifar10", "--from", self.mirror(files), "--checksums", self.checksums(files))
        self.assert_holds("cifar10", CIFAR10)
        self.assertEqual(sorted(os.listdir(self.folder)), ["MD5SUMS", "data", "mirror"])

    def test_a_link_in_place_of_a_file_is_no_file(self):
        members = {"cifar-10-batches-bin/" + name: content for name, content in CIFAR10.items()}
        del members["cifar-10-batches-bin/data_batch_3.bin"]
        files = {"cifar-10-binary.tar.gz": archive(members, [("cifar-10-batches-bin/data_batch_3.bin", "/etc/passwd")])}
        self.refused(["no file cifar-10-batches-bin/data_batch_3.bin"], "cifar10", "--from", self.mirror(files),
                     "--checksums", self.checksums(files))
        self.assertFalse(os.path.exists(os.path.join(self.to, "cifar10")))

    def test_damaged_archives_are_named(self):
        whole = cifar10_archive()
        for content in [whole[:len(whole) // 2], b"no archive at all", whole[:100] + b"\xff" * 50 + whole[150:]]:
            files = {"cifar-10-binary.tar.gz": content}
            self.refused(["cifar-10-binary.tar.gz", "cannot be unpacked"], "cifar10", "--from", self.mirror(files),
                         "--checksums", self.checksums(files))
            self.assertFalse(os.path.exists(os.path.join(self.to, "cifar10")))

    def test_a_download_that_was_cut_continues_where_it_ended(self):
        checksums = self.checksums(SVHN)
        size = len(SVHN["train_32x32.mat"])
        with Server(SVHN, cut=100000) as server:
            self.refused(["train_32x32.mat", "100000 of %d" % size], "svhn", "--from", server.url, "--checksums",
                         checksums)
            self.refused(["200000 of %d" % size], "svhn", "--from", server.url, "--checksums", checksums)
            server.cut = None
            self.good("svhn", "--from", server.url, "--checksums", checksums)
            self.assertEqual(server.asked, [("train_32x32.mat", None), ("train_32x32.mat", "bytes=100000-"),
                                            ("train_32x32.mat", "bytes=200000-"), ("test_32x32.mat", None)])
        self.assert_holds("svhn", SVHN)

    def test_a_server_that_cannot_continue_starts_over(self):
        self.write("data/svhn.tmp/train_32x32.mat.part", SVHN["train_32x32.mat"][:1000])
        with Server(SVHN, ranges=False) as server:
            self.good("svhn", "--from", server.url, "--checksums", self.checksums(SVHN))
        self.assert_holds("svhn", SVHN)

    def test_a_whole_part_needs_only_its_name(self):
        self.write("data/svhn.tmp/train_32x32.mat.part", SVHN["train_32x32.mat"])
        with Server(SVHN) as server:
            self.good("svhn", "--from", server.url, "--checksums", self.checksums(SVHN))
        self.assert_holds("svhn", SVHN)

    def test_a_part_of_something_else_is_thrown_away(self):
        self.write("data/svhn.tmp/train_32x32.mat.part", b"x" * 1000)
        checksums = self.checksums(SVHN)
        with Server(SVHN) as server:
            self.refused(["train_32x32.mat", "thrown away"], "svhn", "--from", server.url, "--checksums", checksums)
            self.good("svhn", "--from", server.url, "--checksums", checksums)
        self.assert_holds("svhn", SVHN)

    def test_help_has_an_example_and_unknown_names_are_refused(self):
        ended = self.run_fetch("--help")
        self.assertEqual(ended.returncode, 0)
        for part in ["Example: ", "--from", "--checksums", "--to", "cifar10, cifar100, svhn", "default: data"]:
            self.assertIn(part, ended.stdout)
        ended = self.run_fetch("mnist")
        self.assertEqual(ended.returncode, 2)
        self.assertIn("'mnist'", ended.stderr)


if __name__ == "__main__":
    unittest.main()
