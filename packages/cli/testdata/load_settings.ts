/** Prints the settings or why they cannot be loaded, and what it may still do. */

import "../revoke_run.ts";
import { isGranted } from "../profile.ts";
import { loadSettings } from "../settings.ts";

let result: unknown;
try {
  const { connectionOptions, namespace } = await loadSettings({
    "task-queue": "queue",
  });
  result = { tls: connectionOptions.tls, namespace };
} catch (error) {
  result = (error as Error).message;
}
const toText = (_: string, value: unknown) =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
const run = isGranted({ name: "run", command: "deno" });
console.log(JSON.stringify({ result, run }, toText));
