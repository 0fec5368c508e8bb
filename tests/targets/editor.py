# An editor in a terminal of its own: python3 holds the pty's master, vim the
# slave. Half of a text is typed before the dump, half after it.
import fcntl, os, pty, select, struct, sys, termios, time

pid, master = pty.fork()
if pid == 0:
    os.execvp("vim", ["vim", "-u", "NONE", "-n", "text"])
size = struct.pack("HHHH", 33, 91, 0, 0)
fcntl.ioctl(master, termios.TIOCSWINSZ, size)

def drain(seconds):
    end = time.time() + seconds
    while time.time() < end:
        if select.select([master], [], [], 0.02)[0]:
            try:
                os.read(master, 4096)
            except OSError:  # the editor has ended
                return

drain(0.7)
os.write(master, b"ifirst half, ")
drain(0.3)
mode, group = termios.tcgetattr(master), os.tcgetpgrp(master)
open("ready", "w").close()
while not os.path.exists("check"):
    drain(0.05)
problems = []
if fcntl.ioctl(master, termios.TIOCGWINSZ, size) != size:
    problems.append("the window has another size")
if termios.tcgetattr(master) != mode:
    problems.append("the terminal has other modes")
if os.tcgetpgrp(master) != group:
    problems.append("the foreground group is %d, was %d" % (os.tcgetpgrp(master), group))
os.write(master, b"second half\x1b")
drain(0.3)
os.write(master, b":wq\r")
drain(0.5)
if os.waitpid(pid, 0)[1] != 0:
    problems.append("vim did not end well")
if open("text").read() != "first half, second half\n":
    problems.append("vim wrote " + repr(open("text").read()))
with open("result", "w") as f:
    f.write("\n".join(problems + ["fail" if problems else "pass"]) + "\n")
sys.exit(bool(problems))
