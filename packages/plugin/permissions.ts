/**
 * The permissions that a process revokes when a Worker runs. They cannot be granted
 * again.
 *
 * @module
 */

import { cacheFolder } from "./workflows/bundle.ts";

/**
 * Revokes the permissions to write to the cache of bundles and to run Deno, so
 * that no code that runs later can change what the next Worker runs.
 */
export function revokePermissions() {
  Deno.permissions.revokeSync({ name: "write", path: cacheFolder });
  for (const command of ["deno", Deno.execPath()]) {
    Deno.permissions.revokeSync({ name: "run", command });
  }
}

/**
 * Revokes all permissions that a Worker does not need whose Activities run in a
 * sandbox: to load libraries, write, run programs and use the network. The SDK's
 * core has its own connections.
 */
export function revokeAllPermissions() {
  for (const name of ["ffi", "write", "run", "net"] as const) {
    Deno.permissions.revokeSync({ name });
  }
}
