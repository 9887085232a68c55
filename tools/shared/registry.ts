/**
 * A registry on this machine that serves the workspace's packages as JSR does, from
 * their files as they stand.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { run } from "../../packages/cli/processes.ts";
import { join, relative } from "node:path";
import { root, type TemporaryFolder, temporaryFolder } from "./project.ts";

interface Manifest {
  name: string;
  version: string;
  exports: string | Record<string, string>;
  imports?: Record<string, string>;
}

/** Makes a package of npm of the plugin, in a file. */
export async function packPlugin(file: string): Promise<void> {
  const signal = AbortSignal.timeout(120_000);
  const cwd = join(root, "packages/plugin");
  const command = [Deno.execPath(), "pack", "-q", "--allow-dirty", "-o", file];
  await run(command, { cwd, signal });
}

/** Serves a package of npm, as its registry does. */
export async function startNpmRegistry(file: string): Promise<Registry> {
  const tarball = await Deno.readFile(file);
  const hash = createHash("sha512").update(tarball).digest("base64");
  const signal = AbortSignal.timeout(20_000);
  const text = await run(["tar", "-xzOf", file, "package/package.json"], {
    signal,
  });
  const manifest = JSON.parse(text);
  return serve(({ origin, pathname }) => {
    if (pathname === "/package.tgz") return new Response(tarball);
    if (decodeURIComponent(pathname) !== `/${manifest.name}`) return;
    const dist = {
      tarball: `${origin}/package.tgz`,
      integrity: `sha512-${hash}`,
    };
    return Response.json({
      name: manifest.name,
      "dist-tags": { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    });
  });
}

/** A registry that runs until it is disposed of. */
export interface Registry extends AsyncDisposable {
  /** What `JSR_URL`, or npm's setting `registry`, has to be. */
  url: string;
  /** The paths that were asked for. */
  requests: string[];
}

const folders = [
  "packages/cli",
  "packages/create",
  "packages/plugin",
  "tools/std/assert",
  "tools/std/cli",
];

/** Serves the packages. */
export async function startRegistry(): Promise<Registry> {
  const files: Record<string, string> = {};
  for (const folder of folders) await addPackage(folder, files);
  return serve(({ pathname }) => {
    const text = files[pathname];
    if (text === undefined) return;
    const type = pathname.endsWith(".json") ? "json" : "typescript";
    return new Response(text, {
      headers: { "content-type": `application/${type}` },
    });
  });
}

function serve(respond: (url: URL) => Response | undefined): Registry {
  const requests: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const url = new URL(request.url);
      requests.push(url.pathname);
      return respond(url) ?? new Response(null, { status: 404 });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function addPackage(
  folder: string,
  files: Record<string, string>,
) {
  const read = (path: string) => Deno.readTextFile(join(root, path));
  const config: Manifest = JSON.parse(await read(`${folder}/deno.json`));
  const { name, version, imports = {} } = config;
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const base = `/${name}/${version}`;
  for await (const path of publishedFiles(join(root, folder))) {
    const local = `/${relative(join(root, folder), path)}`;
    const text = publish(await read(folder + local), imports);
    const bytes = new TextEncoder().encode(text);
    const hash = createHash("sha256").update(bytes).digest("hex");
    manifest[local] = { size: bytes.length, checksum: `sha256-${hash}` };
    files[base + local] = text;
  }
  const exports = typeof config.exports === "string"
    ? { ".": config.exports }
    : config.exports;
  files[`/${name}/meta.json`] = JSON.stringify({
    versions: { [version]: {} },
    latest: version,
  });
  files[`${base}_meta.json`] = JSON.stringify({ manifest, exports });
}

async function* publishedFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (/^(?:testdata|template|node_modules)$|_test\.ts$/.test(name)) continue;
    if (isDirectory) yield* publishedFiles(path);
    else yield path;
  }
}

/**
 * Replaces the names of the import map in import statements, as publishing does. It
 * leaves other strings alone, such as those that are passed to `import.meta.resolve`.
 */
function publish(text: string, imports: Record<string, string>): string {
  const statement =
    /((?:^|\n)(?:import|export|\} from)\b[^;"'`]*|(?:^|\n)import |\bimport\()"([^"\n]+)"/g;
  return text.replaceAll(statement, (whole, before, specifier) => {
    const [name] = Object.keys(imports)
      .filter((name) =>
        specifier === name ||
        specifier.startsWith(name.endsWith("/") ? name : `${name}/`)
      )
      .sort((a, b) => b.length - a.length);
    if (name === undefined) return whole;
    return `${before}"${imports[name]}${specifier.slice(name.length)}"`;
  });
}

/**
 * Creates a cache for Deno that holds nothing but what it has of npm, so that no
 * other registry is asked.
 */
export async function emptyCache(denoDir: string): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  await Deno.mkdir(join(folder.path, "npm"));
  const npm = Array.from(Deno.readDirSync(join(denoDir, "npm")));
  for (const name of ["dl", ...npm.map(({ name }) => `npm/${name}`)]) {
    const target = join(denoDir, name);
    await Deno.mkdir(target, { recursive: true });
    await Deno.symlink(target, join(folder.path, name));
  }
  return folder;
}
