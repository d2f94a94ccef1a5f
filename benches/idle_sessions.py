"""Opens sessions and keeps them: idle_sessions.py PORT USER DATABASE COUNT [tls].

Says "open" when all have logged in. Reads commands from standard input: a line of SQL is run in every session, and
answered by "done". Ends, with its sessions, at the end of the input.
"""

import socket
import ssl
import struct
import sys


def message(stream):
    head = stream.read(5)
    if len(head) < 5:
        sys.exit("the server has closed a connection")
    kind, length = struct.unpack("!cI", head)
    body = stream.read(length - 4)
    if kind == b"E":
        sys.exit(body.replace(b"\0", b" ").decode(errors="replace"))
    return kind


def until_ready(stream):
    while message(stream) != b"Z":
        pass


def session(port, user, database, tls):
    connection = socket.create_connection(("127.0.0.1", port))
    if tls:
        connection.sendall(struct.pack("!II", 8, 80877103))
        if connection.recv(1) != b"S":
            sys.exit("no TLS")
        connection = tls.wrap_socket(connection)
    parameters = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database)) + b"\0"
    connection.sendall(struct.pack("!II", len(parameters) + 8, 196608) + parameters)
    stream = connection.makefile("rb")
    until_ready(stream)
    return connection, stream


def main():
    port, user, database, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    tls = None
    if sys.argv[5:] == ["tls"]:
        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    sessions = [session(port, user, database, tls) for _ in range(count)]
    print("open", flush=True)
    for line in sys.stdin:
        text = line.strip().encode() + b"\0"
        for connection, stream in sessions:
            connection.sendall(b"Q" + struct.pack("!I", len(text) + 4) + text)
            until_ready(stream)
        print("done", flush=True)


main()
