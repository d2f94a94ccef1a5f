#!/usr/bin/env python3
"""PostgreSQL's own regression queries, asked once more by a governed user over tables that no policy protects.

    governed.py LISTEN_PORT PROXY_PORT SERVER_PORT USER RECORD     stands between psql and the proxy, until it is killed
    governed.py report RECORD LEAST_PERCENT                        counts what was recorded

pg_regress talks to this program, which passes everything on to the proxy, where the session is an observed one. Before a query
goes there, the same query is asked in two sessions of USER, each time between BEGIN and ROLLBACK: one at the server itself,
one through the proxy, where a policy governs USER. Both must answer with the same bytes: columns, rows, tag.

What is temporary is made permanent on the way, so that other sessions see it.
"""
import collections
import json
import re
import socket
import struct
import sys
import threading
import time

DATABASE = "regression"
# How long a governed session may take to learn of what another session has just created, before it counts as refused.
LEARNS_WITHIN = 2.5
# For sessions that are in each other's way: what the script has locked cannot be compared.
LIMITS = "-c lock_timeout=300ms -c statement_timeout=20s"
COMPARED = {"select", "values", "table", "with", "insert", "update", "delete", "merge", "("}
MIRRORED = {"set", "reset"}
COMMENT = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.S)
TEMPORARY = re.compile(r"^(create\s+(?:or\s+replace\s+)?)(?:global\s+|local\s+)?temp(?:orary)?\s+", re.I)
INTO_TEMPORARY = re.compile(r"\binto\s+temp(?:orary)?\s+(?=table\b|\w)", re.I)
ON_COMMIT = re.compile(r"\bon\s+commit\s+(preserve\s+rows|delete\s+rows|drop)\b", re.I)
# Tags after which the catalog may have changed.
UNCHANGING = re.compile(r"^(SELECT|INSERT|UPDATE|DELETE|MERGE|FETCH|MOVE|COPY|SET|SHOW|RESET|BEGIN|START|SAVEPOINT|RELEASE"
                        r"|EXPLAIN|PREPARE|DECLARE|CLOSE|DEALLOCATE|LOCK|LISTEN|NOTIFY|UNLISTEN|ANALYZE|VACUUM|DISCARD)")


def exactly(stream, count):
    found = b""
    while len(found) < count:
        more = stream.recv(count - len(found))
        if not more:
            raise ConnectionError
        found += more
    return found


def message(stream):
    head = exactly(stream, 5)
    return head[:1], exactly(stream, struct.unpack("!I", head[1:])[0] - 4)


def framed(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def fields(body):
    """The fields of an ErrorResponse."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


class Session:
    """A connection that asks one query at a time."""

    def __init__(self, port, parameters):
        self.stream = socket.create_connection(("127.0.0.1", port))
        body = b"\0\3\0\0" + b"".join(key + b"\0" + value + b"\0" for key, value in parameters.items()) + b"\0"
        self.stream.sendall(struct.pack("!I", len(body) + 4) + body)
        self.state = b"I"
        answer = self.answer()
        if answer.error:
            raise ConnectionError(answer.error.get("M"))

    def answer(self):
        found = Answer()
        while True:
            kind, body = message(self.stream)
            if kind == b"Z":
                self.state = body
                return found
            if kind == b"E":
                found.error = fields(body)
                if found.error.get("S") == "FATAL":
                    raise ConnectionError(found.error.get("M"))
            elif kind == b"G":
                self.stream.sendall(framed(b"f", b"no data here\0"))
            elif kind in b"TDCI":
                found.bytes.append(kind + body)

    def ask(self, text):
        self.stream.sendall(framed(b"Q", text + b"\0"))
        return self.answer()

    def trial(self, text):
        """The answer inside a transaction that leaves nothing behind."""
        self.ask(b"BEGIN")
        answer = self.ask(text)
        self.ask(b"ROLLBACK")
        return answer


class Answer:
    def __init__(self):
        self.bytes = []
        self.error = None

    def equals(self, other):
        if self.error or other.error:
            return bool(self.error and other.error) and self.error.get("C") == other.error.get("C")
        return self.bytes == other.bytes

    def may_be_late(self):
        """Whether another answer may come when the catalog is read again. What is not parsed now never will be."""
        if not self.error or self.error.get("C") != "0A000":
            return True
        return bool(re.search(r"may run code|not known|analysed", self.error.get("D", "")))

    def told(self):
        if not self.error:
            return f"{len(self.bytes)} messages"
        return ": ".join(self.error[key] for key in "CMD" if key in self.error)


class Tap:
    """One session of psql."""

    def __init__(self, client, options):
        self.client = client
        self.proxy_port, self.server_port, self.user, self.record = options
        self.changed = 0.0
        self.pair = None
        self.script = ""
        self.foreign_role = False

    def run(self):
        try:
            length = struct.unpack("!I", exactly(self.client, 4))[0]
            body = exactly(self.client, length - 4)
            while body[:4] != b"\0\3\0\0":
                if body[:4] == b"\x04\xd2\x16\x2e":
                    return self.pass_cancel(length, body)
                self.client.sendall(b"N")
                length = struct.unpack("!I", exactly(self.client, 4))[0]
                body = exactly(self.client, length - 4)
            self.server = socket.create_connection(("127.0.0.1", self.proxy_port))
            self.server.sendall(struct.pack("!I", length) + body)
            words = body[4:].split(b"\0")
            parameters = dict(zip(words[::2], words[1::2]))
            self.script = parameters.get(b"application_name", b"?").decode()
            threading.Thread(target=self.backward, daemon=True).start()
            if parameters.get(b"database") == DATABASE.encode():
                self.connect(parameters)
            while True:
                kind, body = message(self.client)
                if kind == b"Q" and self.pair:
                    body = self.query(body[:-1]) + b"\0"
                self.server.sendall(framed(kind, body))
        except (ConnectionError, OSError):
            self.close()

    def pass_cancel(self, length, body):
        with socket.create_connection(("127.0.0.1", self.proxy_port)) as server:
            server.sendall(struct.pack("!I", length) + body)
            server.recv(1)

    def close(self):
        for stream in [self.client, getattr(self, "server", None), *(one.stream for one in self.pair or ())]:
            if stream:
                try:
                    stream.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                stream.close()

    def backward(self):
        try:
            while True:
                kind, body = message(self.server)
                if kind == b"C" and not UNCHANGING.match(body.decode(errors="replace")):
                    self.changed = time.monotonic()
                self.client.sendall(framed(kind, body))
        except (ConnectionError, OSError):
            self.close()

    def connect(self, parameters):
        options = parameters.get(b"options", b"") + b" " + LIMITS.encode()
        parameters = {key: value for key, value in parameters.items() if key} | {b"user": self.user.encode(), b"options": options.strip()}
        self.parameters = parameters
        try:
            self.pair = (Session(self.server_port, parameters), Session(self.proxy_port, parameters))
        except ConnectionError as error:
            self.write("unconnected", "", str(error))

    def query(self, text):
        """Compares what can be; returns what the script's own session is to ask."""
        plain = text.decode("utf-8", "replace")
        start = COMMENT.match(plain)
        plain = plain[start.end():] if start else plain
        text = plain.encode("utf-8") if "\ufffd" not in plain else text
        word = (re.match(r"\(|\w+", plain) or [""])[0].lower()
        try:
            if word in MIRRORED and not re.match(r"set\s+(local|constraints|transaction)\b", plain, re.I):
                self.mirror(text, plain)
            elif word in COMPARED and not self.foreign_role:
                self.compare(text, plain, "query")
            elif word == "explain" and not self.foreign_role:
                self.compare(text, plain, "explain")
        except (ConnectionError, OSError) as error:
            self.write("lost", plain, str(error))
            self.connect(self.parameters)
        if "\ufffd" in plain:
            return text
        plain = TEMPORARY.sub(r"\1", plain)
        if word == "create":
            plain = ON_COMMIT.sub("", plain)
        return INTO_TEMPORARY.sub("into ", plain).encode()

    def mirror(self, text, plain):
        """A setting holds in all sessions. Under another role nothing is compared."""
        if re.match(r"(set|reset)\s+(session\s+)?(role|session\s+authorization)\b", plain, re.I):
            self.foreign_role = not re.match(r"reset|.*\b(default|none)\s*;?\s*$", plain, re.I | re.S)
            return
        # What a governed session may not set holds in neither session.
        direct, governed = self.pair
        found = governed.ask(text)
        if not found.error:
            direct.ask(text)
        elif not direct.trial(text).error:
            self.write("setting refused", plain, found.told())

    def compare(self, text, plain, what):
        direct, governed = self.pair
        expected = direct.trial(text)
        found = governed.trial(text)
        same = expected.equals(found)
        while not same and found.may_be_late() and time.monotonic() < self.changed + LEARNS_WITHIN:
            time.sleep(0.1)
            found = governed.trial(text)
            same = expected.equals(found)
        # What a second look changes was no answer to the query, but to the moment.
        if not same and not direct.trial(text).equals(expected):
            return self.write(what + " volatile", plain, found.told())
        if expected.error:
            kind = "error same" if same else "error different"
            return self.write(f"{what} {kind}", plain, f"{expected.told()} / {found.told()}")
        if same:
            return self.write(what + " same", plain, "")
        self.write(f"{what} {'refused' if found.error else 'different'}", plain, self.difference(expected, found))

    @staticmethod
    def difference(expected, found):
        if found.error:
            return found.told()
        for ours, theirs in zip(expected.bytes, found.bytes):
            if ours != theirs:
                return f"{ours[:300]!r} / {theirs[:300]!r}"
        return f"{expected.told()} / {found.told()}"

    def write(self, outcome, text, told):
        line = {"outcome": outcome, "script": self.script, "told": told}
        if not outcome.endswith("same"):
            line["sql"] = text
        with LOCK, open(self.record, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


LOCK = threading.Lock()


def serve(port, *options):
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=Tap(client, options).run, daemon=True).start()


def grouped(told):
    """Messages that differ only in names are one group."""
    told = re.sub(r'"[^"]*"', '"…"', told)
    told = re.sub(r"\b(function|type|relation|table|column|into|permission denied for) [^\s:]+", r"\1 …", told)
    return re.sub(r"\d+", "N", told)


def report(record, least):
    counts = collections.Counter()
    groups = collections.defaultdict(list)
    with open(record, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            counts[line["outcome"]] += 1
            if not line["outcome"].endswith(("same", "setting", "volatile")):
                kind = line["outcome"]
                key = (kind, "" if "different" in kind else grouped(line["told"]))
                groups[key].append(line)
    print("# PostgreSQL's regression queries as a governed user\n")
    for outcome, count in sorted(counts.items()):
        print(f"- {outcome}: {count}")
    same, of = counts["query same"], sum(counts[f"query {one}"] for one in ("same", "refused", "different"))
    percent = 100 * same / max(of, 1)
    print(f"\nadmitted and identical: {same} of {of} = {percent:.2f} %")
    for (kind, told), lines in sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1]))):
        print(f"\n## {kind}, {len(lines)}: {told}\n")
        shown = lines if "different" in kind and "error" not in kind else lines[:: max(1, len(lines) // 6)][:8]
        for line in shown[:60]:
            sql = " ".join(line.get("sql", "").split())[:220]
            print(f"- {line['script'].split('/')[-1]}: `{sql}`")
            if line["told"] != told:
                print(f"  - {line['told'][:400]}")
    return 0 if percent >= float(least) else 1


if __name__ == "__main__":
    if sys.argv[1] == "report":
        sys.exit(report(*sys.argv[2:]))
    serve(*sys.argv[1:])
