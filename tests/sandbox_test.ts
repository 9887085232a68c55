/** Tests in which Activities run in the Activity sandbox. */

import { environment, useEnvironment } from "@temporal-on-deno/cli/testing";
import { DenoPlugin } from "@temporal-on-deno/plugin";
import { Worker } from "@temporalio/worker";
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { SayHello } from "../workflows.ts";

useEnvironment();

for (const name of ["Ada", "Grace"]) {
  Deno.test(`SayHello greets ${name} with the permissions of its Activities`, async () => {
    const taskQueue = crypto.randomUUID();
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowsPath: import.meta.resolve("../workflows.ts"),
      plugins: [
        new DenoPlugin({
          activities: import.meta.resolve("../activities.ts"),
          permissions: config.permissions.activities,
          // The next test needs them, too.
          keepPermissions: true,
        }),
      ],
    });
    const result = await worker.runUntil(
      environment.client.workflow.execute(SayHello, {
        args: [name],
        taskQueue,
        workflowId: crypto.randomUUID(),
      }),
    );
    assertEquals(result, `Hello, ${name}!`);
  });
}
