/**
 * What the programs of this package share: how they read a command line, and fail.
 *
 * @module
 */

/** Returns text without what could pass for other lines, or reorders it. */
export function printable(text: string): string {
  return text.replaceAll(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    "?",
  );
}

/** Prints an error and ends the program with code 1, or with 2 after its usage. */
export function fail(message: string, usage?: string): never {
  console.error(printable(message));
  if (usage) console.error(usage);
  Deno.exit(usage ? 2 : 1);
}

/** Reads a folder, and options without values. Ends the program after `--help`. */
export function readCommandLine(
  usage: string,
  { folderName, options = [] }: { folderName: string; options?: string[] },
): { folder: string; options: Set<string> } {
  const args = Deno.args.filter((arg) => arg !== "--");
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usage);
    Deno.exit(0);
  }
  const isOption = (arg: string) => /^-./.test(arg);
  const given = args.filter(isOption);
  const unknown = given.find((option) => !options.includes(option));
  if (unknown) fail(`Unknown option "${unknown}"`, usage);
  const [folder, ...others] = args.filter((arg) => !isOption(arg));
  if (others.length > 0) fail(`Unexpected argument "${others[0]}"`, usage);
  if (!folder) fail(`Missing the name of the ${folderName}'s folder`, usage);
  return { folder, options: new Set(given) };
}
