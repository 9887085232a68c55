import * as std from "deno-std/cli/parse_args.js";
export const parseArgs = std.parseArgs;
