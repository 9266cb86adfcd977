from flow_engine.main import start

start()
