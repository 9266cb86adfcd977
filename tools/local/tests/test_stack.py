"""`make run` from outside: a process that starts others, and never leaves one behind."""

import re
import signal
import socket

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaProducer

from local.kafka import READY_TOPIC

pytestmark = pytest.mark.infra


def gone(processes):
    return not psutil.wait_procs(processes, 0)[1]


async def test_kill_9_of_the_supervisor_leaves_no_process_and_the_next_start_works(small_stack, wait_for):
    first = small_stack()
    await first.says("Convoboss runs")
    family = first.family()
    assert {"java", "postgres"} <= {one.name() for one in family}

    first.process.kill()
    await wait_for(lambda: gone(family), f"the end of {family}")

    second = small_stack()
    await second.says("Convoboss runs")


async def test_a_second_run_on_the_same_data_is_refused_with_the_pid_of_the_first(light_stack):
    first = light_stack()
    await first.says("Starting")
    second = light_stack()
    assert await second.ended() == 1
    assert f"process {first.popen.pid}" in second.said
    first.process.terminate()
    await first.ended()


async def test_a_taken_port_is_said_and_another_one_is_used(light_stack):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        stack = light_stack(port)
        said = await stack.says("Convoboss runs")
    assert f"Port {port} is in use; patient takes " in said
    assert f"http://127.0.0.1:{port} " not in said


async def test_the_servers_run_where_the_table_and_the_services_are_told(small_stack):
    stack = small_stack()
    said = await stack.says("Convoboss runs")
    broker = stack.log("topics").removeprefix("broker ").strip()
    database = re.search(r"postgresql://\S+", said)[0]
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait(READY_TOPIC, b"here")
    connection = await asyncpg.connect(database, timeout=10)
    await connection.close()


async def test_a_service_that_dies_is_said_and_started_again(light_stack, wait_for):
    stack = light_stack()
    await stack.says("Convoboss runs")
    (patient,) = [one for one in stack.family() if one.name() == "patient"]
    patient.kill()
    await stack.says("patient ended by SIGKILL")
    await wait_for(lambda: [one for one in stack.family() if "patient" in one.cmdline()])
    await wait_for(lambda: stack.said.count("patient is ready") == 2, "a second readiness")


async def test_servers_that_are_killed_come_back_on_the_same_ports(small_stack, wait_for):
    stack = small_stack()
    await stack.says("Convoboss runs")
    for server in [one for one in stack.family() if one.name() == "java" or "cluster" in " ".join(one.cmdline())]:
        server.kill()
    await stack.says("Kafka ended by SIGKILL")
    await stack.says("PostgreSQL ended by SIGKILL")
    await wait_for(lambda: stack.said.count("Kafka is ready") == 2, "Kafka's second readiness")
    await wait_for(lambda: stack.said.count("PostgreSQL is ready") == 2, "PostgreSQL's second readiness")


async def test_ctrl_c_stops_everything_and_the_exit_is_clean(small_stack, wait_for):
    stack = small_stack()
    await stack.says("Everything stays up")
    family = stack.family()
    stack.process.send_signal(signal.SIGINT)
    assert await stack.ended() == 0
    assert gone(family)
    assert "All stopped" in stack.said


async def test_a_wrong_setting_ends_the_start_with_the_service_s_own_words(light_stack, wait_for):
    stack = light_stack(PATIENT_EXIT="2")
    assert await stack.ended() == 1
    assert "a setting is wrong" in stack.said
    assert "starting again" not in stack.said


async def test_a_service_that_is_not_ready_is_waited_for_by_name_and_reason(light_stack):
    stack = light_stack(PATIENT_WAITS="1")
    await stack.says("waiting for patient")
    await stack.says("consumer: no partitions")
    stack.process.terminate()
    await stack.ended()


async def test_the_real_world_in_the_environment_is_not_started_here(light_stack, kafka_bootstrap):
    stack = light_stack()
    said = await stack.says("Convoboss runs")
    assert stack.log("topics") == f"broker {kafka_bootstrap}\n"
    assert "Starting patient." in said
    assert {"java", "postgres"}.isdisjoint(one.name() for one in stack.family())
