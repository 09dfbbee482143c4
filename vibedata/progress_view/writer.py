"""Write the view. A terminal shows a redrawn block. Elsewhere plain lines appear, at least one in 15 s."""

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TextIO, cast

from runbook_lib.automation.jobs import JobState
from runbook_lib.basics.clock import SYSTEM_CLOCK, Clock
from vibedata.interruption import Interrupted, exit_code_of
from vibedata.progress_view.events import Event, JobAsked, JobLine, JobSeen, Said
from vibedata.progress_view.layout import block, heartbeat
from vibedata.progress_view.state import Line, State, fold
from vibedata.progress_view.waiting import left
from vibedata.standard_streams import is_lost
from vibedata.terminal import Screen, screen_of, told

# The time between two looks at the clock. The terminal is redrawn as often.
TICK_SECONDS = 1.0
# After this time without a line, one is written. Together with the time between two looks, and on a slow machine, this
# is less than 15 s.
SILENCE_SECONDS = 10.0
NOBODY_READS = "nobody reads standard output any more; the command goes on and writes the rest here"
# The end of a command waits for the view's thread for this time. The thread may be writing to a terminal that does not
# read.
END_SECONDS = 5.0


class View:
    """The view that a person sees. Many threads may tell it what happens.

    Args:
        title: The instance, and what the command does to it.
        stream: The stream for the lines.
        screen: The screen of the stream if the view may redraw it, None otherwise.
        clock: Gives the time.
        option: See vibedata.instances.choice.Customer.
    """

    def __init__(self, title: str, *, stream: TextIO, screen: Screen | None, clock: Clock, option: str = "") -> None:
        self.option = option
        self._stream = stream
        self._screen = screen
        self._clock = clock
        # If a signal interrupts a thread that holds the lock, the same thread may take the lock again at the end.
        self._lock = threading.RLock()
        self._state = State(title=title, began=clock.monotonic())
        self._wrote_at = clock.monotonic()

    @property
    def state(self) -> State:
        """The present state of the command."""
        return self._state

    def tell(self, event: Event) -> None:
        """Take note of what happened, and show it."""
        with self._lock:
            after = fold(self._state, event, self._clock.monotonic())
            self._state = after.state
            self._show(after.lines)

    def say(self, line: str) -> None:
        """Show a sentence. A warning (it begins with `WARNING: `) is shown only once."""
        self.tell(Said(line))

    def job(self, runbook: str) -> "JobView":
        """Return an observer for a job of a runbook."""
        return JobView(self, runbook)

    def whole_job(self, runbook: str) -> "JobView":
        """Return an observer for a job. It shows every line."""
        return WholeJobView(self, runbook)

    def silent_job(self, runbook: str) -> "JobView":
        """Return an observer for a job. It shows no line."""
        return SilentJobView(self, runbook)

    def tick(self) -> None:
        """Show that time has passed."""
        with self._lock:
            now = self._clock.monotonic()
            if self._screen is not None:
                self._show(())
            elif now - self._wrote_at >= SILENCE_SECONDS:
                self._show((Line(heartbeat(self._state, now)),))

    def clear(self) -> None:
        """Remove the block, before the command's result is written."""
        with self._lock:
            if self._screen is not None:
                self._screen.draw((), ())

    def _show(self, lines: Sequence[Line]) -> None:
        now = self._clock.monotonic()
        if self._screen is not None:
            width, height = self._screen.size
            above = [text for line in lines if not line.in_view for text in line.text.split("\n")]
            self._screen.draw(above, block(self._state, now, width=width, height=height))
            return
        for line in lines:
            self._write(line.text)
        if lines:
            self._wrote_at = now

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
        if is_lost(self._stream) and self._stream is not sys.stderr:
            self._stream = sys.stderr
            self._stream.write(f"{NOBODY_READS}\n{text}\n")
            self._stream.flush()


class JobView:
    """Takes the events of one job from vibedata.jobs.following."""

    def __init__(self, view: View, runbook: str) -> None:
        self._view = view
        self._runbook = runbook

    @property
    def option(self) -> str:
        """What a printed command needs to work at the same instance."""
        return self._view.option

    def asked(self) -> None:
        """Automation is being asked for the job."""
        self._view.tell(JobAsked(self._runbook))

    def seen(self, state: JobState) -> None:
        """The job is in this state."""
        self._view.tell(
            JobSeen(runbook=self._runbook, job_id=state.job_id, status=told(state.status), ended=state.ended)
        )

    def line(self, line: str) -> None:
        """The job has written a line."""
        self._view.tell(JobLine(self._runbook, line))


class WholeJobView(JobView):
    """One job. Every line of it is shown."""

    def line(self, line: str) -> None:
        """Show the line without changing it."""
        self._view.say(line)


class SilentJobView(JobView):
    """One job. Another reader reads its lines."""

    def line(self, line: str) -> None:
        """Show nothing."""


@contextlib.contextmanager
def watching(
    title: str, *, output: str, clock: Clock, option: str = "", about: Mapping[str, object] | None = None
) -> Iterator[View]:
    """Show a view within the block.

    With `--output json` it is on standard error, because standard output has the result.

    `option`: see vibedata.instances.choice.Customer. `about`: additional members of the result of an interruption.

    Raises Interrupted if Ctrl-C or a signal ends the block. It says what goes on in Azure.
    """
    stream = sys.stderr if output == "json" else sys.stdout
    view = View(title, stream=stream, screen=screen_of(stream), clock=clock, option=option)
    over = threading.Event()

    def tick_on() -> None:
        while not over.wait(TICK_SECONDS):
            view.tick()

    ticking = threading.Thread(target=tick_on, name="view", daemon=True)
    with contextlib.ExitStack() as stack:
        if screen_of(stream) is not None and sys.stderr.isatty():
            # Other output must not get between the lines that are redrawn.
            stack.enter_context(contextlib.redirect_stderr(_Lines(view.say)))
        ticking.start()
        try:
            yield view
        except KeyboardInterrupt as caught:
            found = left(view.state.current, option)
            view.say(f"interrupted. {found['goes_on']}")
            raise Interrupted(exit_code_of(caught), {**(about or {}), **found}) from caught
        finally:
            over.set()
            ticking.join(END_SECONDS)
            view.clear()


def view_of_lines(write: Callable[[str], object]) -> View:
    """Return a view that passes each line to a function. It has no thread, so it does not notice that time passes."""
    return View("", stream=cast(TextIO, _Lines(write)), screen=None, clock=SYSTEM_CLOCK)


class _Lines(io.TextIOBase):
    """A text stream that passes each line to a function."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._begun = ""
        self._own = threading.Lock()

    def write(self, text: str) -> int:
        with self._own:
            *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._write(line)
        return len(text)

    def isatty(self) -> bool:
        return True
