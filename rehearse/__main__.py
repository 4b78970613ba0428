"""mta-xoauth2 rehearse: started by the admin tool (ctl/rehearse.c), never by hand.

    python3 -I DIRECTORY DAEMON KEEP LIST SCENARIO

SIGINT, SIGTERM and SIGHUP come blocked. DAEMON: path of mta-xoauth2-tokend; KEEP, LIST: yes or no; SCENARIO: a name.
"""

import os
import signal
import sys

from tell import STOPPING, Failed, Unable, complain

FOUND, USAGE, LACKING, PASSING = 1, 2, 3, 75


class Stopped(BaseException):
    """Ctrl-C, or somebody ends us."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def _stop(number, frame):
    raise Stopped(number)


def _listing(scenes):
    for name, scene in scenes.items():
        print(f"{name:<10} {scene.__doc__.splitlines()[0]}")


def _play(name, scene, daemon, keep):
    from stage import Stage

    stage = Stage(daemon, keep)
    try:
        tell = stage.open()
        tell.title(name, scene.__doc__.splitlines()[0])
        scene(stage)
        status = tell.verdict()
        if keep:
            tell.line()
            tell.line(f"Kept: {stage.folder}")
            tell.line("  tokend.log is the daemon's log, told is what was shown here, tokend.yaml its configuration. Nothing runs any more.")
            tell.line(f"  Look: less {stage.folder}/tokend.log; mta-xoauth2 check --config {stage.folder}/tokend.yaml")
            tell.line(f"  Away with it: rm -r {stage.folder}")
        return status
    finally:
        stage.close()


def main(daemon, keep, listing, name):
    from scenes import SCENES   # not before the signals are seen to: it takes its time

    if listing == "yes":
        _listing(SCENES)
        return 0
    if name not in SCENES:
        import difflib
        near = difflib.get_close_matches(name, SCENES, 1)
        complain(f"there is no scenario {name!a}; " + (f"did you mean {near[0]}?" if near else "they are: " + ", ".join(SCENES)))
        return USAGE
    try:
        return _play(name, SCENES[name], daemon, keep == "yes")
    except Unable as err:
        complain(str(err))
        return LACKING
    except Failed as err:
        complain(f"FAILED: {err}")
        return FOUND
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PASSING
    except OSError as err:
        complain(f"something that a rehearsal needs of this host does not work: {err}")
        return PASSING


if __name__ == "__main__":
    try:
        for _number in STOPPING:
            signal.signal(_number, _stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)    # ctl/rehearse.c has held them back until here
        sys.exit(main(*sys.argv[1:]))
    except Stopped as stopped:
        print("\nmta-xoauth2: rehearse: stopped; nothing is left of it", file=sys.stderr, flush=True)
        signal.signal(stopped.number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {stopped.number})
        os.kill(os.getpid(), stopped.number)
