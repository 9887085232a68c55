/** Tries each attack while it is loaded. */

import { attack, attacks, harmless } from "./attacks.ts";

export { attack } from "./attacks.ts";

const atLoad: Record<string, string> = {};
for (const name of Object.keys({ ...attacks, ...harmless })) {
  atLoad[name] = await attack(name);
}

/** Returns what each attack came to at load. */
export async function getAttacksAtLoad(): Promise<Record<string, string>> {
  return atLoad;
}
