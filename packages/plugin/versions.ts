/**
 * The versions of Deno and of the SDK that this plugin works with.
 *
 * @module
 */

import { NativeConnection, Worker } from "@temporalio/worker";
import sdk from "@temporalio/worker/package.json" with { type: "json" };
import { DenoPluginError } from "./errors.ts";

/** Older ones garble what processes of Activities send. */
const OLDEST_DENO = "2.9.6";

/** @throws {DenoPluginError} if Deno is too old */
export function requireDeno(version: string = Deno.version.deno): void {
  const numbers = (text: string) => text.split(/[.+-]/).map(Number);
  const [own, oldest] = [numbers(version), numbers(OLDEST_DENO)];
  const index = oldest.findIndex((number, i) => own[i] !== number);
  if (index < 0 || own[index] > oldest[index]) return;
  throw new DenoPluginError(
    `Cannot use DenoPlugin with Deno "${version}": it needs ${OLDEST_DENO} or ` +
      'later; run "deno upgrade"',
  );
}

/**
 * Checks that an object is of the SDK that this plugin imports. Where an application
 * imports a version that the plugin does not take, Deno installs two.
 *
 * @throws {DenoPluginError} if it is of another copy
 */
export function requireSameSdk(object: object | undefined): void {
  const isOther = [NativeConnection, Worker].some((own) =>
    object?.constructor.name === own.name && !(object instanceof own)
  );
  if (!isOther) return;
  throw new DenoPluginError(
    'Cannot use DenoPlugin: the application imports another copy of "@temporalio/worker" ' +
      `than the plugin, which has ${sdk.version}; import a version that satisfies ` +
      `"^${sdk.version}" everywhere, and run "deno install"`,
  );
}
