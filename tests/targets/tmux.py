# A tmux server and a client of it in one tree: python3 holds the master of the client's terminal,
# and is the server's parent since that left its own.
import ctypes, fcntl, os, pty, re, select, struct, subprocess, sys, termios, time

PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
tmux = ["tmux", "-S", os.path.abspath("socket"), "-f", "/dev/null"]
pid, master = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp("tmux", tmux + ["new-session", "-s", "work", "bash --norc --noprofile"])
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 91, 0, 0))
text = b""
problems = []


def shows(what, patience=20):
    global text
    end = time.time() + patience
    while what not in text:
        if time.time() > end:
            problems.append("the terminal does not show %r, but %r" % (what, text[-400:]))
            return
        if select.select([master], [], [], 0.05)[0]:
            try:
                text += os.read(master, 65536)
            except OSError:
                problems.append("the client has ended: %r" % text[-400:])
                return
    text = text[text.index(what) + len(what):]


def types(*keys):
    for k in keys:
        time.sleep(0.1)  # what comes all at once is taken for pasted
        os.write(master, k)


shows(b"bash-")
types(b"N=41; echo N is $((N+0))\r")
shows(b"N is 41")
open("ready", "w").close()
while not os.path.exists("check"):
    if select.select([master], [], [], 0.05)[0]:
        os.read(master, 65536)
types(b"echo N is $((N+1))\r")
shows(b"N is 42")
types(b"\x02", b"c", b"echo a new $((6*7))\r")  # C-b c
shows(b"a new 42")
windows = subprocess.run(tmux + ["list-windows"], capture_output=True, text=True).stdout
if len(windows.splitlines()) != 2:
    problems.append("the windows are " + windows)
types(b"\x02", b"d")  # C-b d
shows(b"detached")
if os.waitpid(pid, 0)[1] != 0:
    problems.append("the client did not end well")
subprocess.run(tmux + ["kill-server"])
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
with open("result", "w") as f:
    f.write("\n".join(problems + ["fail" if problems else "pass"]) + "\n")
sys.exit(bool(problems))
