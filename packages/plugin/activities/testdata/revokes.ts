/** Prints the permissions that are left when a Worker with a sandbox runs. */

import { revokeFfi, revokePermissions } from "../../permissions.ts";

revokePermissions();
revokeFfi();
const [cache, ...others] = Deno.args;
const states = [
  { name: "write", path: cache },
  { name: "run", command: "deno" },
  { name: "ffi", path: cache },
  ...others.map((path) => ({ name: "write", path })),
].map((permission) =>
  Deno.permissions.querySync(permission as Deno.PermissionDescriptor).state
);
console.log(JSON.stringify(states.map((state) => state === "granted")));
