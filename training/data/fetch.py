#!/usr/bin/python3
"""Fetches the published files of data sets, checks them and lays them out for training/train.

What was fetched stays: an interrupted run is continued by the same command, and a data set that is there is left alone.
"""

import argparse
import hashlib
import http.client
import os
import pathlib
import posixpath
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zlib

CHUNK = 1 << 20
SECONDS = 60  # without a byte


class DataSet:
    """Files to fetch from `url`; with `folder`, an archive to take `members` of that folder from."""

    def __init__(self, url, files, folder=None, members=()):
        self.url = url
        self.files = files
        self.folder = folder
        self.members = members

    def contents(self):
        """Names of the files that training reads."""
        return self.members or self.files


DATA_SETS = {
    "cifar10": DataSet(
        "https://www.cs.toronto.edu/~kriz",
        ["cifar-10-binary.tar.gz"],
        "cifar-10-batches-bin",
        ["data_batch_%d.bin" % i for i in range(1, 6)] + ["test_batch.bin"],
    ),
    "cifar100": DataSet(
        "https://www.cs.toronto.edu/~kriz",
        ["cifar-100-binary.tar.gz"],
        "cifar-100-binary",
        ["train.bin", "test.bin", "fine_label_names.txt"],
    ),
    "svhn": DataSet("http://ufldl.stanford.edu/housenumbers", ["train_32x32.mat", "test_32x32.mat"]),
}

# CIFAR's are on its page. SVHN's page gives none: these are what programs that fetch it agree on.
MD5 = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}


class FetchError(Exception):
    """Shown to the user as it stands."""


class Progress:
    """How far a file has come: on a terminal only."""

    def __init__(self, name, total):
        self.name = name
        self.total = total
        self.shown = None

    def show(self, done):
        text = "%s: %d of %s MiB" % (self.name, done >> 20, self.total >> 20 if self.total else "?")
        if sys.stderr.isatty() and text != self.shown:
            self.shown = text
            print("\r" + text, end="", file=sys.stderr, flush=True)

    def end(self):
        if self.shown:
            print(file=sys.stderr)


def source(argument):
    """--from as the beginning of a URL."""
    if "://" in argument:
        return argument.rstrip("/")
    folder = pathlib.Path(argument).resolve()
    if not folder.is_dir():
        raise FetchError("%s: a folder or a URL expected" % argument)
    return folder.as_uri()


def read_checksums(path):
    """Lines as md5sum writes them, as {name: MD5}."""
    checksums = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split(maxsplit=1)
            if not words:
                continue
            if len(words) != 2 or len(words[0]) != 32 or set(words[0].lower()) - set("0123456789abcdef"):
                raise FetchError("%s: line %d: an MD5 of 32 digits and a name expected" % (path, number))
            checksums[words[1].strip().lstrip("*")] = words[0].lower()
    return checksums


def md5(path):
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def length(response):
    """Bytes to come, or None where the server does not say."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def download(url, part):
    """Fetches `url` to `part`, from where an earlier download ended if the server can."""
    begin = os.path.getsize(part) if os.path.exists(part) else 0
    headers = {"User-Agent": "fetch.py", "Accept-Encoding": "identity"}
    if begin > 0:
        headers["Range"] = "bytes=%d-" % begin
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begin > 0:  # nothing is left to fetch: the checksum tells whether it is right
            return
        raise
    with response:
        resumed = response.headers.get("Content-Range", "").startswith("bytes %d-" % begin) and begin > 0
        done = begin if resumed else 0
        left = length(response)
        total = None if left is None else done + left
        progress = Progress(posixpath.basename(url), total)
        with open(part, "ab" if resumed else "wb") as file:
            try:
                for chunk in iter(lambda: response.read(CHUNK), b""):
                    file.write(chunk)
                    done += len(chunk)
                    progress.show(done)
            finally:
                progress.end()
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise FetchError("%s: the connection ended after %d of %d bytes; the same command continues" % (url, done, total))


def fetch_file(url, path, checksum):
    """Puts the file of this checksum at `path`, unless it is there."""
    if os.path.exists(path) and md5(path) == checksum:
        return
    part = path + ".part"
    print("fetching " + url, file=sys.stderr)
    try:
        download(url, part)
    except (OSError, http.client.HTTPException) as error:
        if getattr(error, "filename", None) == part:
            raise
        raise FetchError("%s: %s" % (url, getattr(error, "reason", None) or error))
    found = md5(part)
    if found != checksum:
        os.remove(part)
        raise FetchError("%s: its MD5 is %s: %s expected; it was thrown away" % (url, found, checksum))
    os.replace(part, path)


def unpack(archive, folder, members, target):
    """Takes regular files alone, by name: whatever else an archive says is not followed."""
    found = set()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                parent, name = posixpath.split(posixpath.normpath(entry.name))
                if parent == folder and name in members and entry.isfile():
                    with open(os.path.join(target, name), "wb") as file:
                        shutil.copyfileobj(tar.extractfile(entry), file, CHUNK)
                        file.flush()
                        os.fsync(file.fileno())
                    found.add(name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FetchError("%s: cannot be unpacked: %s" % (archive, error))
    for name in members:
        if name not in found:
            raise FetchError("%s: holds no file %s/%s" % (archive, folder, name))


def fetch(name, to, url, checksums):
    """Makes the folder TO/NAME. It is whole from its first moment: it gets its name last."""
    data_set = DATA_SETS[name]
    target = os.path.join(to, name)
    if os.path.exists(target):
        for file in data_set.contents():
            if not os.path.isfile(os.path.join(target, file)):
                raise FetchError("%s: is there, but without %s; to fetch it anew, move it away" % (target, file))
        return target
    for file in data_set.files:
        if file not in checksums:
            raise FetchError("%s: no checksum is given for it" % file)
    beside = target + ".tmp"
    os.makedirs(beside, exist_ok=True)
    for file in data_set.files:
        path = os.path.join(beside, file)
        fetch_file((url or data_set.url) + "/" + file, path, checksums[file])
        if data_set.folder:
            unpack(path, data_set.folder, data_set.members, beside)
            os.remove(path)
    os.rename(beside, target)
    return target


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="fetch.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Example: fetch.py svhn --to data && train --data svhn:data/svhn",
    )
    parser.add_argument("names", nargs="+", choices=DATA_SETS, metavar="NAME", help="one of " + ", ".join(DATA_SETS))
    parser.add_argument("--to", default="data", metavar="DIR", help="makes DIR/NAME (default: data)")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="a folder or URL that holds %s (default: where they were published)" % ", ".join(MD5),
    )
    parser.add_argument(
        "--checksums", metavar="FILE", help="MD5s to insist on, as md5sum writes them (default: the published ones)"
    )
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    try:
        url = source(options.source) if options.source else None
        checksums = read_checksums(options.checksums) if options.checksums else MD5
        for name in options.names:
            print("%s:%s" % (name, fetch(name, options.to, url, checksums)), flush=True)
    except KeyboardInterrupt:
        print("fetch.py: interrupted; the same command continues", file=sys.stderr)
        return 130
    except (FetchError, OSError, ValueError) as error:
        print("fetch.py: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
