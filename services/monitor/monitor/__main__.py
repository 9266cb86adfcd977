from monitor.main import start

start()
