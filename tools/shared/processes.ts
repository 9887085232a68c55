/**
 * What processes use, on Linux.
 *
 * @module
 */

/** The processes that a task runs: those of the Worker and of its Activities. */
export function processesOf(pid: number): number[] {
  const threads = readProc(pid, "task/*/children").split(/\s+/);
  return threads.filter(Boolean).map(Number)
    .flatMap((child) => [child, ...processesOf(child)]);
}

/** The processor time that processes have used, in milliseconds. */
export function cpuTime(...pids: number[]): number {
  const ticks = pids.flatMap((pid) =>
    // Of user and system, in ticks of 10 milliseconds
    readProc(pid, "stat").split(") ")[1]?.split(" ").slice(11, 13) ?? [NaN]
  );
  return 10 * ticks.reduce((sum, tick) => sum + Number(tick), 0);
}

/** The memory that processes use, in megabytes; what they share counts once. */
export function memory(pids: number[]): number {
  const sizes = pids.map((pid) =>
    /^Pss:\s+(\d+) kB/m.exec(readProc(pid, "smaps_rollup"))?.[1]
  );
  return sizes.reduce((sum, size) => sum + Number(size) / 1000, 0);
}

function readProc(pid: number, file: string): string {
  if (Deno.build.os !== "linux") return "";
  // Deno itself would read this only with all permissions.
  const cat = new Deno.Command("sh", {
    args: ["-c", `cat /proc/${pid}/${file}`],
  });
  return new TextDecoder().decode(cat.outputSync().stdout);
}
