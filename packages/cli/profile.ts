/**
 * Reads what the user's folder for Temporal holds: the configuration file with the
 * profiles, and certificates and keys beside it. `deno.json` cannot permit a program
 * to read that folder, because its path depends on the user. A program that may not
 * read it, but may run Deno, starts a process that may read this folder and do
 * nothing else.
 *
 * That process starts when this module is imported, to be ready once the program has
 * loaded the SDK. Import this module before the SDK.
 *
 * @module
 */

import { isAbsolute, join, relative, resolve } from "node:path";
import type { FileAnswer } from "./read_files.ts";

// Never called: what is started by its URL is thereby part of the module graph.
const _program = () => import("./read_files.ts");

const folder = profileFolder();
const reader = folder ? startReader(folder) : undefined;

/**
 * Returns the user's folder for Temporal, where the SDK looks for it; undefined if
 * the variables that lead to it are not set, or not permitted.
 */
export function profileFolder(): string | undefined {
  const parent = configFolder();
  return parent && join(parent, "temporalio");
}

function configFolder(): string | undefined {
  const { os } = Deno.build;
  if (os === "windows") return variable("APPDATA");
  const home = variable("HOME");
  if (os === "darwin") return home && join(home, "Library/Application Support");
  const parent = variable("XDG_CONFIG_HOME");
  if (!parent) return home && join(home, ".config");
  return isAbsolute(parent) ? parent : undefined;
}

function variable(name: string): string | undefined {
  const isPermitted = isGranted({ name: "env", variable: name });
  return isPermitted && Deno.env.get(name) || undefined;
}

/**
 * Returns the text of a file in the user's folder for Temporal, if this process may
 * not read it itself; undefined for any other file.
 *
 * @throws {Error} with `code`, if the file cannot be read
 */
export async function readProfileFile(
  path: string,
): Promise<string | undefined> {
  if (!folder || !reader || isGranted({ name: "read", path })) return;
  const inFolder = relative(folder, resolve(path));
  if (isAbsolute(inFolder) || inFolder.startsWith("..")) return;
  const answer = await reader.read(inFolder);
  if ("text" in answer) return answer.text;
  const { code, reason } = answer;
  // As the SDK's message for a file that it reads itself.
  const message = `${code}: ${reason.toLowerCase()}, open '${path}'`;
  throw Object.assign(new Error(message), { code });
}

/** Ends the process that reads: the settings are loaded. */
export function closeProfile() {
  reader?.close();
}

interface Reader {
  read(path: string): Promise<FileAnswer>;
  close(): void;
}

/** Starts the process that reads, if one is needed and this one may start it. */
function startReader(folder: string): Reader | undefined {
  if (isGranted({ name: "read", path: folder })) return;
  // The permission to run "deno" is for the one on PATH, which may be another.
  const own = Deno.execPath();
  const command = isGranted({ name: "run", command: own }) ? own : "deno";
  const flags = "-q --no-prompt --no-config --no-lock --cached-only -R=.";
  try {
    return toReader(
      new Deno.Command(command, {
        args: [
          "run",
          ...flags.split(" "),
          import.meta.resolve("./read_files.ts"),
        ],
        // In a flag, a comma in the path would begin the path of another folder.
        cwd: folder,
        // Ctrl-C is for this process alone, which closes its stdin.
        detached: true,
        stdin: "piped",
        stdout: "piped",
      }).spawn(),
    );
  } catch (error) {
    // Most users have no such folder, which costs them nothing.
    const isMissing = /No such cwd/.test((error as Error).message);
    const missing = { code: "ENOENT", reason: "No such file or directory" };
    if (isMissing) return { read: async () => missing, close() {} };
    // The program's own attempt to read will report the missing permission.
  }
}

function toReader(process: Deno.ChildProcess): Reader {
  process.unref();
  const requests = process.stdin.getWriter();
  const output = process.stdout.pipeThrough(new TextDecoderStream())
    .getReader();
  return {
    async read(path) {
      const request = `${JSON.stringify(path)}\n`;
      await requests.write(new TextEncoder().encode(request));
      let line = "";
      while (!line.endsWith("\n")) {
        const { value, done } = await output.read();
        if (done) throw new Error("The process that reads it has ended");
        line += value;
      }
      return JSON.parse(line);
    },
    close() {
      requests.close().catch(() => {});
    },
  };
}

/** Whether this process holds a permission. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
