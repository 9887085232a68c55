"""The same application in Python: `app.py worker HOST:PORT`, or `app.py start`."""

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "hello-task-queue"


@activity.defn
async def say_hello(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn
class SayHello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            say_hello, name, start_to_close_timeout=timedelta(seconds=5)
        )


async def main(role: str, address: str) -> None:
    client = await Client.connect(address)
    if role == "start":
        handle = await client.start_workflow(
            SayHello.run, "Temporal", id="hello-workflow", task_queue=TASK_QUEUE
        )
        print("Result:", await handle.result())
        return
    worker = Worker(
        client, task_queue=TASK_QUEUE, workflows=[SayHello], activities=[say_hello]
    )
    async with worker:
        print("Python Worker polls", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
