/**
 * Figures as Markdown tables.
 *
 * @module
 */

/** Returns rows as an aligned table; the first row is its head. */
export function formatTable(rows: (string | number)[][]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = cells[0].map((_, column) =>
    Math.max(...cells.map((row) => row[column].length))
  );
  const pad = (text: string, column: number) =>
    column ? text.padStart(widths[column]) : text.padEnd(widths[column]);
  const rule = widths.map((width, column) =>
    column ? `${"-".repeat(width - 1)}:` : "-".repeat(width)
  );
  const [head, ...body] = cells.map((row) => row.map(pad));
  return [head, rule, ...body].map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}

/** Returns the median. */
export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)] + sorted[Math.ceil(half)]) / 2;
}

/** Returns the median, and the minimum and maximum. */
export function formatRange(numbers: number[]): string {
  const [middle, min, max] = [
    median(numbers),
    Math.min(...numbers),
    Math.max(...numbers),
  ].map((number) => number.toFixed(number < 10 ? 1 : 0));
  return `${middle} (${min}–${max})`;
}
