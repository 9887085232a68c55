"""The Worker that Python runs for tools/compare.ts."""

import asyncio
import os
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def answer(question: str) -> str:
    return f"Answer to {question}"


@activity.defn
async def echo(text: str) -> str:
    return text


@activity.defn
async def beat(seconds: int) -> None:
    for second in range(seconds):
        activity.heartbeat(second)
        await asyncio.sleep(1)


options = {
    "start_to_close_timeout": timedelta(minutes=1),
    "heartbeat_timeout": timedelta(seconds=30),
}


@workflow.defn(name="ask")
class Ask:
    @workflow.run
    async def run(self, question: str) -> str:
        return await workflow.execute_activity(answer, question, **options)


@workflow.defn(name="sendText")
class SendText:
    @workflow.run
    async def run(self, text: str) -> str:
        return await workflow.execute_activity(echo, text, **options)


@workflow.defn(name="watch")
class Watch:
    @workflow.run
    async def run(self, seconds: int) -> None:
        await workflow.execute_activity(beat, seconds, **options)


@workflow.defn(name="waitForGo")
class WaitForGo:
    def __init__(self) -> None:
        self.has_arrived = False

    @workflow.signal
    def go(self) -> None:
        self.has_arrived = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.has_arrived)


async def main() -> None:
    worker = Worker(
        await Client.connect(os.environ["TEMPORAL_ADDRESS"]),
        task_queue="peers",
        workflows=[Ask, SendText, Watch, WaitForGo],
        activities=[answer, echo, beat],
        max_concurrent_activities=200,
    )
    async with worker:
        print("Worker is polling", flush=True)
        await asyncio.Future()


if __name__ == "__main__":  # the sandbox of Workflow code loads this file, too
    asyncio.run(main())
