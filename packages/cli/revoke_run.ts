/**
 * Gives up the permission to run Deno in the process of a Client, where nothing but
 * `profile.ts` needs it. A Client imports this module first, so that no package that
 * is loaded later can start a program.
 *
 * @module
 */

import { isGranted } from "./profile.ts";

// A process that may load the SDK's native library may run a Worker, or tests, and
// bundles Workflow code. One that may run any program keeps that.
const isNeeded = isGranted({ name: "ffi", path: "node_modules" }) ||
  isGranted({ name: "run" });
if (!isNeeded) {
  for (const command of ["deno", Deno.execPath()]) {
    Deno.permissions.revokeSync({ name: "run", command });
  }
}
