"""Run a command of splinegeo many times, interrupted at a different moment each time; a program, started by a test.

Usage: ``python interrupted.py SPEC.json``. Everything is imported once; each run is a fork of this process, in a
process group and a folder of its own, which sends a real SIGINT to its whole group, as a terminal does:

- ``["time", share]``: after this share of the time that a whole run takes
- ``["files", k]``: in the middle of the k-th operation on a file of the results, or start of a program
- ``["never"]``: not at all

For each run the report tells the exit status, the seconds, the number of such operations, and what was printed.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from threading import Timer

import splinegeo.validation.experiments.demo as demo

from splinegeo.cli import main

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "subprocess.Popen"}


def interrupt():
    os.killpg(0, signal.SIGINT)


class Files:
    """Counts operations on files of the results; interrupts in one of them."""

    def __init__(self, folder, at):
        self.folder, self.n, self.at, self.on = str(folder), 0, at, True

    def __call__(self, event, arguments):
        if not self.on or event not in FILE_EVENTS:
            return
        to_read = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        path = str(arguments[0]) if isinstance(arguments[0], str | os.PathLike) else ""
        if event != "subprocess.Popen" and (to_read or not path.startswith(self.folder)):
            return
        self.n += 1
        if self.n == self.at:
            interrupt()


def run_here(command, folder, when, whole):
    """One run in this (forked) process: exit status, seconds, and number of operations on files."""
    timer = Timer(when[1] * whole, interrupt) if when[0] == "time" else None
    files = Files(folder, when[1] if when[0] == "files" else 0)
    sys.argv = ["splinegeo", *(argument.replace("OUT", str(folder)) for argument in command)]
    sys.addaudithook(files)
    start = time.perf_counter()
    try:
        if timer is not None:
            timer.start()
        main()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 99
    finally:
        files.on = False
        if timer is not None:
            timer.cancel()
    return {"status": status, "seconds": time.perf_counter() - start, "files": files.n}


def run(command, folder, when, whole):
    """One run in a fork, with its output in files beside the folder."""
    folder.mkdir()
    log = folder.with_suffix(".json")
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, name in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(folder.with_suffix(name), os.O_WRONLY | os.O_CREAT), number)
        report = run_here(command, folder, when, whole)
        sys.stdout.flush()
        sys.stderr.flush()
        log.write_text(json.dumps(report))
        os._exit(0)
    os.waitpid(child, 0)
    return json.loads(log.read_text()) | {"error": folder.with_suffix(".err").read_text()}


def main_program(specification):
    sys.path.insert(0, os.getcwd())
    for name, value in specification.get("demo", {}).items():
        demo.run_demo.__kwdefaults__[name] = value
    root, command = Path(specification["folder"]), specification["command"]
    (root / "first").mkdir()
    run_here(command, root / "first", ["never"], 0)  # what is loaded by the first run is loaded for all
    whole = run(command, root / "whole", ["never"], 0)
    moments = [["time", share] for share in specification["shares"]]
    chosen = range(1, whole["files"] + 1)
    step = max(1, -(-len(chosen) // specification.get("most_files", 100)))
    moments += [["files", k] for k in chosen[::step]]
    runs = [run(command, root / f"run{i}", when, whole["seconds"]) | {"when": when} for i, when in enumerate(moments)]
    (root / "report.json").write_text(json.dumps({"whole": whole, "runs": runs}))


if __name__ == "__main__":
    main_program(json.loads(Path(sys.argv[1]).read_text()))
