import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the stack listens itself: an end without a traceback

from local.main import main  # noqa: E402

main()
