/**
 * The permissions that a process revokes when a Worker runs. They cannot be granted
 * again.
 *
 * @module
 */

import { dirname } from "node:path";
import { cacheFolder } from "./workflows/bundle.ts";

/**
 * Revokes the permissions that this plugin has asked for: to write to the cache of
 * bundles and to run Deno, so that no code that runs later can change what the next
 * Worker runs. Where a wider permission was granted, that is the application's: it
 * stays, since revoking a part of it would take the whole.
 */
export function revokePermissions() {
  const isWider = isGranted({ name: "write", path: dirname(cacheFolder) });
  if (!isWider) {
    Deno.permissions.revokeSync({ name: "write", path: cacheFolder });
  }
  if (isGranted({ name: "run" })) return;
  for (const command of ["deno", Deno.execPath()]) {
    Deno.permissions.revokeSync({ name: "run", command });
  }
}

/**
 * Revokes the permission to load native libraries from a list of folders: the SDK
 * has loaded its own by now. Whoever grants all libraries gets to keep them.
 */
export function revokeFfi() {
  if (isGranted({ name: "ffi" })) return;
  Deno.permissions.revokeSync({ name: "ffi" });
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
