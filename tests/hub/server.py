"""A server on loopback that speaks the hub's protocol as far as its client needs it, and can fail.

As on the real hub small files are sent by the hub itself and large ones by another host, to which
a redirect leads and where byte ranges can be asked for.
"""

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 2000  # bytes from which a file is stored as a large one
PAGE = 4  # entries in a page of a listing
# What git keeps of a large file.
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@dataclass
class Repo:
    """Commits of a repository (commit -> path -> bytes) and the names of some of them."""

    commits: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)
    listed_sizes: dict = field(default_factory=dict)  # path -> bytes, where not the true ones
    gated: bool = False
    private: bool = False

    def commit(self, files: dict, ref: str = "main") -> str:
        """Add a commit and let a branch, tag or pull request point to it."""
        text = repr(sorted(files.items())) + str(len(self.commits))
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name] = dict(files)
        self.refs[ref] = name
        return name


@dataclass
class Fault:
    """What is done to a request instead of answering it whole."""

    method: str
    path: str  # regular expression, searched for in the path
    times: int
    skip: int = 0  # requests that pass before
    status: int = 0  # answer with this status …
    headers: dict = field(default_factory=dict)
    cut: int = 0  # … or send so many bytes and close the connection
    stall: float = 0  # … or wait so many seconds, then close it
    damage: bool = False  # … or send other bytes


class Hub:
    """The two servers. `requests` that they saw: (server, method, path, headers); `times`: when."""

    def __init__(self):
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str, dict]] = []
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.servers = {}
        for name in ("hub", "storage"):
            handler = type("Handler", (_Handler,), {"hub": self, "server_name": name})
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            server.daemon_threads = True
            server.block_on_close = False
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.servers[name] = server

    def url(self, name: str = "hub") -> str:
        return f"http://127.0.0.1:{self.servers[name].server_port}"

    def repo(self, name: str, kind: str = "model") -> Repo:
        return self.repos.setdefault((kind, name), Repo())

    def fail(self, method: str, path: str, times: int = 1, **what) -> None:
        self.faults.append(Fault(method, path, times, **what))

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def close(self) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub
    server_name: str

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append((self.server_name, self.command, path, headers))
        self.hub.times.append(time.monotonic())
        fault = self.hub.fault(self.command, path)
        if fault and fault.stall:
            time.sleep(fault.stall)
            self.close_connection = True
        elif fault and fault.status:
            self.send(fault.status, b"", fault.headers)
        elif self.server_name == "storage":
            self.storage(path.rpartition("/")[2], fault)
        elif path.startswith("/api/"):
            self.api(path)
        else:
            self.resolve(path, fault)

    # ------------------------------------------------------------ the two halves of the hub
    def api(self, path: str) -> None:
        match = re.fullmatch(r"/api/(model|dataset)s/(.+)", path)
        if match is None:  # nothing that a fetch needs
            self.send(404)
            return
        kind, rest = match.groups()
        match = re.fullmatch(r"(.+?)(?:/(revision|tree|refs)(?:/(.+))?)?", rest)
        name, what, revision = match.groups()
        repo = self.allowed(kind, name, page=True)
        if repo is None:
            return
        if what == "refs":
            pulls = [
                {"name": ref, "ref": ref, "targetCommit": commit}
                for ref, commit in repo.refs.items()
                if ref.startswith("refs/pr/")
            ]
            self.json({"branches": [], "converts": [], "tags": [], "pullRequests": pulls})
            return
        commit = self.commit(repo, revision or "main")
        if commit is None:
            return
        if what == "tree":
            self.tree(repo, repo.commits[commit])
            return
        siblings = [{"rfilename": file} for file in repo.commits[commit]]
        self.json({"_id": "0", "id": name, "sha": commit, "siblings": siblings})

    def tree(self, repo: Repo, files: dict) -> None:
        entries = []
        for path, data in sorted(files.items()):
            entry = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
            if len(data) >= LARGE:
                oid = hashlib.sha256(data).hexdigest()
                pointer = LFS_POINTER.format(oid, len(data)).encode()
                size = repo.listed_sizes.get(path, len(data))
                lfs = {"oid": oid, "size": size, "pointerSize": len(pointer)}
                entry |= {"oid": git_sha1(pointer), "size": size, "lfs": lfs}
            entries.append(entry)
        query = parse_qs(urlsplit(self.path).query)
        first = int(query.get("cursor", ["0"])[0])
        headers = {}
        if first + PAGE < len(entries):
            path = urlsplit(self.path).path
            following = f"{self.hub.url()}{path}?recursive=true&cursor={first + PAGE}"
            headers["Link"] = f'<{following}>; rel="next"'
        self.json(entries[first : first + PAGE], headers)

    def resolve(self, path: str, fault: Fault | None) -> None:
        prefix, name, rest = re.fullmatch(r"/(datasets/)?(.+?)/resolve/(.+)", path).groups()
        repo = self.allowed("dataset" if prefix else "model", name)
        if repo is None:
            return
        known = [ref for ref in (*repo.refs, *repo.commits) if rest.startswith(f"{ref}/")]
        if not known:
            self.refuse(404, "RevisionNotFound")
            return
        commit = self.commit(repo, known[0])
        data = repo.commits[commit].get(rest.removeprefix(f"{known[0]}/"))
        headers = {"X-Repo-Commit": commit}
        if data is None:
            self.refuse(404, "EntryNotFound", headers)
        elif len(data) >= LARGE:
            sha256 = hashlib.sha256(data).hexdigest()
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{sha256}"'}
            headers["Location"] = f"{self.hub.url('storage')}/{sha256}"
            self.send(302, b"", headers)
        else:
            self.data(data, headers | {"ETag": f'"{git_sha1(data)}"'}, fault)

    def storage(self, sha256: str, fault: Fault | None) -> None:
        for repo in self.hub.repos.values():
            for files in repo.commits.values():
                for data in files.values():
                    if hashlib.sha256(data).hexdigest() == sha256:
                        self.data(data, {"ETag": f'"{sha256}"'}, fault)
                        return
        self.send(404)

    # ------------------------------------------------------------ who may see what
    def allowed(self, kind: str, name: str, page: bool = False) -> Repo | None:
        repo = self.hub.repos.get((kind, name))
        authorised = self.headers.get("Authorization") == "Bearer hf_right"
        if repo is None or (repo.private and not authorised):
            self.refuse(404 if authorised else 401, "RepoNotFound")
            return None
        if repo.gated and not authorised and not page:
            self.refuse(401, "GatedRepo")
            return None
        return repo

    def commit(self, repo: Repo, revision: str) -> str | None:
        commit = repo.refs.get(revision, revision)
        if commit in repo.commits:
            return commit
        self.refuse(404, "RevisionNotFound")
        return None

    # ------------------------------------------------------------ answers
    def refuse(self, status: int, code: str, headers: dict | None = None) -> None:
        self.send(status, b"", {"X-Error-Code": code, **(headers or {})})

    def json(self, content, headers: dict | None = None) -> None:
        data = json.dumps(content).encode()
        self.send(200, data, {"Content-Type": "application/json", **(headers or {})})

    def data(self, data: bytes, headers: dict, fault: Fault | None) -> None:
        first, end = 0, len(data)
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, end = int(match[1]), min(end, int(match[2] or end) + 1)
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
        if fault and fault.damage:
            data = bytes(byte ^ 1 for byte in data)
        headers["Accept-Ranges"] = "bytes"
        cut = fault.cut if fault else 0
        self.send(206 if first or end < len(data) else 200, data[first:end], headers, cut)

    def send(self, status: int, data: bytes = b"", headers: dict | None = None, cut: int = 0):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:cut] if cut else data)
        if cut:
            self.wfile.flush()
            self.close_connection = True
