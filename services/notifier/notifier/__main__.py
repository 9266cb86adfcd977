from notifier.main import start

start()
