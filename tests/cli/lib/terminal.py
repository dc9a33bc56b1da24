"""Runs a command on a terminal of its own and types lines into it, each when its text has appeared:
terminal.py "text to wait for" "line to type" [...] -- command ...; prints all that was shown, ends as the command did."""
import os, pty, select, sys

split = sys.argv.index("--")
turns = list(zip(sys.argv[1:split:2], sys.argv[2:split:2]))
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
seen = b""
at = 0
while True:
    if not select.select([master], [], [], 60)[0]:
        os.kill(pid, 9)
        sys.exit("terminal.py: nothing came for a minute; so far: %r" % seen)
    try:
        data = os.read(master, 65536)
    except OSError:
        data = b""
    if not data:
        break
    seen += data
    while turns and turns[0][0].encode() in seen[at:]:
        at = seen.index(turns[0][0].encode(), at) + len(turns[0][0])
        os.write(master, turns[0][1].encode() + b"\n")
        turns.pop(0)
sys.stdout.write(seen.decode(errors="replace").replace("\r\n", "\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
