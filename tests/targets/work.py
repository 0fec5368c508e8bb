# python3 with threads, a generator, a subprocess whose output it has yet to
# read, and an open temporary file without a name.
import hashlib, os, subprocess, sys, tempfile, threading, time

def numbers():
    n = 0
    while True:
        yield n
        n += 1

def hashes(k, rounds, pause):
    digest = bytes([k])
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
        time.sleep(pause)
    return digest

results = [None] * 4
def work(k):
    results[k] = hashes(k, 60, 0.02)

scratch = tempfile.TemporaryFile()
scratch.write(b"before the dump;")
scratch.flush()
source = numbers()
threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
for t in threads:
    t.start()
child = subprocess.Popen(["sh", "-c", "echo early; sleep 1; echo late"], stdout=subprocess.PIPE)
for _ in range(10):
    next(source)
open("ready", "w").close()
while not os.path.exists("check"):
    next(source)
    time.sleep(0.01)
count = next(source)
for t in threads:
    t.join()
problems = []
for k in range(4):
    if results[k] != hashes(k, 60, 0):
        problems.append("thread %d computed something else" % k)
if child.communicate()[0] != b"early\nlate\n":
    problems.append("the subprocess's output is not whole")
scratch.write(b"after it")
scratch.seek(0)
if scratch.read() != b"before the dump;after it":
    problems.append("the temporary file has other bytes")
if next(source) != count + 1:
    problems.append("the generator lost its place")
with open("result", "w") as f:
    f.write("\n".join(problems + ["fail" if problems else "pass"]) + "\n")
sys.exit(bool(problems))
