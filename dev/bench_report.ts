/**
 * What the benchmark has measured, as tables and as a picture.
 *
 * @module
 */

import { table } from "./table.ts";

/** The middle one of several measurements, and the two at the ends. */
export interface Figure {
  /** The middle one. */
  median: number;
  /** The least. */
  min: number;
  /** The most. */
  max: number;
}

/** What a number of Workflows in flight came to. */
export interface LoadFigures {
  /** How many Workers there were. */
  workers: number;
  /** How many Workflows were in flight at any time. */
  inFlight: number;
  /** How many Workflows ended in a second. */
  perSecond: Figure;
  /** From the start of one until its result was here, in milliseconds. */
  latency: Figure;
  /** Processor time of all Workers for one, in milliseconds; Linux only. */
  workerCpu: Figure;
  /** Processor time of the server for one, in milliseconds; Linux only. */
  serverCpu: Figure;
}

/** All that is measured. */
export interface Figures {
  /** Where it was measured, and when. */
  machine: string;
  /** From the command until the Worker polls, in milliseconds. */
  startUp: { first: Figure; unchanged: Figure };
  /** By Workers and Workflows in flight. */
  load: LoadFigures[];
  /** Of one Worker after so many Workflows, in megabytes; Linux only. */
  memory: { workflows: number; megabytes: number; workerCpu: number }[];
}

/** Says what was measured on, and when. */
export function describeMachine(): string {
  const { os, arch } = Deno.build;
  const cores = `${navigator.hardwareConcurrency} cores`;
  const day = new Date().toISOString().slice(0, 10);
  return `${os} ${arch}, ${cores}, Deno ${Deno.version.deno}, ${day}`;
}

/** Returns the figures as tables, with what bounds them. */
export function describe({ machine, startUp, load, memory }: Figures): string {
  return [
    `Measured on ${machine}; middle (least to most)`,
    table([
      ["From the command until the Worker polls", "ms"],
      ["After a change of Workflow code", tell(startUp.first)],
      ["Unchanged", tell(startUp.unchanged)],
    ]),
    "Bounded by webpack after a change, by loading the SDK otherwise.",
    table([
      [
        "Workers",
        "In flight",
        "Workflows/s",
        "ms for one",
        "Workers' CPU ms for one",
        "server's CPU ms for one",
      ],
      ...load.map((row) => [
        row.workers,
        row.inFlight,
        tell(row.perSecond),
        tell(row.latency),
        tell(row.workerCpu, 1),
        tell(row.serverCpu, 1),
      ]),
    ]),
    "Bounded by the dev server's processor time; one in flight, by its answers.",
    table([
      ["Workflows so far", "MB of one Worker", "its CPU ms for one"],
      ...memory.map((row) => [
        row.workflows,
        row.megabytes.toFixed(0),
        row.workerCpu.toFixed(1),
      ]),
    ]),
    "Bounded by how V8 collects garbage: seldom, as long as there is memory.",
  ].join("\n\n");
}

function tell({ median, min, max }: Figure, digits = 0): string {
  const [middle, least, most] = [median, min, max].map((number) =>
    number.toFixed(digits)
  );
  return `${middle} (${least}–${most})`;
}

/** Draws the Workflows per second as bars. */
export function draw({ machine, load }: Figures): string {
  const longest = Math.max(...load.map(({ perSecond }) => perSecond.max));
  const scale = 300 / longest;
  const bars = load.map(({ workers, inFlight, perSecond }, index) => {
    const y = 40 + 24 * index;
    const { median, min, max } = perSecond;
    const label = `${workers} Worker${
      workers > 1 ? "s" : ""
    }, ${inFlight} in flight`;
    return `<text x="190" y="${y + 13}" text-anchor="end">${label}</text>
<rect x="200" y="${y}" width="${median * scale}" height="16" fill="#5b8def"/>
<path d="M${200 + min * scale} ${y + 8}H${200 + max * scale}" stroke="#888"/>
<text x="${208 + max * scale}" y="${y + 13}">${median.toFixed(0)}</text>`;
  });
  const height = 60 + 24 * load.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="560" height="${height}" font-family="sans-serif" font-size="12" fill="#888">
<text x="200" y="20" font-size="14">Workflows per second on one dev server</text>
${bars.join("\n")}
<text x="200" y="${height - 8}" font-size="10">${machine}</text>
</svg>
`;
}
