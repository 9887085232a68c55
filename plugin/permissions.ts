/**
 * The permissions that a process gives up once a Worker is created. Deno gives them
 * back to nobody.
 *
 * @module
 */

import { cacheFolder } from "./workflows/bundle_cache.ts";

/**
 * Gives up the permissions to write to the cache of bundles and to run Deno, so
 * that no code that runs later can change what the next Worker runs.
 */
export function revokePermissions() {
  Deno.permissions.revokeSync({ name: "write", path: cacheFolder });
  for (const command of ["deno", Deno.execPath()]) {
    Deno.permissions.revokeSync({ name: "run", command });
  }
}

/**
 * Gives up all permissions that a Worker does not need whose Activities run in a
 * sandbox: to load libraries, write, run programs and use the network. The SDK's
 * core has its own connections.
 */
export function revokeAllPermissions() {
  for (const name of ["ffi", "write", "run", "net"] as const) {
    Deno.permissions.revokeSync({ name });
  }
}
