/**
 * An Activity that does what its argument says, in place of `activities.ts` in a
 * copy of the project.
 *
 * @module
 */

import { ApplicationFailure } from "@temporalio/activity";
import { once } from "node:events";
import { connect } from "node:net";

/** What an Activity might try, by the name that makes it try. */
const attempts: Record<string, () => unknown> = {
  "read a file of the project": () => Deno.readTextFile("deno.json"),
  "read a file outside": () => Deno.readTextFile("/etc/hostname"),
  "list a folder outside": () => Array.fromAsync(Deno.readDir("/")),
  "write into the project": () => Deno.writeTextFile("new.txt", ""),
  "write outside": () => Deno.makeTempFile(),
  "change the next Worker's bundle": () =>
    Deno.writeTextFile("node_modules/.cache/workflow-bundle.js", ""),
  "fetch": () => fetch("http://127.0.0.1:8000"),
  "open a socket": () => once(connect(8000, "127.0.0.1"), "connect"),
  "listen": () => Deno.listen({ port: 0 }),
  "spawn": () => new Deno.Command("true").output(),
  "see a named variable": () => Deno.env.get("TEMPORAL_ADDRESS"),
  "see another variable": () => Deno.env.get("PATH"),
  "see all variables": () => {
    if (!("PATH" in Deno.env.toObject())) throw new Deno.errors.NotCapable();
  },
  "learn the system's release": () => Deno.osRelease(),
  "load a library": () => Deno.dlopen("libc.so.6", {}),
};

/** Greets, unless `name` says to be slow, to fail, to stumble, or to try something. */
export async function say_hello(name: string): Promise<string> {
  if (name === "slow" || name === "forever") {
    console.log("say_hello begins");
    const milliseconds = name === "slow" ? 1_000 : 1_000_000;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
  if (name === "stumble") throw new Error("stumbled");
  if (name === "fail") throw ApplicationFailure.nonRetryable("no words left");
  try {
    await attempts[name]?.();
  } catch (error) {
    return (error as Error).name;
  }
  return `Hello, ${name}!`;
}
