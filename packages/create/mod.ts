/**
 * Creates a project: Temporal's tutorial on Deno, to change into an application of
 * one's own.
 *
 * As a program, it takes the project's folder.
 *
 * @module
 */

import { fail, printable, readCommandLine } from "./program.ts";
import { checkout, isInside, projectFiles, sourceFor } from "./project.ts";

/** The project cannot be created there. The message says why, in one line. */
export class CreateError extends Error {
  /** Tells it apart in logs. */
  override name = "CreateError";
}

const usage = `Usage: FOLDER
Creates a Temporal Application on Deno in a folder that does not exist or is empty
  --help  Show this help`;

/**
 * Creates a project in a folder that does not exist, is empty, or holds what an
 * interrupted run has left. It needs the permission to read and write that folder.
 * If it fails, it leaves nothing behind.
 *
 * @throws {CreateError} if the folder cannot be used
 */
export function createProject(folder: string): void {
  const refuse = (reason: string) => {
    throw new CreateError(`Cannot create a project in "${folder}": ${reason}`);
  };
  if (checkout !== undefined && isInside(checkout, folder)) {
    refuse("it is in the checkout; name a folder outside");
  }
  const files = projectFiles(sourceFor(folder, [
    "packages/cli",
    "packages/plugin",
    "tools/std/assert",
    "tools/std/cli",
  ]));
  const isEmpty = (() => {
    try {
      return isUnfinished(folder, "", files);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      return refuse(reasonOf(error as Error));
    }
  })();
  if (!isEmpty) refuse("it is not empty; name another folder");
  const written: string[] = [];
  try {
    makeFolder(folder, written);
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      if (name.includes("/")) makeFolder(path.replace(/\/[^/]*$/, ""), written);
      // What an interrupted run has left may be incomplete.
      written.push(path);
      Deno.writeTextFileSync(path, text);
    }
  } catch (error) {
    for (const path of written.reverse()) {
      try {
        Deno.removeSync(path);
      } catch {
        // It was not written, or something else is in the folder.
      }
    }
    refuse(reasonOf(error as Error));
  }
}

/**
 * Whether a folder holds nothing but the beginning of a project. As `deno.json` is
 * written last, it is missing or incomplete.
 */
function isUnfinished(
  folder: string,
  prefix: string,
  files: Record<string, string>,
): boolean {
  return Array.from(Deno.readDirSync(`${folder}/${prefix}`)).every((entry) => {
    const name = prefix + entry.name;
    if (entry.isDirectory) {
      const isOwn = Object.keys(files).some((file) =>
        file.startsWith(`${name}/`)
      );
      return isOwn && isUnfinished(folder, `${name}/`, files);
    }
    const text = Object.hasOwn(files, name) && entry.isFile
      ? Deno.readTextFileSync(`${folder}/${name}`)
      : undefined;
    return text !== undefined && files[name].startsWith(text) &&
      (name !== "deno.json" || files[name] !== text);
  });
}

/** Creates a folder, and those above it, and adds what it has created to a list. */
function makeFolder(path: string, created: string[]) {
  try {
    Deno.mkdirSync(path);
    created.push(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function reasonOf(error: Error): string {
  if (error instanceof Deno.errors.NotADirectory) return "it is not a folder";
  if (error instanceof Deno.errors.NotFound) {
    return "the folder above it does not exist; create that first";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "this process may not read and write it; allow both with -R and -W";
  }
  return error.message.replace(/ \(os error .*/s, "");
}

if (import.meta.main) {
  const { folder } = readCommandLine(usage, { folderName: "project" });
  try {
    createProject(folder);
  } catch (error) {
    if (!(error instanceof CreateError)) throw error;
    fail(error.message);
  }
  console.log(`Created a project in "${printable(folder)}"`);
  if (checkout !== undefined) {
    console.log(`It uses the packages of the checkout in "${checkout}"`);
  }
  const name = /^[\w./-]+$/.test(folder)
    ? folder
    : printable(`'${folder.replaceAll("'", `'\\''`)}'`);
  console.log(`Next:\n  cd ${name}\n  deno task demo`);
}
