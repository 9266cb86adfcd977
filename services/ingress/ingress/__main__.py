from ingress.main import start

start()
